// http and git as vertices: what keys them, what comes again, what is refused.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { runGit } from '../../test/rig/git-server.ts';
import { isSlipwayError } from '../base/index.ts';
import type { GitSource, HttpSource } from '../graph/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { AskedSources } from './asked-sources.ts';
import type { OpDeps } from './deps.ts';
import { createGitOp, gitFacts } from './git-op.ts';
import { createHttpOp, httpFacts } from './http-op.ts';
import { job, testPlace, vertexOf } from './test-deps.ts';

const place = testPlace();
let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
const requests: IncomingMessage[] = [];
const server = createServer((request, response) => {
  requests.push(request);
  answer(request, response);
});
let origin = '';

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

async function fetched(source: Partial<HttpSource>): Promise<{ key: string; rootfs: RootFS; asked: number }> {
  const whole: HttpSource = { kind: 'http', url: `${origin}/dir/file.txt`, filename: 'file.txt', ...source };
  const op = createHttpOp(vertexOf({ type: 'source', source: whole }), whole, '', place.deps);
  requests.length = 0;
  const { key } = await op.cacheMap([], job);
  const asked = requests.length;
  const [rootfs] = await op.exec([], job);
  return { key, rootfs: rootfs as RootFS, asked };
}

test('a file comes with mode 0600 and the server’s time, and comes again only when it changed', async () => {
  let etag = '"1"';
  let body = 'one';
  answer = (request, response) => {
    if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
    else response.writeHead(200, { etag, 'last-modified': 'Thu, 01 Jan 2015 00:00:00 GMT' }).end(body);
  };
  const first = await fetched({});
  assert.deepEqual(await place.show(first.rootfs), ['file.txt file 600 0:0 one']);
  const [layer] = first.rootfs.layers;
  assert.equal(place.layers.written.get(layer?.id ?? '')?.index.entries[0]?.mtime, 1420070400);
  const op = createHttpOp(
    vertexOf({ type: 'merge' }),
    { kind: 'http', url: `${origin}/dir/file.txt`, filename: 'file.txt' },
    '',
    place.deps,
  );
  requests.length = 0;
  assert.equal((await op.cacheMap([], job)).key, first.key);
  assert.deepEqual(
    requests.map(({ headers }) => headers['if-none-match']),
    ['"1"'],
  );
  etag = '"2"';
  assert.equal((await fetched({})).key, first.key);
  etag = '"3"';
  body = 'two';
  const changed = await fetched({ mode: 0o644, uid: 5, gid: 6 });
  assert.notEqual(changed.key, first.key);
  assert.deepEqual(await place.show(changed.rootfs), ['file.txt file 644 5:6 two']);
});

test('a checksum keys without a request and is verified', async () => {
  answer = (_request, response) => void response.end('data');
  for (const algorithm of ['sha256', 'sha512']) {
    const checksum = `${algorithm}:${createHash(algorithm).update('data').digest('hex')}`;
    const { asked, rootfs } = await fetched({ checksum });
    assert.equal(asked, 0);
    assert.deepEqual(await place.show(rootfs), ['file.txt file 600 0:0 data']);
  }
  const wrong = `sha256:${'0'.repeat(64)}`;
  await assert.rejects(fetched({ checksum: wrong }), (error) => isSlipwayError(error, 'HTTP_CHECKSUM') && error.message.includes(wrong));
});

test('credentials come from secrets and stay with their host', async () => {
  place.secrets.set('HTTP_AUTH_TOKEN_127.0.0.1', 'tok');
  const elsewhere = createServer((request, response) => void response.end(String(request.headers.authorization)));
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.2', resolve));
  try {
    answer = (request, response) => {
      const to = request.url === '/a' ? '/b' : `http://127.0.0.2:${(elsewhere.address() as AddressInfo).port}/`;
      response.writeHead(302, { location: to }).end();
    };
    const { rootfs } = await fetched({ url: `${origin}/a` });
    assert.deepEqual(requests.map(({ url, headers }) => [url, headers.authorization]).slice(0, 2), [
      ['/a', 'Bearer tok'],
      ['/b', 'Bearer tok'],
    ]);
    assert.deepEqual(await place.show(rootfs), ['file.txt file 600 0:0 undefined']);
  } finally {
    elsewhere.close();
    place.secrets.clear();
  }
});

test('a name and password in the address are sent, unless a secret says otherwise, and only there', async () => {
  answer = (request, response) => {
    if (request.url === '/a') response.writeHead(302, { location: `${origin}/b` });
    response.end(String(request.headers.authorization));
  };
  const named = origin.replace('//', '//user:p%40ss@');
  const basic = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  assert.deepEqual(await place.show((await fetched({ url: `${named}/` })).rootfs), [`file.txt file 600 0:0 ${basic}`]);
  assert.deepEqual(await place.show((await fetched({ url: `${named}/a` })).rootfs), ['file.txt file 600 0:0 undefined']);
  place.secrets.set('HTTP_AUTH_TOKEN_127.0.0.1', 'tok');
  try {
    assert.deepEqual(await place.show((await fetched({ url: `${named}/c` })).rootfs), ['file.txt file 600 0:0 Bearer tok']);
  } finally {
    place.secrets.clear();
  }
});

test('what a server compressed on the way is the file that it compressed', async () => {
  const packed = gzipSync('plain text');
  answer = (_request, response) =>
    void response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
  const checksum = `sha256:${createHash('sha256').update('plain text').digest('hex')}`;
  for (const source of [{}, { checksum }]) {
    const { rootfs } = await fetched({ url: `${origin}/packed.gz`, ...source });
    assert.deepEqual(await place.show(rootfs), ['file.txt file 600 0:0 plain text']);
  }
});

