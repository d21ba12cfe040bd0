import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { exportOutput, type ExportSource, parseOutput, planOutputs } from './index.ts';
import type { Attestation } from './source.ts';
import { AMD64, ARM, resultOf, type TestFiles, testFolder, TestTree, type TestWorld, testWorld } from './testing.ts';

const NAME = 'caf\xe9'; // no UTF-8
const FILES: TestFiles = {
  d: { kind: 'dir', mode: 0o550, mtime: 1_600_000_000 },
  'd/exec': { text: 'run', mode: 0o4755, uid: 12, gid: 34 },
  'd/other': { kind: 'hardlink', link: 'd/exec' },
  link: { kind: 'symlink', link: '../outside' },
  [NAME]: 'bytes',
  empty: '',
  pipe: { kind: 'fifo' },
  socket: { kind: 'socket' },
};

async function run(world: TestWorld, text: string, source: ExportSource): Promise<void> {
  const multiPlatform = source.platforms.length > 1;
  const [plan] = planOutputs([parseOutput(text)], { tags: [], annotations: [], multiPlatform, attested: false, stdoutIsTerminal: false });
  assert.ok(plan !== undefined);
  await exportOutput(plan, source, world.context);
}

const one = (files: TestFiles): ExportSource => ({ platforms: [resultOf(AMD64, [], { tree: new TestTree(files) })] });

test('nodes have the mode and time that the image says, whatever the umask, and before 1970', async () => {
  const world = testWorld();
  const dest = join(world.folder, 'out');
  const old = { mode: 0o622, mtime: -1000, mtimeNs: 5_000_000 };
  const umask = process.umask(0o077);
  try {
    await run(world, `type=local,dest=${dest}`, one({ pipe: { kind: 'fifo', ...old }, link: { kind: 'symlink', link: 'x', ...old } }));
  } finally {
    process.umask(umask);
  }
  assert.equal(lstatSync(join(dest, 'pipe')).mode & 0o7777, 0o622);
  for (const name of ['pipe', 'link']) assert.equal(lstatSync(join(dest, name)).mtimeMs, -999_995, name);
});

test('a tar has every file with its owner, mode, time and links, in order', async () => {
  const world = testWorld();
  const path = join(world.folder, 'x.tar');
  await run(world, `type=tar,dest=${path}`, one(FILES));
  const list = execFileSync('tar', ['tvf', path, '--numeric-owner', '--utc', '--full-time', '--quoting-style=escape'], {
    encoding: 'utf8',
  });
  assert.deepEqual(
    list
      .trim()
      .split('\n')
      .map((line) => line.replace(/ +/g, ' ').replace(' 00:00:00', '')),
    [
      'd' + 'r-xr-x--- 0/0 0 2020-09-13 12:26:40 d/',
      '-rwsr-xr-x 12/34 3 2023-11-14 22:13:20 d/exec',
      'hrwsr-xr-x 12/34 0 2023-11-14 22:13:20 d/other link to d/exec',
      '-rw-r--r-- 0/0 0 2023-11-14 22:13:20 empty',
      'lrwxrwxrwx 0/0 0 2023-11-14 22:13:20 link -> ../outside',
      'prw-r--r-- 0/0 0 2023-11-14 22:13:20 pipe',
      '-rw-r--r-- 0/0 5 2023-11-14 22:13:20 caf\\351',
    ].sort((a, b) => orderOf(a) - orderOf(b)),
  );
  assert.equal(execFileSync('tar', ['xOf', path, 'd/exec'], { encoding: 'utf8' }), 'run');
});

function orderOf(line: string): number {
  return ['caf\\351', 'd/', 'd/exec', 'd/other link', 'empty', 'link ->', 'pipe'].findIndex(
    (name) => line.includes(` ${name}`) || line.endsWith(` ${name}`),
  );
}

