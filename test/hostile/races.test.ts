// Races: somebody swaps folders for symlinks while they are read, written, mounted on. First between every two calls, one after the other
// (see swap-calls.ts), then by a real process as fast as it can, around whole builds.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { errnoOf, isSlipwayError } from '../../src/base/index.ts';
import type { BuildRequest } from '../../src/build/index.ts';
import { readContextFile } from '../../src/build/context-file.ts';
import { FolderWriter } from '../../src/export/folder-writer.ts';
import type { Entry } from '../../src/layer/index.ts';
import { resolveAccount } from '../../src/runtime/accounts.ts';
import { makeMountStubs } from '../../src/runtime/mount-stubs.ts';
import type { ProcessSpec } from '../../src/runtime/process-spec.ts';
import { makeWorkingDirectory } from '../../src/runtime/step.ts';
import { FolderTree } from '../../src/source/index.ts';
import { renameExchange } from '../../src/sys/index.ts';
import { Rig } from '../rig/rig.ts';
import { makeStepTool } from '../rig/step-tool.ts';
import { swapAtEachCall } from '../rig/swap-calls.ts';
import { Arena, listTree, makeOutside, MARK, strayNames } from './arena.ts';
import { craft } from './tar-crafter.ts';

const root = mkdtempSync(existsSync('/dev/shm') ? '/dev/shm/slipway-races-' : '/tmp/slipway-races-');
const outside = join(root, 'outside');
makeOutside(outside);
const listing = listTree(outside);
after(() => rmSync(root, { recursive: true, force: true }));

