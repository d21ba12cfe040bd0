import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fsPath } from '../base/index.ts';
import {
  closeFile,
  copyRange,
  dateOpen,
  deviceMajor,
  deviceMinor,
  fillStamp,
  getXattr,
  hasXattrs,
  listXattrs,
  makeDevice,
  makeFolders,
  mknod,
  openAt,
  openMemoryFile,
  openScoped,
  readXattrs,
  renameExchange,
  Resolve,
  S_IFIFO,
  setTimes,
  setXattr,
  Stamp,
  STAMP_WORDS,
  stampOfOpen,
  statx,
  tryLock,
  openPipe,
  openSocketPair,
  peerUser,
  sealedCopy,
  spawnProcess,
  takeExit,
} from './index.ts';

const root = mkdtempSync(join(tmpdir(), 'slipway-sys-'));
after(() => rmSync(root, { recursive: true }));

test('extended attributes keep bytes, on names that are no UTF-8', () => {
  const path = `${root}/caf\xe9`;
  writeFileSync(fsPath(path), '');
  assert.deepEqual(listXattrs(path), []);
  setXattr(path, 'user.b', 'v\xff\0w');
  setXattr(path, 'user.a', '');
  assert.deepEqual(readXattrs(path), { 'user.a': '', 'user.b': 'v\xff\0w' });
  assert.equal(getXattr(path, 'user.c'), undefined);
  assert.deepEqual(listXattrs(path).toSorted(), ['user.a', 'user.b']);
});

test('a large attribute list is read whole', () => {
  const path = `${root}/many`;
  writeFileSync(path, '');
  const value = 'x'.repeat(3000);
  setXattr(path, 'user.big', value);
  assert.equal(getXattr(path, 'user.big'), value);
});

test('errors look like those of node:fs', () => {
  assert.throws(() => setXattr(`${root}/absent`, 'user.a', ''), {
    code: 'ENOENT',
    syscall: 'lsetxattr',
    message: `ENOENT: no such file or directory, lsetxattr '${root}/absent'`,
  });
  assert.throws(() => mknod(`${root}/a\0b`, S_IFIFO), { code: 'EINVAL' });
});

test('times are set to the nanosecond, on symlinks too, and before 1970', () => {
  const path = `${root}/link`;
  symlinkSync('nowhere', path);
  setTimes(path, undefined, { seconds: -5, nanoseconds: 123_456_789 });
  assert.equal(lstatSync(path, { bigint: true }).mtimeNs, -5n * 1_000_000_000n + 123_456_789n);
  setTimes(path, undefined, { seconds: 5_000_000_000, nanoseconds: 1 });
  assert.deepEqual(statx(path).modified, { seconds: 5_000_000_000, nanoseconds: 1 });
});

test('nodes are made and device numbers split as the kernel does', () => {
  mknod(`${root}/fifo`, S_IFIFO | 0o600);
  assert.ok(lstatSync(`${root}/fifo`).isFIFO());
  const device = makeDevice(259, 70_000);
  assert.deepEqual([deviceMajor(device), deviceMinor(device)], [259, 70_000]);
  assert.equal(statx('/proc').isMountRoot, true);
  assert.equal(statx(root).isMountRoot, false);
});

test('missing folders are made with their parents, and never for ever where the system makes none', () => {
  makeFolders(`${root}/deep/er/est`, 0o710);
  for (const path of ['deep', 'deep/er', 'deep/er/est']) assert.equal(lstatSync(`${root}/${path}`).mode & 0o777, 0o710, path);
  makeFolders(`${root}/deep/er`);
  writeFileSync(`${root}/deep/file`, '');
  assert.throws(() => makeFolders(`${root}/deep/file`), { code: 'EEXIST' });
  assert.throws(() => makeFolders(`${root}/deep/file/in`), { code: 'ENOTDIR' });
  assert.throws(() => makeFolders('/proc/none/in'), { code: 'ENOENT' });
});

test('two paths are exchanged in one step', () => {
  writeFileSync(`${root}/one`, '1');
  writeFileSync(`${root}/two`, '2');
  renameExchange(`${root}/one`, `${root}/two`);
  assert.equal(readFileSync(`${root}/one`, 'utf8'), '2');
});

test('a lock taken twice is refused to the second holder', () => {
  writeFileSync(`${root}/lock`, '');
  const a = openSync(`${root}/lock`, 'r');
  const b = openSync(`${root}/lock`, 'r');
  assert.equal(tryLock(a, 'exclusive'), true);
  assert.equal(tryLock(b, 'shared'), false);
  closeSync(a);
  assert.equal(tryLock(b, 'shared'), true);
  closeSync(b);
});

test('scoped opening stays inside', () => {
  mkdirSync(`${root}/scope`);
  writeFileSync(`${root}/scope/inside`, 'in');
  symlinkSync('/inside', `${root}/scope/absolute`);
  symlinkSync('../link', `${root}/scope/up`);
  const directory = openSync(`${root}/scope`, 'r');
  const fd = openScoped(directory, 'absolute', 0, Resolve.inRoot);
  assert.equal(readFileSync(fd, 'utf8'), 'in');
  closeSync(fd);
  assert.throws(() => openScoped(directory, 'absolute', 0, Resolve.beneath), { code: 'EXDEV' });
  assert.throws(() => openScoped(directory, 'up', 0, Resolve.noSymlinks), { code: 'ELOOP' });
  closeSync(directory);
});

