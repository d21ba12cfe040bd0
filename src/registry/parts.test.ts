import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { parseChallenges } from './challenge.ts';
import { CredentialStore } from './credentials.ts';
import { planEndpoints } from './endpoint.ts';
import { printable, readRefusal } from './faults.ts';
import { logout, proxyFor } from './index.ts';
import { waitBefore } from './retry.ts';

test('challenges are read as RFC 9110 writes them', () => {
  assert.deepEqual(parseChallenges('Bearer realm="https://a/t?x=\\"1",service="s s",scope="repository:a:pull,push", Basic realm=b'), [
    { scheme: 'bearer', parameters: { realm: 'https://a/t?x="1', service: 's s', scope: 'repository:a:pull,push' } },
    { scheme: 'basic', parameters: { realm: 'b' } },
  ]);
  assert.deepEqual(parseChallenges('Negotiate, Basic'), [
    { scheme: 'negotiate', parameters: {} },
    { scheme: 'basic', parameters: {} },
  ]);
  for (const junk of [undefined, '', '=', 'a="', 'Bearer realm="x', '"', ',,,']) assert.ok(parseChallenges(junk).length <= 1, junk);
});

test('proxies: the rules of NO_PROXY', () => {
  const proxies = { http: 'http://p:1', https: 'p:2', no: '.internal,example.com,10.0.0.0/8,1.2.3.4,host:8443,fd00::/8,*.star.io' };
  const via = (url: string): string | undefined => proxyFor(new URL(url), proxies)?.host;
  const table: readonly (readonly [string, string | undefined])[] = [
    ['https://registry.io/', 'p:2'],
    ['http://registry.io/', 'p:1'],
    ['https://localhost:5000/', undefined],
    ['https://127.0.0.9/', undefined],
    ['https://[::1]:5000/', undefined],
    ['https://a.internal/', undefined],
    ['https://internal/', 'p:2'],
    ['https://example.com/', undefined],
    ['https://sub.example.com/', undefined],
    ['https://notexample.com/', 'p:2'],
    ['https://10.1.2.3/', undefined],
    ['https://11.1.2.3/', 'p:2'],
    ['https://1.2.3.4/', undefined],
    ['https://host:8443/', undefined],
    ['https://host/', 'p:2'],
    ['https://[fd12::1]/', undefined],
    ['https://[fe12::1]/', 'p:2'],
    ['https://a.star.io/', undefined],
  ];
  for (const [url, proxy] of table) assert.equal(via(url), proxy, url);
  assert.equal(proxyFor(new URL('https://a.b'), { https: 'p', no: '*' }), undefined);
  assert.throws(
    () => proxyFor(new URL('https://a.b'), { https: 'socks5://p' }),
    (error) => isSlipwayError(error, 'PROXY_INVALID'),
  );
});

test('credentials: the most specific entry, Docker Hub under any of its names, helpers first', async () => {
  const auth = (user: string): { auth: string } => ({ auth: Buffer.from(`${user}:pw:x`).toString('base64') });
  const store = new CredentialStore({
    dockerConfig: {
      auths: {
        'https://index.docker.io/v1/': auth('hub'),
        'r.io': auth('host'),
        'r.io/team': auth('team'),
        'https://old.io/v1/': auth('old'),
        'id.io': { identitytoken: 'T' },
        'bad.io': { auth: 'AAAA' },
      },
    },
  });
  const user = async (registry: string, repository: string): Promise<unknown> => {
    const { credential } = await store.find({ registry, repository });
    return credential?.kind === 'password' ? credential.username : credential?.kind;
  };
  assert.equal(await user('docker.io', 'library/a'), 'hub');
  assert.equal(await user('r.io', 'team/app'), 'team');
  assert.equal(await user('r.io', 'teams/app'), 'host');
  assert.equal(await user('old.io', 'a'), 'old');
  assert.equal(await user('id.io', 'a'), 'identity');
  assert.equal(await user('other.io', 'a'), undefined);
  await assert.rejects(user('bad.io', 'a'), (error) => isSlipwayError(error, 'REGISTRY_CONFIG_INVALID') && !/AAAA/.test(error.message));

  const folder = mkdtempSync('/tmp/slipway-helper-');
  const program = join(folder, 'docker-credential-fake');
  writeFileSync(
    program,
    '#!/bin/sh\nread server\ncase $1-$server in get-h.io) echo \'{"Username":"<token>","Secret":"S"}\';; *) echo "credentials not found in native keychain"; exit 1;; esac\n',
  );
  chmodSync(program, 0o755);
  const programEnv = { PATH: `${folder}:/usr/bin:/bin` };
  const helped = new CredentialStore({ programEnv, dockerConfig: { credsStore: 'fake', credHelpers: { 'm.io': 'missing' } } });
  assert.deepEqual(await helped.find({ registry: 'h.io', repository: 'a' }), { credential: { kind: 'identity', token: 'S' } });
  assert.deepEqual(await helped.find({ registry: 'n.io', repository: 'a' }), {});
  assert.deepEqual(await helped.find({ registry: 'm.io', repository: 'a' }), { note: 'docker-credential-missing is not installed' });
  const hostile = new CredentialStore({ programEnv, dockerConfig: { credsStore: '../fake' } });
  assert.match(String((await hostile.find({ registry: 'h.io', repository: 'a' })).note), /no name of a credential helper/);
  rmSync(folder, { recursive: true });
});