test('a folder gets the files as they are, owned by whoever builds', async () => {
  const world = testWorld();
  const dest = join(world.folder, 'out');
  await run(world, `type=local,dest=${dest}`, one(FILES));
  assert.deepEqual(readdirSync(dest, { encoding: 'latin1' }).sort(), [NAME, 'd', 'empty', 'link', 'pipe']);
  assert.equal(statSync(join(dest, 'd')).mode & 0o7777, 0o550);
  assert.equal(statSync(join(dest, 'd')).mtimeMs, 1_600_000_000_000);
  assert.equal(statSync(join(dest, 'd/exec')).mode & 0o7777, 0o4755);
  assert.equal(statSync(join(dest, 'd/exec')).uid, process.getuid?.());
  assert.equal(statSync(join(dest, 'd/exec')).ino, statSync(join(dest, 'd/other')).ino);
  assert.equal(readlinkSync(join(dest, 'link')), '../outside');
  assert.equal(lstatSync(join(dest, 'link')).mtimeMs, 1_700_000_000_000);
});

test('a second time, equal files are left alone, others replaced, and what is there besides stays', async () => {
  const world = testWorld();
  const dest = join(world.folder, 'out');
  await run(
    world,
    `type=local,dest=${dest}`,
    one({ d: { kind: 'dir', mode: 0o500 }, 'd/same': 'same', 'd/changed': 'before', was: { kind: 'dir' }, 'was/f': '' }),
  );
  chmodSync(join(dest, 'd'), 0o700);
  writeFileSync(join(dest, 'd/own'), 'own');
  linkSync(join(dest, 'd/changed'), join(dest, 'held'));
  const same = lstatSync(join(dest, 'd/same')).ino;
  // Equal size and time, but other bytes.
  const files: TestFiles = { d: { kind: 'dir' }, 'd/same': 'same', 'd/changed': 'after!', was: 'a file now' };
  await run(world, `type=local,dest=${dest}`, one(files));
  assert.equal(lstatSync(join(dest, 'd/same')).ino, same);
  assert.equal(readFileSync(join(dest, 'd/changed'), 'utf8'), 'after!');
  assert.equal(readFileSync(join(dest, 'held'), 'utf8'), 'before');
  assert.equal(readFileSync(join(dest, 'was'), 'utf8'), 'a file now');
  assert.equal(readFileSync(join(dest, 'd/own'), 'utf8'), 'own');
  utimesSync(join(dest, 'd/same'), 1, 1);
  await run(world, `type=local,dest=${dest},mode=delete`, one(files));
  assert.equal(statSync(join(dest, 'd/same')).mtimeMs, 1_700_000_000_000);
  assert.equal(lstatSync(join(dest, 'd/same')).ino, same);
  assert.deepEqual(readdirSync(dest).sort(), ['d', 'was']);
  assert.deepEqual(readdirSync(join(dest, 'd')).sort(), ['changed', 'same']);
});

test('links in the destination lead nowhere outside of it', async () => {
  const world = testWorld();
  const dest = join(world.folder, 'out');
  const outside = testFolder();
  writeFileSync(join(outside, 'passwd'), 'root');
  mkdirSync(dest);
  symlinkSync(outside, join(dest, 'etc'));
  symlinkSync(join(outside, 'passwd'), join(dest, 'file'));
  symlinkSync(join(outside, 'new'), join(dest, 'new'));
  await run(world, `type=local,dest=${dest}`, one({ etc: { kind: 'dir' }, 'etc/passwd': 'evil', file: 'evil', new: 'evil' }));
  assert.equal(readFileSync(join(outside, 'passwd'), 'utf8'), 'root');
  assert.deepEqual(readdirSync(outside), ['passwd']);
  assert.equal(readFileSync(join(dest, 'etc/passwd'), 'utf8'), 'evil');
  assert.ok(lstatSync(join(dest, 'new')).isFile());
});

