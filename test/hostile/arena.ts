// Where strangers' inputs are let loose: a store, a place for outputs, and beside them a tree that nothing may touch. Every case is
// named after the advisory that it resembles; before and after it the whole tree is listed with everything the kernel knows of it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ProgressEvent, quietJob, SlipwayError, toBytePath } from '../../src/base/index.ts';
import { type BuildRequest, buildWith, type Engine, openEngine, type Settings } from '../../src/build/index.ts';
import { readXattrs } from '../../src/sys/index.ts';

/** In the name of whatever a hostile input tries to make outside: nothing on the machine may have such a name afterwards. */
export const MARK = `slipway-pwned-${process.pid}`;

/** One hostile input. */
export interface HostileCase {
  /** The advisory (or advisories) that it resembles. */
  readonly like: string;
  /** What the stranger does. */
  readonly what: string;
  readonly run: (arena: Arena) => Promise<void> | void;
}

/** What became of an input: refused with a code, or taken with these files. */
export interface Verdict {
  readonly refused: string | undefined;
  readonly message: string;
  /** Paths of the output folder to `kind mode content|target`; empty when refused. */
  readonly files: Readonly<Record<string, string>>;
  /** What was logged. */
  readonly log: string;
}

/** Registers a test for each case, all in one arena; after each the tree outside is as it was and the store is sound. */
export function hostile(cases: readonly HostileCase[], settings: Settings = {}): void {
  const arena = new Arena(settings);
  after(() => arena[Symbol.asyncDispose]());
  for (const { like, what, run } of cases) {
    test(`${like}: ${what}`, { timeout: 120_000 }, async () => {
      const before = arena.listing();
      try {
        await run(arena);
      } finally {
        arena.clear();
      }
      assert.deepEqual(arena.listing(), before, 'nothing outside store and output changed');
      assert.deepEqual(strayNames(), [], 'nothing was made elsewhere on the machine');
      assert.deepEqual(await arena.engine.check(false), [], 'the store is sound');
    });
  }
}

/** A scratch folder of one test file. */
export class Arena implements AsyncDisposable {
  readonly root = mkdtempSync('/tmp/slipway-hostile-');
  /** What nobody may touch. */
  readonly outside = join(this.root, 'outside');
  readonly store = join(this.root, 'store');
  readonly engine: Engine;
  #count = 0;

  constructor(settings: Settings = {}) {
    chmodSync(this.root, 0o755);
    makeOutside(this.outside);
    this.engine = openEngine({ root: this.store, settings: { ...settings, programEnv: { PATH: process.env['PATH'] ?? '' } } });
  }