test('refusals name the address without what may be secret in it', async () => {
  answer = (_request, response) => void response.writeHead(404).end();
  await assert.rejects(fetched({ url: `${origin}/x?token=s3cret` }), (error) => {
    return isSlipwayError(error, 'HTTP_STATUS') && /invalid response status 404/.test(error.message) && !error.message.includes('s3cret');
  });
  answer = (request, response) => void response.writeHead(302, { location: request.url ?? '' }).end();
  await assert.rejects(fetched({ url: `${origin}/loop` }), (error) => isSlipwayError(error, 'HTTP_REDIRECT'));
  answer = (_request, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end();
  await assert.rejects(fetched({ url: `${origin}/file` }), (error) => isSlipwayError(error, 'HTTP_REDIRECT'));
});

test('a repository is keyed by its commit and written with git’s modes, owned by root', async () => {
  const repository = join(place.root, 'repo');
  mkdirSync(repository);
  const git = (...args: readonly string[]): string => runGit(repository, ...args);
  git('init');
  writeFileSync(join(repository, 'run'), 'x', { mode: 0o700 });
  writeFileSync(join(repository, 'text'), 'y', { mode: 0o600 });
  git('add', '.');
  git('commit', '-m', 'one');
  const source: GitSource = { kind: 'git', remote: `file://${repository}`, keepGitDir: false, submodules: true, mtime: 'commit' };
  const get = async (wanted: GitSource): Promise<{ key: string; rootfs: RootFS }> => {
    const op = createGitOp(vertexOf({ type: 'source', source: wanted }), wanted, '', place.deps);
    const { key } = await op.cacheMap([], job);
    const [rootfs] = await op.exec([], job);
    return { key, rootfs: rootfs as RootFS };
  };
  const first = await get(source);
  assert.deepEqual(await place.show(first.rootfs), ['run file 755 0:0 x', 'text file 644 0:0 y']);
  const index = place.layers.written.get(first.rootfs.layers[0]?.id ?? '')?.index;
  assert.deepEqual(
    index?.entries.map(({ mtime }) => mtime),
    [1700000000, 1700000000],
  );
  assert.equal((await get({ ...source, ref: git('rev-parse', 'HEAD') })).key, first.key);
  assert.notEqual((await get({ ...source, keepGitDir: true })).key, first.key);
  writeFileSync(join(repository, 'text'), 'z');
  git('commit', '-am', 'two');
  assert.notEqual((await get(source)).key, first.key);
});

test('a step takes the file that its build was told about, whatever is at the address by then', async () => {
  let body = 'admitted';
  answer = (_request, response) => void response.end(body);
  const source: HttpSource = { kind: 'http', url: `${origin}/moving`, filename: 'file' };
  const asked = new AskedSources();
  const deps = { ...place.deps, asked };
  const told = await httpFacts(source, deps, job);
  body = 'another';
  requests.length = 0;
  assert.equal((await httpFacts({ ...source, filename: 'other' }, deps, job)).digest, told.digest);
  const op = createHttpOp(vertexOf({ type: 'source', source }), source, '', deps);
  await op.cacheMap([], job);
  for (let run = 0; run < 2; run += 1) {
    const [rootfs] = await op.exec([], job);
    assert.deepEqual(await place.show(rootfs as RootFS), ['file file 600 0:0 admitted']);
  }
  assert.equal(requests.length, 0);
  // The next build asks anew; other headers may bring another file.
  assert.notEqual((await httpFacts({ ...source, headers: { Accept: 'text/plain' } }, deps, job)).digest, told.digest);
  assert.deepEqual(await place.show((await fetched(source)).rootfs), ['file file 600 0:0 another']);
  asked[Symbol.dispose]();
  assert.equal(existsSync(told.path), false);
});

test('a step takes the commit that its build was told about, though the branch moved', async () => {
  const repository = join(place.root, 'moving');
  mkdirSync(repository);
  const git = (...args: readonly string[]): string => runGit(repository, ...args);
  git('init', '-b', 'main');
  const commit = (text: string): void => {
    writeFileSync(join(repository, 'text'), text);
    git('add', '.');
    git('commit', '-m', text);
  };
  commit('admitted');
  const source: GitSource = { kind: 'git', remote: `file://${repository}`, ref: 'main', keepGitDir: false, submodules: true };
  const show = async (deps: OpDeps): Promise<readonly string[]> => {
    const op = createGitOp(vertexOf({ type: 'source', source }), source, '', deps);
    await op.cacheMap([], job);
    const [rootfs] = await op.exec([], job);
    return await place.show(rootfs as RootFS);
  };
  const deps = { ...place.deps, asked: new AskedSources() };
  const { found } = await gitFacts(source, deps, job);
  commit('another');
  assert.equal((await gitFacts(source, deps, job)).found.commit, found.commit);
  assert.deepEqual(await show(deps), ['text file 644 0:0 admitted']);
  assert.deepEqual(await show(place.deps), ['text file 644 0:0 another']);
  // A client may name the usual secrets in one place alone.
  const named = { ...source, authTokenSecret: 'GIT_AUTH_TOKEN', authHeaderSecret: 'GIT_AUTH_HEADER' };
  assert.equal((await gitFacts(named, deps, job)).found.commit, found.commit);
});