test('links of a platform in a folder of its own name what is in that folder', async () => {
  const world = testWorld();
  const files: TestFiles = {
    etc: { kind: 'dir' },
    'etc/f': 'f',
    'etc/hard': { kind: 'hardlink', link: 'etc/f' },
    'etc/root': { kind: 'symlink', link: '/etc/f' },
    'etc/up': { kind: 'symlink', link: '/etc/../../f/' },
    'etc/beside': { kind: 'symlink', link: '../etc/f' },
  };
  const links = (folder: string): readonly string[] => ['root', 'up', 'beside'].map((name) => readlinkSync(join(folder, 'etc', name)));
  const out = join(world.folder, 'out');
  await run(world, `type=local,dest=${out},platform-split=true`, one(files));
  assert.deepEqual(links(join(out, 'linux_amd64')), ['/linux_amd64/etc/f', '/linux_amd64/f', '../etc/f']);
  assert.equal(statSync(join(out, 'linux_amd64/etc/hard')).nlink, 2);
  await run(world, `type=local,dest=${out}`, one(files));
  assert.deepEqual(links(out), ['/etc/f', '/etc/../../f/', '../etc/f']);
});

test('platforms get folders of their own, or share one if no file is of both', async () => {
  const world = testWorld();
  const source = (first: TestFiles, second: TestFiles): ExportSource => ({
    platforms: [resultOf(AMD64, [], { tree: new TestTree(first) }), resultOf(ARM, [], { tree: new TestTree(second) })],
  });
  const both = source({ d: { kind: 'dir' }, 'd/a': '1' }, { d: { kind: 'dir' }, 'd/b': '2' });
  const out = (name: string): string => join(world.folder, name);
  await run(world, `type=local,dest=${out('split')}`, both);
  assert.deepEqual(readdirSync(out('split')).sort(), ['linux_amd64', 'linux_arm_v7']);
  assert.equal(readFileSync(join(out('split'), 'linux_arm_v7/d/b'), 'utf8'), '2');
  await run(world, `type=local,dest=${out('shared')},platform-split=false`, both);
  assert.deepEqual(readdirSync(join(out('shared'), 'd')).sort(), ['a', 'b']);
  await run(world, `type=local,dest=${out('single')},platform-split=true`, one({ f: 'f' }));
  assert.deepEqual(readdirSync(out('single')), ['linux_amd64']);
  await run(world, `type=tar,dest=${out('split.tar')}`, both);
  assert.equal(
    execFileSync('tar', ['tf', out('split.tar')], { encoding: 'utf8' }),
    'linux_amd64/\nlinux_amd64/d/\nlinux_amd64/d/a\nlinux_arm_v7/\nlinux_arm_v7/d/\nlinux_arm_v7/d/b\n',
  );
  await assert.rejects(
    run(world, `type=local,dest=${out('clash')},platform-split=false`, source({ f: '1' }, { f: '2' })),
    (error) => isSlipwayError(error, 'EXPORT_CONFLICT') && /cannot overwrite f from linux\/amd64 with linux\/arm\/v7/.test(error.message),
  );
});

test('an epoch dates everything, and statements about the files are written beside them', async () => {
  const world = testWorld();
  const dest = join(world.folder, 'out');
  const attestations: readonly Attestation[] = [
    { predicateType: 'p', filename: 'provenance.json', inlineOnly: false, predicate: () => Promise.resolve({ a: 1 }) },
    { predicateType: 'q', filename: 'hidden.json', inlineOnly: true, predicate: () => Promise.reject(new Error('not asked for')) },
  ];
  const tree = new TestTree({ d: { kind: 'dir' }, 'd/f': 'f' });
  await run(world, `type=local,dest=${dest},source-date-epoch=1000000000,attestation-prefix=x-`, {
    platforms: [resultOf(AMD64, [], { tree, attestations })],
  });
  for (const name of ['d', 'd/f', 'x-provenance.json']) assert.equal(statSync(join(dest, name)).mtimeMs, 1_000_000_000_000, name);
  const statement = JSON.parse(readFileSync(join(dest, 'x-provenance.json'), 'utf8')) as { subject: { name: string }[] };
  assert.deepEqual(
    statement.subject.map(({ name }) => name),
    ['d/f'],
  );
  assert.equal(statSync(join(dest, 'x-provenance.json')).mode & 0o777, 0o600);
  assert.ok(!existsSync(join(dest, 'hidden.json')));
});