/** A folder with a folder `d` in it and, to be swapped with it, a symlink to `to`. */
function trap(name: string, to: string, files: Readonly<Record<string, string>>): { readonly folder: string; readonly swap: () => void } {
  const folder = join(root, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  symlinkSync(to, join(root, `${name}-link`));
  return { folder, swap: () => exchange(join(folder, 'd'), join(root, `${name}-link`)) };
}

/** Whoever races may be too late: then one of them is gone. */
function exchange(a: string, b: string): void {
  try {
    renameExchange(a, b);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Failures by name, and what the kernel says of things that come and go, are what a race may end in. */
function mayFail(error: unknown): void {
  const code = (error as { readonly code?: string }).code;
  if (isSlipwayError(error) || ['ENOENT', 'ENOTDIR', 'ELOOP', 'EEXIST', 'ENOTEMPTY', 'EAGAIN'].includes(code ?? '')) return;
  throw error;
}

test('CVE-2018-15664 (docker cp), CVE-2022-36109: a context whose folder is swapped for a symlink between any two calls', async () => {
  const { folder, swap } = trap('context', outside, { 'd/private/key': 'inside', 'd/suid': 'inside too', 'e/f': 'x' });
  symlinkSync('inside', join(folder, 'd/link'));
  const read = (tree: FolderTree, path: string): string[] =>
    tree.list(path).flatMap((name) => {
      const entry = tree.lookup(path === '' ? name : `${path}/${name}`);
      if (entry === undefined) return [];
      if (entry.kind === 'symlink') return [entry.link ?? ''];
      if (entry.kind === 'dir') return [name, ...read(tree, entry.path)];
      tree.digest(entry);
      using bytes = tree.open(entry);
      const text = Buffer.alloc(100);
      return [name, text.toString('latin1', 0, readSync(bytes.fd, text, 0, 100, bytes.offset))];
    });
  const runs = await swapAtEachCall({
    swap,
    work: (what) => {
      const seen: string[] = [];
      try {
        seen.push(...read(new FolderTree(folder, { now: () => new Date() }), ''));
        const single = new FolderTree(folder, { now: () => new Date() });
        for (const path of ['d/private/key', 'd/link', 'd/victim/file']) {
          const entry = single.lookup(path);
          if (entry?.kind === 'file') seen.push(path, single.digest(entry));
          if (entry?.kind === 'symlink') seen.push(entry.link ?? '');
        }
      } catch (error) {
        mayFail(error);
      }
      for (const text of seen) assert.doesNotMatch(text, /PRIVATE|victim|program/, what);
    },
  });
  assert.ok(runs > 60, `${runs} runs`);
});

test('CVE-2023-0778, CVE-2024-9675: a Dockerfile that is swapped for a symlink to the user’s key between any two calls', async () => {
  const { folder, swap } = trap('dockerfile', join(outside, 'private/key'), { d: 'FROM scratch\n' });
  let read = 0;
  await swapAtEachCall({
    swap,
    work: (what) => {
      try {
        const file = readContextFile(join(folder, 'd'), folder, false);
        if (file.kind === 'text') assert.equal(file.text, 'FROM scratch\n', what);
        read += 1;
      } catch (error) {
        mayFail(error);
      }
    },
  });
  assert.ok(read > 3, `${read} times read`);
});

test('CVE-2021-25741 (Kubernetes), CVE-2022-21658 (Rust): an output folder whose folder is swapped for a symlink between any two calls', async () => {
  const at = { path: '', kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 1, mtimeNs: 0 } as const;
  const entries: readonly Entry[] = [
    { ...at, path: 'd' },
    { ...at, path: 'd/suid', kind: 'file', mode: 0o4755, size: 4 },
    { ...at, path: 'd/victim', kind: 'symlink', link: 'elsewhere' },
    { ...at, path: 'd/x' },
    { ...at, path: 'd/x/y', kind: 'hardlink', link: 'd/suid' },
  ];
  let out = { folder: '', swap: (): void => {} };
  let count = 0;
  let finished = 0;
  const runs = await swapAtEachCall({
    // What is there: a file to replace, a folder to replace by a symlink, a folder to remove.
    prepare: () => (out = trap(`out${(count += 1)}`, outside, { 'd/suid': 'old!', 'd/victim/file': 'old', 'd/private/key': 'old' })),
    swap: () => out.swap(),
    work: async (what) => {
      try {
        await using writer = new FolderWriter(out.folder, true);
        for (const entry of entries) writer.write({ entry, ...(entry.kind === 'file' ? { bytes: Buffer.from('evil') } : {}) });
        await writer.finish();
        finished += 1;
      } catch (error) {
        mayFail(error);
      }
      assert.deepEqual(listTree(outside), listing, what);
    },
  });
  assert.ok(runs > 100 && finished > 10, `${runs} runs, ${finished} to their end`);
});

test('CVE-2024-23651, CVE-2024-23652 (BuildKit), CVE-2026-41568, CVE-2026-42306 (docker cp): a root in which another process swaps a folder for a symlink between any two calls', async () => {
  let place = { folder: '', swap: (): void => {} };
  let count = 0;
  let made = 0;
  const account = { uid: 0, gid: 0, groups: [], home: '/' };
  const runs = await swapAtEachCall({
    prepare: () => (place = trap(`root${(count += 1)}`, outside, { 'd/victim/x': '', 'd/passwd': 'x:x:7:7::/:\n', 'd/group': '' })),
    swap: () => place.swap(),
    work: (what) => {
      try {
        symlinkSync('d', join(place.folder, 'etc'));
        const user = resolveAccount(place.folder, 'x');
        assert.equal(user.uid, 7, what);
      } catch (error) {
        mayFail(error);
      }
      try {
        const points = ['/d/new/deep', '/d/victim/deep/new', '/d/victim/file2'].map((path) => ({ path, kind: 'dir' as const }));
        using stubs = makeMountStubs(place.folder, points);
        made += stubs.made.length;
        makeWorkingDirectory({ root: place.folder, cwd: '/d/private/cwd' } as ProcessSpec, account);
      } catch (error) {
        mayFail(error);
      }
      assert.deepEqual(listTree(outside), listing, what);
    },
  });
  assert.ok(runs > 100 && made > 100, `${runs} runs, ${made} made`);
});

describe('a process that swaps as fast as it can', () => {
  const tool = join(root, 'tool');
  before(() => void makeStepTool(tool));

  /** Something that goes on while two names change places. */
  async function whileSwapped(a: string, b: string, work: () => Promise<void>): Promise<void> {
    const stop = join(root, `stop${(count += 1)}`);
    const racer = spawn(tool, ['swap', a, b, stop], { stdio: 'inherit' });
    const over = new Promise((resolve) => racer.once('exit', resolve));
    try {
      await work();
    } finally {
      writeFileSync(stop, '');
      await over;
    }
  }
  let count = 0;

  test('CVE-2018-15664 (docker cp), CVE-2024-9675: COPY and ADD from a context and from a named one', { timeout: 120_000 }, async () => {
    await using arena = new Arena();
    const before = arena.listing();
    const { folder, swap: _ } = trap('live', join(arena.outside, 'private'), { 'd/key': 'inside', 'd/a': 'inside', 'e/f': 'x' });
    writeFileSync(join(folder, 'd/t.tar'), craft([{ name: 'in/key', data: 'inside' }]));
    const request = (line: string): BuildRequest => ({
      context: { kind: 'folder', path: folder },
      namedContexts: { other: folder },
      dockerfile: { kind: 'text', filename: 'Dockerfile', text: `FROM scratch\n${line}\n` },
    });
    const lines = ['COPY . /', 'COPY . /', 'COPY d/key /key', 'ADD d/t.tar /', 'COPY --from=other . /'];
    const ends = new Map<string, number>();
    await whileSwapped(join(folder, 'd'), join(root, 'live-link'), async () => {
      for (let round = 0; round < 100; round += 1) {
        const verdict = await arena.buildAsIs(request(lines[round % lines.length] as string));
        const end = verdict.refused ?? 'built';
        ends.set(end, (ends.get(end) ?? 0) + 1);
      }
    });
    for (const end of ends.keys()) assert.match(end, /^(built|COPY_NOT_FOUND|FILE_CHANGED|CONTEXT_UNREADABLE)$/);
    assert.deepEqual(arena.listing(), before);
    assert.ok((ends.get('built') ?? 0) > 10, JSON.stringify([...ends]));
  });

  test(
    'CVE-2021-25741 (Kubernetes), CVE-2022-21658 (Rust): what is in the way of a local output is removed',
    { timeout: 120_000 },
    async () => {
      // The folder is one that is to go, again and again.
      const dir = { path: 'kept', kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 1, mtimeNs: 0 } as const;
      const { folder } = trap('swept', outside, { 'd/victim/deep/passwd': '', 'd/private/key': '', 'd/suid': '' });
      let failed = 0;
      await whileSwapped(join(folder, 'd'), join(root, 'swept-link'), async () => {
        for (let round = 0; round < 1500; round += 1) {
          const names = existsSync(join(folder, 'd')) ? [] : ['d/victim/deep', 'd/private'];
          try {
            for (const name of names) mkdirSync(join(folder, name), { recursive: true });
          } catch (error) {
            mayFail(error);
          }
          if (!existsSync(join(root, 'swept-link'))) symlinkSync(outside, join(root, 'swept-link'));
          try {
            await using writer = new FolderWriter(folder, true);
            writer.write({ entry: dir });
            await writer.finish();
          } catch (error) {
            mayFail(error);
            failed += 1;
          }
        }
      });
      assert.deepEqual(listTree(outside), listing, `${failed} failed`);
    },
  );

  test(
    'CVE-2021-30465 (runc), CVE-2024-23651 (BuildKit), CVE-2024-11218 (buildah): mounts into a shared cache in which another step swaps',
    { timeout: 300_000 },
    async () => {
      await using rig = Rig.create();
      const target = join(rig.folder, 'outside');
      makeOutside(target);
      const before = listTree(target);
      const cache = '--mount=type=cache,target=/c';
      const mounts = [
        'tmpfs,target=/c/d/t',
        'bind,from=busybox,source=/bin,target=/c/d/b,rw',
        'cache,id=other,target=/c/d/deep/o',
        'tmpfs,target=/c/d/private',
      ];
      const victims = mounts.flatMap((mount, index) => [
        `FROM busybox AS victim${index}`,
        `RUN ${cache} until test -e /c/ready; do sleep 0.1; done`,
        ...[1, 2, 3, 4].map((round) => `RUN ${cache} --mount=type=${mount} touch /c/d/${MARK}; rm -rf /c/d/victim; echo tried ${round}`),
      ]);
      const dockerfile = [
        'FROM busybox AS racer',
        'COPY tool /tool',
        `RUN ${cache} mkdir -p /c/d/deep && ln -s ${target} /c/l && touch /c/ready && timeout 5 /tool swap /c/d /c/l /c/stop; true`,
        ...victims,
        'FROM scratch',
        'COPY --from=racer /tool /tool',
        ...mounts.map((_, index) => `COPY --from=victim${index} /etc/passwd /passwd${index}`),
      ];
      const context = rig.context({ Dockerfile: `${dockerfile.join('\n')}\n` });
      copyFileSync(tool, join(context, 'tool'));
      const { stderr } = await rig.slipway(['build', '--progress=plain', context]);
      // Whether the runtime got there or refused what it found.
      const tried = stderr.match(/^#\d+ [\d.]+ tried|^#\d+ ERROR: .*could not be started/gm)?.length ?? 0;
      assert.ok(tried >= mounts.length, stderr);
      assert.deepEqual(listTree(target), before);
      assert.deepEqual(strayNames(), []);
    },
  );
});
