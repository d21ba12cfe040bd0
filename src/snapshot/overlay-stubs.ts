// Mount points as a layer below all others: they exist in the root, and the layer above them stays free of them.

import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type BytePath, errnoOf, fsPath, toBytePath } from '../base/index.ts';

export interface StubPoint {
  readonly path: BytePath;
  readonly kind: 'dir' | 'file';
  /** Of a folder. Default 0755. */
  readonly mode?: number;
  /** Where there is no such folder, the layer has it from now on: `/dev`, `/proc` and `/sys`, as other builders leave them. */
  readonly lasting?: boolean;
}

/** Makes the lasting folders that none of `lowers` has in `target`, the place of changes. */
export function makeLasting(target: string, lowers: readonly string[], points: readonly StubPoint[]): void {
  for (const { path, lasting } of points) {
    if (lasting !== true || lowers.some((lower) => kindAt(`${toBytePath(lower)}/${trimmed(path)}`) !== undefined)) continue;
    makeFolder(`${toBytePath(target)}/${trimmed(path)}`);
  }
}

/** A folder that has the points, made once and kept in `workDir` for later builds. */
export function stubLayer(workDir: string, points: readonly StubPoint[]): string {
  const plain = points.filter(({ path }) => !path.split('/').includes('..'));
  const key = createHash('sha256').update(JSON.stringify(plain.map(({ path, kind, mode }) => [path, kind, mode])));
  const folder = `${workDir}/stubs/${key.digest('hex').slice(0, 32)}`;
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.${process.pid}-${randomBytes(4).toString('hex')}`;
  mkdirSync(temporary, { recursive: true });
  chmodSync(temporary, 0o755);
  // Folders first, the longer names last: a file that another point has as its folder is left away.
  for (const point of [...plain].sort((a, b) => (a.kind === b.kind ? 0 : a.kind === 'dir' ? -1 : 1)))
    makeStub(toBytePath(temporary), point);
  utimesSync(temporary, 0, 0);
  try {
    renameSync(temporary, folder);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

function makeStub(root: BytePath, { path, kind, mode }: StubPoint): void {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  const last = kind === 'file' ? names.pop() : undefined;
  let at = root;
  for (const name of names) makeFolder((at = `${at}/${name}`));
  if (kind === 'dir' && mode !== undefined && at !== root) chmodSync(fsPath(at), mode);
  if (last === undefined) return;
  try {
    writeFileSync(fsPath(`${at}/${last}`), '', { mode: 0o644, flag: 'wx' });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' && errnoOf(error) !== 'EISDIR') throw error;
  }
}

/** The umask must not take anything away: others see these folders in the root. */
function makeFolder(path: BytePath): void {
  try {
    mkdirSync(fsPath(path));
    chmodSync(fsPath(path), 0o755);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/**
 * Takes copies of stubs out of a finished upper folder: a folder that a step wrote into and emptied again, and that no real layer has.
 * `lowers` are the real layers.
 */
export function removeCopiedStubs(upper: string, lowers: readonly string[], points: readonly StubPoint[]): void {
  const paths = new Set<BytePath>();
  for (const { path, lasting } of points) {
    if (lasting === true) continue;
    for (let at = trimmed(path); at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) paths.add(at);
  }
  for (const path of [...paths].sort((a, b) => b.length - a.length)) {
    const full = `${toBytePath(upper)}/${path}`;
    const kind = kindAt(full);
    if (kind === undefined || lowers.some((lower) => kindAt(`${toBytePath(lower)}/${path}`) !== undefined)) continue;
    if (kind === 'dir' && readdirSync(fsPath(full)).length === 0) rmdirSync(fsPath(full));
    if (kind === 'empty') unlinkSync(fsPath(full));
  }
}

function trimmed(path: BytePath): BytePath {
  return path.split('/').filter((name) => name !== '' && name !== '.').join('/'); // prettier-ignore
}

function kindAt(path: BytePath): 'dir' | 'empty' | 'other' | undefined {
  try {
    const stat = lstatSync(fsPath(path));
    return stat.isDirectory() ? 'dir' : stat.isFile() && stat.size === 0 ? 'empty' : 'other';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