test('threads write large trees: the same files, modes, times and links, and a failure is told with its path', async () => {
  const world = testWorld();
  const dest = join(world.folder, 'out');
  const files: Record<string, TestFiles[string]> = {};
  for (let folder = 0; folder < 8; folder += 1) {
    files[`d${folder}`] = { kind: 'dir', mode: 0o555, mtime: 1_500_000_000 };
    for (let file = 0; file < 80; file += 1)
      files[`d${folder}/f${file}`] = { text: `${folder}-${file}`, mode: file % 2 === 0 ? 0o640 : 0o4711 };
  }
  files['d7/z'] = { kind: 'hardlink', link: 'd6/f79' };
  // Directories in a new one: those of files alone are made by threads.
  const folder = (mode: number): TestFiles[string] => ({ kind: 'dir', mode, mtime: 1_400_000_000 });
  files['e'] = folder(0o555);
  for (let leaf = 0; leaf < 40; leaf += 1) {
    files[`e/l${leaf}`] = folder(leaf % 2 === 0 ? 0o500 : 0o2775);
    for (let file = 0; file < leaf % 4; file += 1) files[`e/l${leaf}/f${file}`] = { text: `${leaf}+${file}`, mode: 0o600 };
  }
  files['e/mixed'] = folder(0o750);
  files['e/mixed/a'] = { text: 'a', mode: 0o644 };
  files['e/mixed/sub'] = folder(0o711);
  files['e/mixed/sub/b'] = { text: 'b', mode: 0o644 };
  files['e/mixed/z'] = { kind: 'symlink', link: 'a' };
  await run(world, `type=local,dest=${dest}`, one(files));
  assert.equal(readdirSync(dest, { recursive: true }).length, Object.keys(files).length);
  for (const [path, given] of Object.entries(files)) {
    const { kind, text, mode, mtime } = given as { kind?: string; text?: string; mode?: number; mtime?: number };
    if (kind === 'hardlink' || kind === 'symlink') continue;
    const stat = statSync(join(dest, path));
    assert.equal(stat.mode & 0o7777, mode, path);
    assert.equal(stat.mtimeMs, (mtime ?? 1_700_000_000) * 1000, path);
    if (text !== undefined) assert.equal(readFileSync(join(dest, path), 'latin1'), text);
  }
  assert.equal(statSync(join(dest, 'd7/z')).ino, statSync(join(dest, 'd6/f79')).ino);

  // A second time only what differs is made anew, and what nobody wrote goes when that is asked for.
  const kept = statSync(join(dest, 'd6/f10')).ino;
  chmodSync(join(dest, 'd6'), 0o755);
  writeFileSync(join(dest, 'd6/own'), 'own');
  writeFileSync(join(dest, 'd6/f11'), 'X-YZ');
  await run(world, `type=local,dest=${dest},mode=delete`, one(files));
  assert.equal(statSync(join(dest, 'd6/f10')).ino, kept);
  assert.equal(readFileSync(join(dest, 'd6/f11'), 'latin1'), '6-11');
  assert.equal(existsSync(join(dest, 'd6/own')), false);

  const short = { ...files, 'd7/f79': { text: 'short', size: 99 } };
  await assert.rejects(run(world, `type=local,dest=${join(world.folder, 'other')}`, one(short)), (error) =>
    isSlipwayError(error, 'FILE_CHANGED'),
  );
  const inLeaf = { ...files, 'e/l39/f1': { text: 'short', size: 99 } };
  await assert.rejects(run(world, `type=local,dest=${join(world.folder, 'third')}`, one(inLeaf)), (error) =>
    isSlipwayError(error, 'FILE_CHANGED'),
  );
});

test('files too large to be written beside other work are written by threads, small ones between them too', async () => {
  const world = testWorld();
  const dest = join(world.folder, 'out');
  const files: Record<string, TestFiles[string]> = {};
  for (let index = 0; index < 4; index += 1) {
    files[`large${index}`] = { text: String.fromCharCode(97 + index).repeat((9 << 20) + index) };
    files[`small${index}`] = { text: `small ${index}` };
  }
  await run(world, `type=local,dest=${dest}`, one(files));
  assert.deepEqual(readdirSync(dest).sort(), Object.keys(files).sort());
  for (const [path, given] of Object.entries(files)) {
    assert.ok(readFileSync(join(dest, path), 'latin1') === (given as { text: string }).text, path);
  }
});