  /** A fresh folder for what a case needs. */
  folder(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
    const folder = join(this.root, 'cases', String((this.#count += 1)));
    mkdirSync(folder, { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    return folder;
  }

  /** Builds a Dockerfile in this process and lays the result into a folder. */
  async build(
    dockerfile: string,
    request: BuildRequest & { readonly files?: Readonly<Record<string, string | Uint8Array>> } = {},
  ): Promise<Verdict> {
    const { files = {}, ...rest } = request;
    return await this.buildAsIs({
      context: { kind: 'folder', path: this.folder(files) },
      dockerfile: { kind: 'text', filename: 'Dockerfile', text: dockerfile },
      ...rest,
    });
  }

  /** Builds what is asked for and lays the result into a folder. */
  async buildAsIs(request: BuildRequest): Promise<Verdict> {
    const dest = join(this.folder(), 'out');
    let log = '';
    const job = { ...quietJob(), progress: (event: ProgressEvent) => void (log += textOf(event)) };
    try {
      await buildWith(this.engine, { outputs: [{ type: 'local', attributes: { dest } }], ...request }, job);
    } catch (error) {
      // Anything but a failure of ours by name is a bug.
      if (!(error instanceof SlipwayError)) throw error;
      assert.equal(existsSync(dest), false, 'a refused input leaves no output');
      return { refused: codeOf(error), message: `${error.message} ${error.hint ?? ''}`, files: {}, log };
    }
    const files = filesOf(dest);
    assert.doesNotMatch(JSON.stringify(files), /PRIVATE-KEY-OF-THE-HOST/, 'nothing of the host is in the output');
    return { refused: undefined, message: '', files, log };
  }

  /** Everything outside the store and the cases' own folders. */
  listing(): Readonly<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const name of readdirSync(this.root)) if (name !== 'store' && name !== 'cases') list(join(this.root, name), found);
    return found;
  }

  /** Ends a case. */
  clear(): void {
    rmSync(join(this.root, 'cases'), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Asserts that an input is refused with one of the codes, and that its message says a thing. */
export function assertRefused(verdict: Verdict, codes: string | readonly string[], says = /./): void {
  const wanted = typeof codes === 'string' ? [codes] : codes;
  assert.ok(
    verdict.refused !== undefined && wanted.includes(verdict.refused),
    `refused with ${wanted.join(' or ')}, not ${verdict.refused ?? `taken: ${JSON.stringify(verdict.files)}`}: ${verdict.message}`,
  );
  assert.match(verdict.message, says);
}

/** Asserts that an input is taken, and which files came of it (those named). */
export function assertContained(verdict: Verdict, files: Readonly<Record<string, string | undefined>>): void {
  assert.equal(verdict.refused, undefined, verdict.message);
  for (const [path, content] of Object.entries(files)) assert.equal(verdict.files[path], content, path);
}

/** Makes the tree that nobody may touch. */
export function makeOutside(folder: string): void {
  mkdirSync(join(folder, 'victim/deep'), { recursive: true });
  writeFileSync(join(folder, 'victim/file'), 'safe');
  writeFileSync(join(folder, 'victim/deep/passwd'), 'root:x:0:0::/:/bin/sh\n');
  writeFileSync(join(folder, 'suid'), 'program', { mode: 0o755 });
  chmodSync(join(folder, 'suid'), 0o4755);
  mkdirSync(join(folder, 'private'), { mode: 0o700 });
  writeFileSync(join(folder, 'private/key'), 'PRIVATE-KEY-OF-THE-HOST', { mode: 0o600 });
  symlinkSync('victim/file', join(folder, 'link'));
}

/** The code of the first cause. */
function codeOf(error: SlipwayError): string {
  return error.code;
}

/** A tree as paths to everything the kernel knows of them. */
export function listTree(path: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  list(path, found);
  return found;
}

/** Everything the kernel tells of a tree but when it was read. */
function list(path: string, into: Record<string, string>): void {
  const stat = lstatSync(path, { bigint: true });
  const content = stat.isSymbolicLink()
    ? readlinkSync(path)
    : stat.isFile()
      ? createHash('sha256').update(readFileSync(path)).digest('hex')
      : '';
  const { mode, uid, gid, size, nlink, ino, mtimeNs, ctimeNs, rdev } = stat;
  into[path] = [
    mode.toString(8),
    uid,
    gid,
    size,
    nlink,
    ino,
    mtimeNs,
    ctimeNs,
    rdev,
    content,
    JSON.stringify(readXattrs(toBytePath(path))),
  ].join(' ');
  if (stat.isDirectory()) for (const name of readdirSync(path)) list(join(path, name), into);
}

/** Names with our mark where a stray write would land. */
export function strayNames(): string[] {
  return [
    '/',
    '/etc',
    '/tmp',
    '/root',
    '/home',
    '/usr',
    '/usr/bin',
    '/var',
    '/dev',
    '/run',
    process.cwd(),
    join(process.cwd(), '..'),
  ].flatMap((folder) =>
    (existsSync(folder) ? readdirSync(folder) : []).filter((name) => name.includes(MARK)).map((name) => join(folder, name)),
  );
}

/** A folder as paths to `kind mode content`. */
export function filesOf(folder: string, below = ''): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of readdirSync(Buffer.from(join(folder, below), 'latin1'), { encoding: 'latin1' })) {
    const path = below === '' ? name : `${below}/${name}`;
    const full = Buffer.from(join(folder, path), 'latin1');
    const stat = lstatSync(full);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isDirectory()) {
      files[path] = `dir ${mode}`;
      Object.assign(files, filesOf(folder, path));
    } else if (stat.isSymbolicLink()) files[path] = `symlink ${readlinkSync(full)}`;
    else
      files[path] = stat.isFile() ? `file ${mode} ${stat.size < 4096 ? readFileSync(full, 'latin1') : `(${stat.size})`}` : `other ${mode}`;
  }
  return files;
}

function textOf(event: ProgressEvent): string {
  if (event.type === 'log') return Buffer.from(event.data).toString('latin1');
  return event.type === 'warning' ? `${event.diagnostic.message}\n` : '';
}
