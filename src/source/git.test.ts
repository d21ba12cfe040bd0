// Git sources against real repositories served by `git daemon` on loopback.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runGit, serveGit } from '../../test/rig/git-server.ts';
import { isSlipwayError, quietJob } from '../base/index.ts';
import { type CheckedOut, checkOut, fetchCommit, findCommit, type GitCheckout, openMirror } from './git-checkout.ts';
import { GitCommand } from './git-command.ts';

const root = mkdtempSync(join(tmpdir(), 'slipway-git-'));
const job = quietJob();
const git = new GitCommand({ path: process.env['PATH'] ?? '', knownHosts: { file: join(root, 'known'), strict: false } }, job.signal);
let daemon: AsyncDisposable;
let address = '';
let first = '';
let second = '';

before(async () => {
  const lib = join(root, 'served/lib');
  const app = join(root, 'served/app');
  for (const folder of [lib, app]) mkdirSync(folder, { recursive: true });
  runGit(lib, 'init');
  writeFileSync(join(lib, 'lib.txt'), 'lib');
  runGit(lib, 'add', '.');
  runGit(lib, 'commit', '-m', 'lib');
  runGit(app, 'init');
  mkdirSync(join(app, 'sub/deep'), { recursive: true });
  writeFileSync(join(app, 'sub/deep/f'), 'one');
  writeFileSync(join(app, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  symlinkSync('/etc', join(app, 'out'));
  runGit(app, 'add', '.');
  runGit(app, 'commit', '-m', 'one');
  first = runGit(app, 'rev-parse', 'HEAD');
  runGit(app, 'tag', '-a', '-m', 'v', 'v1');
  writeFileSync(join(app, 'sub/deep/f'), 'two');
  writeFileSync(join(app, '.gitmodules'), `[submodule "lib"]\n\tpath = lib\n\turl = ../lib\n`);
  runGit(app, 'add', '.');
  runGit(app, 'update-index', '--add', '--cacheinfo', `160000,${runGit(lib, 'rev-parse', 'HEAD')},lib`);
  runGit(app, 'commit', '-m', 'two');
  second = runGit(app, 'rev-parse', 'HEAD');
  const served = await serveGit(join(root, 'served'));
  daemon = served;
  address = served.address;
});

after(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

let count = 0;

async function get(wanted: Partial<GitCheckout> = {}): Promise<CheckedOut> {
  const whole: GitCheckout = { remote: `${address}/app`, keepGitDir: false, submodules: true, ...wanted };
  const into = join(root, `out${(count += 1)}`);
  mkdirSync(into);
  const found = await findCommit(git, join(root, 'mirrors'), whole, job);
  await using mirror = await openMirror(git, join(root, 'mirrors'), whole.remote, job);
  return checkOut(git, mirror, whole, await fetchCommit(git, mirror, whole, found), into);
}

test('the head, with its submodules and nothing of git', async () => {
  const { folder, commit, committedAt } = await get();
  assert.equal(commit, second);
  assert.equal(committedAt, 1700000000);
  assert.deepEqual(readdirSync(folder).sort(), ['.gitmodules', 'lib', 'out', 'run.sh', 'sub']);
  assert.deepEqual(readdirSync(join(folder, 'lib')), ['lib.txt']);
});

test('a tag, a branch, a commit and a prefix of one', async () => {
  for (const ref of ['v1', 'refs/tags/v1', first, first.slice(0, 10)]) {
    const { folder, commit } = await get({ ref });
    assert.equal(commit, first, ref);
    assert.equal(readFileSync(join(folder, 'sub/deep/f'), 'utf8'), 'one');
  }
  assert.equal((await get({ ref: 'main', submodules: false })).commit, second);
});

test('a subfolder; one behind a symlink is refused', async () => {
  const { folder } = await get({ subdir: 'sub/deep' });
  assert.deepEqual(readdirSync(folder), ['f']);
  for (const subdir of ['out', 'none', '../..']) {
    await assert.rejects(get({ subdir }), (error) => isSlipwayError(error, 'GIT_SUBDIR'), subdir);
  }
});

test('with the git folder it is a clone that names the remote', async () => {
  const { folder } = await get({ keepGitDir: true, ref: 'main' });
  assert.equal(runGit(folder, 'rev-parse', 'HEAD'), second);
  assert.equal(runGit(folder, 'remote', 'get-url', 'origin'), `${address}/app`);
  assert.equal(runGit(folder, 'status', '--porcelain', '--ignore-submodules'), '');
  assert.ok(!existsSync(join(folder, '.git/FETCH_HEAD')));
  assert.deepEqual(readdirSync(join(folder, 'lib')).sort(), ['.git', 'lib.txt']);
});

test('checksums are prefixes of what must come', async () => {
  assert.equal((await get({ ref: 'v1', checksum: first.slice(0, 8) })).commit, first);
  await assert.rejects(get({ ref: 'main', checksum: first }), (error) => isSlipwayError(error, 'GIT_CHECKSUM'));
  await assert.rejects(get({ ref: 'main', checksum: 'xyz' }), /expected hex commit hash/);
});

test('what is not there, and what could be an option, is refused in words', async () => {
  await assert.rejects(get({ ref: 'nope' }), /does not contain ref nope/);
  await assert.rejects(get({ ref: '--upload-pack=x' }), (error) => isSlipwayError(error, 'GIT_REF'));
  await assert.rejects(get({ remote: `${address}/none` }), /failed to fetch remote git:\/\/127/);
});

test('a branch that was force-pushed is fetched anew', async () => {
  const app = join(root, 'served/app');
  runGit(app, 'commit', '--amend', '-m', 'other');
  const moved = runGit(app, 'rev-parse', 'HEAD');
  assert.equal((await get({ ref: 'main' })).commit, moved);
});

test('tokens reach the environment of git, not its arguments', async () => {
  const seen = join(root, 'seen');
  const bin = join(root, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'git'), `#!/bin/sh\necho "$@" > ${seen}\nenv >> ${seen}.env\n`, { mode: 0o755 });
  const secret = new GitCommand(
    {
      path: `${bin}:${process.env['PATH'] ?? ''}`,
      knownHosts: { file: '/dev/null', strict: true },
      authorization: { remote: 'https://user@host.example/x.git', value: 'basic c2VjcmV0' },
    },
    job.signal,
  );
  await secret.run(['ls-remote', 'https://host.example/x.git']);
  assert.ok(!readFileSync(seen, 'utf8').includes('c2VjcmV0'));
  const env = readFileSync(`${seen}.env`, 'utf8');
  assert.match(env, /=http\.https:\/\/host\.example\/\.extraheader/);
  assert.match(env, /=Authorization: basic c2VjcmV0/);
});