test('endpoints: mirrors come first when pulling, and http is for loopback or by setting', () => {
  const config = {
    registries: {
      'docker.io': { mirrors: ['http://cache.lan:5000/hub/', 'mirror.io'] },
      'plain.io': { http: true },
      'loose.io': { insecure: true },
    },
  };
  const plan = (registry: string, purpose: 'pull' | 'push'): unknown =>
    planEndpoints(config, registry, purpose).map((p) => `${p.schemes.join('|')} ${p.host}/${p.path} ${p.credentialHost}`);
  assert.deepEqual(plan('docker.io', 'pull'), [
    'http cache.lan:5000/hub cache.lan:5000',
    'https mirror.io/ mirror.io',
    'https registry-1.docker.io/ docker.io',
  ]);
  assert.deepEqual(plan('docker.io', 'push'), ['https registry-1.docker.io/ docker.io']);
  assert.deepEqual(plan('plain.io', 'push'), ['http plain.io/ plain.io']);
  assert.deepEqual(plan('loose.io', 'push'), ['https|http loose.io/ loose.io']);
  assert.deepEqual(plan('localhost:5000', 'push'), ['http|https localhost:5000/ localhost:5000']);
  assert.deepEqual(plan('r.io:5000', 'push'), ['https r.io:5000/ r.io:5000']);
  assert.throws(() => planEndpoints({ registries: { a: { mirrors: ['ftp://x y'] } } }, 'a', 'pull'), /mirror/);
});

test('what a stranger says reaches no terminal as control characters, and waits are bounded', () => {
  assert.equal(printable('a\x1b[31m\nb'), 'a [31m b');
  const now = new Date(0);
  const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'no\x07pe' }] });
  assert.deepEqual(readRefusal(403, body, undefined, now), { status: 403, code: 'DENIED', message: 'no pe' });
  assert.equal(readRefusal(429, '<html>', '7', now).retryAfterMs, 7000);
  assert.equal(readRefusal(429, '', 'Thu, 01 Jan 1970 00:00:09 GMT', now).retryAfterMs, 9000);
  assert.equal(waitBefore(Object.assign(new Error(), { code: 'ECONNRESET' }), 2), 1000);
  assert.equal(waitBefore(Object.assign(new Error(), { code: 'ECONNREFUSED' }), 0), undefined);
  assert.equal(waitBefore(new Error('a bug'), 0), undefined);
});

test('logout forgets one login and keeps the rest of the file and its mode', async () => {
  const folder = mkdtempSync('/tmp/slipway-logout-');
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify({ auths: { 'a.io': { auth: 'x' }, 'b.io': {} }, psFormat: 'keep' }), { mode: 0o640 });
  chmodSync(file, 0o640);
  assert.equal(await logout('a.io', file, {}), true);
  assert.equal(await logout('a.io', file, {}), false);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { auths: { 'b.io': {} }, psFormat: 'keep' });
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.equal(await logout('a.io', join(file, 'config.json'), {}), false, 'a file where a folder is looked for: no login');
  rmSync(folder, { recursive: true });
});
