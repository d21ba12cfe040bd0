// `type=azblob` against Azurite, Microsoft's own emulator of the service: it checks signatures as the service does.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildCached as build } from '../rig/build-cached.ts';
import { Rig } from '../rig/rig.ts';

const AZURITE = join(dirname(fileURLToPath(import.meta.url)), '../../.cache/azurite/node_modules/azurite/dist/src/blob/main.js');
const ACCOUNT = 'team';
const KEY = randomBytes(64);

const DOCKERFILE = `FROM busybox AS build
COPY large /large
RUN cat /proc/sys/kernel/random/uuid > /id
FROM busybox
COPY --from=build /id /id
`;

test('a second machine runs nothing; the container is made, large layers go in blocks, prefixes and names are kept', async () => {
  await using rig = Rig.create();
  await using server = await startAzurite();
  const context = rig.context({ Dockerfile: DOCKERFILE });
  writeFileSync(join(context, 'large'), randomBytes(70 << 20)); // above the size of a block
  const place = `type=azblob,account_url=${server.address},account_name=${ACCOUNT},secret_access_key=${KEY.toString('base64')}`;
  const names = `${place},container=builds,prefix=team a,name=app;main`;
  assert.equal((await build(rig, context, ['--cache-to', `${names},mode=max`])).ran.length, 3);
  const first = await build(rig, context, []);
  rmSync(rig.store, { recursive: true });
  const again = await build(rig, context, ['--cache-from', `${place},container=builds,prefix=team a,name=main`]);
  assert.deepEqual(again, { ran: [], digest: first.digest });

  rmSync(rig.store, { recursive: true });
  const changed = rig.context({ Dockerfile: `${DOCKERFILE}RUN true\n` });
  writeFileSync(join(changed, 'large'), readFileSync(join(context, 'large')));
  assert.deepEqual((await build(rig, changed, ['--cache-from', names, '--cache-to', names])).ran, ['RUN true']);
  const listing = await server.list('builds');
  assert.match(listing, /<Name>team a\/manifests\/app<\/Name>/);
  assert.match(listing, /<Name>team a\/manifests\/main<\/Name>/);
  assert.match(listing, /<Name>team a\/blobs\/sha256:[a-f0-9]{64}<\/Name>/);
});

test('a shared access signature in the address will do, and is never shown', async () => {
  await using rig = Rig.create();
  await using server = await startAzurite();
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id\n' });
  const signed = `type=azblob,account_url=${server.address}?${accountSignature()},name=app`;
  const first = await rig.slipway(['build', '--progress=plain', '--cache-to', signed, context]);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /exporting cache to Azure Blob Storage/);
  rmSync(rig.store, { recursive: true });
  const again = await rig.slipway(['build', '--progress=plain', '--cache-from', signed, context]);
  assert.match(again.stderr, /importing cache manifest from 127\.0\.0\.1:\d+\/slipway-cache\/manifests\/app/);
  assert.match(again.stderr, /RUN cat .*\n#\d+ CACHED/);
  const refused = await rig.slipway(['build', '--cache-to', signed.replace('sig=', 'sig=x'), context]);
  assert.equal(refused.code, 1);
  for (const { stdout, stderr } of [first, again, refused]) assert.doesNotMatch(stdout + stderr, /sig=/);
  assert.match(refused.stderr, /cannot .* the cache .*: 127\.0\.0\.1:\d+ answered 403 [^]*check the credentials/);
});

test('what is missing or wrong is told before anything is built; of a cache to read it is a warning', async () => {
  await using rig = Rig.create();
  await using server = await startAzurite();
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN true\n' });
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['type=azblob,name=x', /type=azblob needs account_url=[^]*BUILDKIT_AZURE_STORAGE_ACCOUNT_URL/],
    ['type=azblob,account_url=team', /account_url is no http or https address/],
    [`type=azblob,account_url=${server.address}`, /secret_access_key=[^]*shared access signature/],
    [`type=azblob,account_url=${server.address},secret_access_key=a b`, /no key of a storage account/],
    [`type=azblob,account_url=${server.address},acount_name=x`, /no attribute "acount_name"[^]*did you mean account_name\?/],
  ];
  for (const [place, said] of refusals) {
    const outcome = await rig.slipway(['build', '--cache-to', place, context]);
    assert.equal(outcome.code, 1, place);
    assert.match(outcome.stderr, said);
  }
  const other = randomBytes(64).toString('base64');
  const from = `type=azblob,account_url=${server.address},account_name=${ACCOUNT},secret_access_key=${other}`;
  const built = await rig.slipway(['build', '--cache-from', from, context]);
  assert.equal(built.code, 0, built.stderr);
  assert.match(built.stderr, /importing the cache from .* failed: .*answered 403/);
  const fresh = await rig.slipway(['build', '--no-cache', '--cache-from', from.replace(other, KEY.toString('base64')), context]);
  assert.doesNotMatch(fresh.stderr, /answered/, 'a container that is not there is an empty cache');
  const env = {
    BUILDKIT_AZURE_STORAGE_ACCOUNT_URL: server.address,
    BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME: ACCOUNT,
    BUILDKIT_AZURE_STORAGE_CONTAINER: 'surroundings',
    AZURE_STORAGE_KEY: KEY.toString('base64'),
  };
  const written = await rig.slipway(['build', '--cache-to', 'type=azblob,name=app', context], { env });
  assert.equal(written.code, 0, written.stderr);
  assert.match(await server.list('surroundings'), /<Name>manifests\/app<\/Name>/);
});

/** Query of an address that lets whoever has it do all in this account, as the portal makes it. */
function accountSignature(): string {
  const [permissions, services, types, version] = ['rwdlac', 'b', 'sco', '2020-02-10'];
  const until = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z/, 'Z');
  const text = `${[ACCOUNT, permissions, services, types, '', until, '', 'https,http', version].join('\n')}\n`;
  const signature = createHmac('sha256', KEY).update(text).digest('base64');
  const query = { sv: version, ss: services, srt: types, sp: permissions, se: until, spr: 'https,http', sig: signature };
  return Object.entries(query)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
}

/** Azurite with one account. `npm test` installs it. */
async function startAzurite(): Promise<
  AsyncDisposable & { readonly address: string; readonly list: (container: string) => Promise<string> }
> {
  assert.ok(existsSync(AZURITE), 'run this test by `npm test`, which installs Azurite');
  const child = spawn(process.execPath, [AZURITE, '--blobHost=127.0.0.1', '--blobPort=0', '--inMemoryPersistence', '--silent'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY.toString('base64')}` },
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let said = '';
  const server = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const [, url] = /listens on (http:\S+)/.exec(said) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.once('exit', (code) => reject(new Error(`Azurite ended with ${code}: ${said}`)));
  });
  const address = `${server}/${ACCOUNT}`;
  return {
    address,
    list: async (container) => await (await fetch(`${address}/${container}?restype=container&comp=list&${accountSignature()}`)).text(),
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}
