import assert from 'node:assert/strict';
import fs, {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { toBytePath } from '../base/index.ts';
import { removeTree } from './remove-tree.ts';

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-remove-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes `depth` folders inside each other, far beyond what a path can name, and leaves `inside` in some. */
function makeDeep(top: string, depth: number, inside: (folder: string, level: number) => void): void {
  mkdirSync(top);
  let fd = openSync(top, constants.O_RDONLY | constants.O_DIRECTORY);
  for (let level = 1; level <= depth; level += 1) {
    const at = `/proc/self/fd/${fd}`;
    inside(at, level);
    mkdirSync(`${at}/d`);
    const next = openSync(`${at}/d`, constants.O_RDONLY | constants.O_DIRECTORY);
    closeSync(fd);
    fd = next;
  }
  closeSync(fd);
}

test('ten thousand folders inside each other go, and what their links lead to stays', (t) => {
  const folder = scratch(t);
  const kept = join(folder, 'kept');
  mkdirSync(kept);
  writeFileSync(join(kept, 'file'), 'kept');
  const top = join(folder, 'top');
  makeDeep(top, 10_000, (at, level) => {
    writeFileSync(`${at}/a`, '');
    symlinkSync(kept, `${at}/link`);
    if (level % 100 === 0) mkdirSync(`${at}/z/inner`, { recursive: true });
  });
  const before = readdirSync('/proc/self/fd').length;
  removeTree(toBytePath(top));
  assert.equal(existsSync(top), false);
  assert.deepEqual(readdirSync(kept), ['file']);
  assert.equal(readdirSync('/proc/self/fd').length, before, 'no descriptor is left open');
});

test('files, links and what is not there; names that are no text', (t) => {
  const folder = scratch(t);
  writeFileSync(join(folder, 'file'), '');
  mkdirSync(join(folder, 'inside'));
  writeFileSync(join(folder, 'inside/ünïcode'), '');
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/inside/`), Buffer.from([0xff, 0xfe])]), '');
  symlinkSync(join(folder, 'inside'), join(folder, 'link'));
  for (const name of ['file', 'link', 'missing']) removeTree(toBytePath(join(folder, name)));
  assert.deepEqual(readdirSync(folder), ['inside']);
  removeTree(toBytePath(folder));
  assert.equal(existsSync(folder), false);
});

test('folders without rights go too, for their owner', (t) => {
  const folder = scratch(t);
  const top = join(folder, 'top');
  mkdirSync(join(top, 'closed/inner'), { recursive: true });
  writeFileSync(join(top, 'closed/file'), '');
  const root = process.getuid?.() === 0;
  if (root) chownAll(folder, 12_345);
  chmodSync(join(top, 'closed'), 0o000);
  chmodSync(top, 0o500);
  if (root) process.seteuid?.(12_345);
  try {
    removeTree(toBytePath(top));
  } finally {
    if (root) process.seteuid?.(0);
  }
  assert.equal(existsSync(top), false);
});

test('a folder that is moved elsewhere while it is emptied leads nobody there', (t) => {
  const folder = scratch(t);
  const elsewhere = join(folder, 'elsewhere');
  mkdirSync(join(elsewhere, 'd'), { recursive: true });
  writeFileSync(join(elsewhere, 'precious'), '');
  const top = join(folder, 'top');
  makeDeep(top, 200, () => {});
  // Far enough down that the folders above are closed, the branch is moved: its way up leads to `elsewhere` now.
  const calls = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
  const original = calls['rmdirSync'] as (...args: unknown[]) => unknown;
  let count = 0;
  calls['rmdirSync'] = (...args) => {
    if (++count === 20) fs.renameSync(join(top, 'd'), join(elsewhere, 'moved'));
    return original(...args);
  };
  syncBuiltinESMExports();
  try {
    removeTree(toBytePath(top));
  } finally {
    calls['rmdirSync'] = original;
    syncBuiltinESMExports();
  }
  assert.ok(existsSync(join(elsewhere, 'precious')));
  assert.ok(existsSync(join(elsewhere, 'd')));
  assert.equal(existsSync(top), false);
});

function chownAll(folder: string, uid: number): void {
  chownSync(folder, uid, uid);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) chownAll(join(folder, entry.name), uid);
    else chownSync(join(folder, entry.name), uid, uid);
  }
}