test('bytes are copied in the kernel where it can', () => {
  writeFileSync(`${root}/from`, 'hello world');
  linkSync(`${root}/from`, `${root}/from2`);
  const from = openSync(`${root}/from`, 'r');
  const to = openSync(`${root}/to`, 'w');
  const copied = copyRange(from, 6, to, 0, 100);
  assert.ok(copied === undefined || readFileSync(`${root}/to`, 'utf8') === 'world');
  closeSync(from);
  closeSync(to);
  closeSync(openMemoryFile('secret'));
});

/** The end of a child that node does not know of. */
async function endOf(pid: number): Promise<ReturnType<typeof takeExit>> {
  for (;;) {
    const status = takeExit(pid);
    if (status !== undefined) return status;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test('a program is started with its descriptors, folder and environment, and its end is told once', async () => {
  const { read, write } = openPipe();
  const request = {
    path: '/bin/sh',
    argv: ['sh', '-c', 'pwd; echo "$NAME" "$0"; cat; exit 3', 'zero'],
    env: ['NAME=a b'],
    cwd: String(root),
  };
  const pid = spawnProcess({ ...request, stdio: ['ignore', write, 'ignore'] });
  closeSync(write);
  assert.deepEqual(await endOf(pid), { code: 3 });
  assert.equal(readFileSync(read, 'utf8'), `${root}\na b zero\n`);
  closeSync(read);
  assert.equal(takeExit(pid), undefined);
  // Node ignores SIGPIPE; its children must not.
  const killed = spawnProcess({ ...request, argv: ['sh', '-c', 'kill -PIPE $$'], stdio: ['ignore', 'ignore', 'ignore'] });
  assert.deepEqual(await endOf(killed), { signal: 13 });
  assert.throws(() => spawnProcess({ ...request, path: `${root}/none`, stdio: [] }), { code: 'ENOENT', syscall: 'posix_spawn' });
  assert.throws(() => spawnProcess({ ...request, cwd: `${root}/none`, stdio: [] }), { code: 'ENOENT' });
});

test('a sealed copy of a program starts as the program, and cannot be written to', async () => {
  const fd = sealedCopy('sh', readFileSync('/bin/sh'));
  const start = { argv: ['sh', '-c', 'exit 4'], env: [], cwd: '/', stdio: ['ignore', 'ignore', 'ignore'] } as const;
  assert.deepEqual(await endOf(spawnProcess({ ...start, path: `/proc/${process.pid}/fd/${fd}` })), { code: 4 });
  assert.throws(() => writeFileSync(fd, 'x'), { code: 'EPERM' });
  closeSync(fd);
});

test('many files are opened, dated and looked at by names in an open directory', () => {
  const folder = join(root, 'many-files');
  mkdirSync(folder);
  const directory = openSync(folder, 'r');
  const fd = openAt(directory, 'caf\xe9', constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o640);
  const path = fsPath(`${folder}/caf\xe9`);
  assert.throws(() => openAt(directory, 'caf\xe9', constants.O_RDWR | constants.O_CREAT | constants.O_EXCL), { code: 'EEXIST' });
  assert.throws(() => openAt(directory, 'a\0b', constants.O_RDONLY), { code: 'EINVAL' });
  assert.throws(() => openAt(directory, 'x'.repeat(5000), constants.O_RDONLY), { code: 'ENAMETOOLONG' });
  symlinkSync('caf', join(folder, 'link'));
  assert.throws(() => openAt(directory, 'link', constants.O_RDONLY | constants.O_NOFOLLOW), { code: 'ELOOP' });

  const [seen, said] = [new Uint32Array(STAMP_WORDS), new Uint32Array(STAMP_WORDS)];
  for (const [seconds, nanoseconds] of [
    [-5, 123_456_789],
    [5_000_000_000, 7],
    [0, 0],
  ] as const) {
    dateOpen(fd, seconds, nanoseconds);
    stampOfOpen(fd, seen, 0);
    fillStamp(lstatSync(path, { bigint: true }), said, 0);
    assert.deepEqual(seen, said);
    const stamp = new Stamp(seen, 0);
    assert.deepEqual([stamp.modified, stamp.modifiedNs, stamp.mode & 0o7777], [seconds, nanoseconds, 0o640]);
  }

  // Older kernels say it of paths only.
  const asked = hasXattrs(directory, 'caf\xe9');
  assert.ok(asked === false || asked === undefined);
  setXattr(path.toString('latin1'), 'user.a', 'v');
  assert.notEqual(hasXattrs(directory, 'caf\xe9'), false);
  if (asked === false) assert.throws(() => hasXattrs(directory, 'gone'), { code: 'ENOENT' });
  closeFile(fd);
  assert.throws(() => stampOfOpen(fd, seen, 0), { code: 'EBADF' });
  closeSync(directory);
});

void test('the user at the other end of a unix socket is known, of a file nothing', () => {
  const [one, other] = openSocketPair();
  const file = openSync('/dev/null', 'r');
  try {
    assert.equal(peerUser(one), process.getuid?.());
    assert.equal(peerUser(file), undefined);
  } finally {
    for (const fd of [one, other, file]) closeSync(fd);
  }
});
