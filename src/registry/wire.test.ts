import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, digestOf, isSlipwayError, quietJob } from '../base/index.ts';
import { type Descriptor, OCI, parseReference, type Reference, serializeIndex, serializeManifest } from '../oci/index.ts';
import { bytesBlob, openRegistry, type PushBlob, type RegistryClient, type RegistryConfig } from './index.ts';
import { type Scripted, type ScriptedServer, startScriptedServer } from '../../test/rig/scripted-server.ts';

const job = quietJob();
const layer = Buffer.from('0123456789'.repeat(10));
const blob: Descriptor = { mediaType: OCI.layerGzip, digest: digestOf(layer), size: layer.length };
const manifest = serializeManifest({
  schemaVersion: 2,
  mediaType: OCI.manifest,
  config: { ...blob, mediaType: OCI.config },
  layers: [blob],
});
const asManifest = { 'content-type': OCI.manifest, 'docker-content-digest': digestOf(manifest) };
const BLOB = `/v2/a/blobs/${blob.digest}`;

interface Wire extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly client: RegistryClient;
  readonly waits: number[];
  readonly ref: (name?: string) => Reference;
}

/** A client and a server that plays the script. Time does not pass: waits are only noted. */
async function wire(script: readonly Scripted[], config: RegistryConfig = {}): Promise<Wire> {
  const server = await startScriptedServer(script);
  const waits: number[] = [];
  const delay = (ms: number): Promise<void> => Promise.resolve(void waits.push(ms));
  const registries = { [server.address]: { http: true }, ...config.registries };
  const client = openRegistry({ retries: 2, delay, ...config, registries });
  return {
    server,
    client,
    waits,
    ref: (name = 'a:1') => parseReference(`${server.address}/${name}`),
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const hasCode = (code: string, text?: RegExp) => (error: unknown) =>
  isSlipwayError(error, code) && (text === undefined || text.test(`${error.message} ${error.hint ?? ''}`));

test('a blob whose connection breaks is taken up where it broke', async () => {
  await using w = await wire([
    { expect: `GET ${BLOB}`, body: layer, cutAfter: 40 },
    {
      expect: `GET ${BLOB}`,
      with: { range: 'bytes=40-' },
      status: 206,
      headers: { 'content-range': 'bytes 40-99/100' },
      body: layer.subarray(40),
    },
  ]);
  assert.deepEqual(await drain(w.client.openBlob(w.ref(), blob, job)), layer);
  assert.deepEqual(w.server.faults(), []);
});

test('a blob that came whole needs no end of the answer', async () => {
  await using w = await wire([{ expect: `GET ${BLOB}`, body: layer, chunked: true, cutAfter: layer.length }]);
  assert.ok((await drain(w.client.openBlob(w.ref(), blob, job))).equals(layer));
  assert.deepEqual(w.server.faults(), []);
});

test('a server without ranges sends everything again; what was had is skipped', async () => {
  await using w = await wire([
    { expect: `GET ${BLOB}`, body: layer, cutAfter: 40 },
    { expect: `GET ${BLOB}`, body: layer },
  ]);
  assert.deepEqual(await drain(w.client.openBlob(w.ref(), blob, job)), layer);
});

test('blobs that are too short, too long or of other bytes are refused', async () => {
  const short = { expect: `GET ${BLOB}`, body: layer.subarray(0, 50) };
  const rest = { expect: `GET ${BLOB}`, with: { range: 'bytes=50-' }, status: 206, headers: { 'content-range': 'bytes 50-99/100' } };
  await using truncated = await wire([short, rest, rest]);
  await assert.rejects(drain(truncated.client.openBlob(truncated.ref(), blob, job)), hasCode('BLOB_TRUNCATED', /50 of 100/));
  assert.deepEqual(truncated.server.faults(), []);

  await using long = await wire([{ expect: `GET ${BLOB}`, body: Buffer.concat([layer, layer]) }]);
  await assert.rejects(drain(long.client.openBlob(long.ref(), blob, job)), hasCode('BLOB_SIZE_MISMATCH', /200/));

  await using other = await wire([{ expect: `GET ${BLOB}`, body: Buffer.alloc(100) }]);
  await assert.rejects(
    drain(other.client.openBlob(other.ref(), blob, job)),
    hasCode('BLOB_DIGEST_MISMATCH', /expected sha256.*got sha256/),
  );

  await using absent = await wire([{ expect: `GET ${BLOB}`, status: 404 }]);
  await assert.rejects(drain(absent.client.openBlob(absent.ref(), blob, job)), hasCode('BLOB_UNKNOWN'));
});

test('a manifest that is not what its digest says is refused; so is a web page', async () => {
  const wanted = digestOf('other');
  await using w = await wire([
    { expect: `GET /v2/a/manifests/${wanted}`, headers: asManifest, body: Buffer.from(manifest) },
    { expect: 'GET /v2/a/manifests/1', headers: { ...asManifest, 'docker-content-digest': wanted }, body: Buffer.from(manifest) },
    { expect: 'GET /v2/a/manifests/1', headers: { 'content-type': 'text/html' }, body: '<html>please log in' },
    { expect: 'GET /v2/a/manifests/1', status: 404, body: '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}' },
  ]);
  await assert.rejects(w.client.manifest({ ...w.ref(), digest: wanted }, job), hasCode('MANIFEST_DIGEST_MISMATCH'));
  await assert.rejects(w.client.manifest(w.ref(), job), hasCode('MANIFEST_DIGEST_MISMATCH'));
  await assert.rejects(w.client.manifest(w.ref(), job), hasCode('REGISTRY_PROTOCOL', /web page/));
  await assert.rejects(w.client.manifest(w.ref(), job), hasCode('MANIFEST_UNKNOWN', /manifest unknown/));
  assert.deepEqual(w.server.faults(), []);
});

test('a manifest that breaks off is asked for again', async () => {
  const whole = { expect: 'GET /v2/a/manifests/1', headers: asManifest, body: Buffer.from(manifest) };
  await using w = await wire([{ ...whole, cutAfter: 10 }, { ...whole, cutAfter: 0 }, whole]);
  assert.equal((await w.client.manifest(w.ref(), job)).descriptor.digest, digestOf(manifest));
  assert.deepEqual([w.server.faults(), w.waits.length], [[], 2]);
});

test('a push has worked when the registry has the manifest, whatever a portal says', async () => {
  const pushed = { mediaType: OCI.manifest, digest: digestOf(manifest), bytes: manifest };
  const put = { expect: 'PUT /v2/a/manifests/1', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>please log in' };
  const get = { expect: 'GET /v2/a/manifests/1', headers: asManifest, body: Buffer.from(manifest) };
  await using w = await wire([
    ...[put, get],
    ...[put, { ...put, expect: get.expect }],
    ...[put, { ...get, headers: { 'content-type': OCI.manifest }, body: Buffer.from(manifest).subarray(1) }],
    ...[put, { expect: get.expect, status: 404 }],
    // The same page in place of what a HEAD of a blob says: the blob is sent.
    { expect: `HEAD ${BLOB}`, headers: { 'content-type': 'text/html', 'content-length': '19' } },
    { expect: 'POST /v2/a/blobs/uploads/', status: 202, headers: { location: '/up' } },
    { expect: `PUT /up?digest=${encodeURIComponent(blob.digest)}`, status: 201 },
    { ...put, status: 201, headers: {} },
  ]);
  const push = (blobs: readonly PushBlob[] = []): Promise<void> => w.client.push({ reference: w.ref(), blobs, manifests: [pushed] }, job);
  await push();
  await assert.rejects(push(), hasCode('REGISTRY_PROTOCOL', /web page/));
  await assert.rejects(push());
  await assert.rejects(push(), hasCode('REGISTRY_PROTOCOL', /answered 200 to the manifest and does not have it/));
  await push([{ ...bytesBlob(OCI.layer, layer), descriptor: blob }]);
  assert.deepEqual(w.server.faults(), []);
});

test('a missing platform names those there are', async () => {
  const entry = { mediaType: OCI.manifest, digest: digestOf('m'), size: 1 };
  const index = serializeIndex({
    schemaVersion: 2,
    mediaType: OCI.index,
    manifests: [
      { ...entry, platform: { os: 'linux', architecture: 'amd64' } },
      { ...entry, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
      { ...entry, platform: { os: 'unknown', architecture: 'unknown' } },
    ],
  });
  await using w = await wire([{ expect: 'GET /v2/a/manifests/1', headers: { 'content-type': OCI.index }, body: Buffer.from(index) }]);
  const wanted = { os: 'linux', architecture: 's390x' };
  await assert.rejects(
    w.client.resolve(w.ref(), wanted, job),
    hasCode('PLATFORM_MISSING', /linux\/s390x.*it has linux\/amd64, linux\/arm\/v7;/),
  );
});

test('a tag whose document is at hand costs one HEAD', async () => {
  await using w = await wire([{ expect: 'HEAD /v2/a/manifests/1', headers: { ...asManifest, 'content-length': String(manifest.length) } }]);
  const known = (digest: Digest): Uint8Array | undefined => (digest === digestOf(manifest) ? manifest : undefined);
  const { image } = await w.client.resolve(w.ref(), { os: 'linux', architecture: 'amd64' }, job, { known, last: digestOf(manifest) });
  assert.deepEqual(image.manifest.layers, [blob]);
  assert.deepEqual(w.server.faults(), []);
});

test('a tag that nothing is known of, or whose document is gone, costs one GET', async () => {
  const answer = { expect: 'GET /v2/a/manifests/1', headers: asManifest, body: Buffer.from(manifest) };
  await using w = await wire([answer, answer]);
  const known = (): undefined => undefined;
  for (const options of [{ known }, { known, last: digestOf(manifest) }]) {
    const { image } = await w.client.resolve(w.ref(), { os: 'linux', architecture: 'amd64' }, job, options);
    assert.deepEqual(image.manifest.layers, [blob]);
  }
  assert.deepEqual(w.server.faults(), []);
});

test('whether a tag points to a digest: one HEAD; a tag that is not there points nowhere', async () => {
  const headers = { ...asManifest, 'content-length': String(manifest.length) };
  await using w = await wire([
    { expect: 'HEAD /v2/a/manifests/1', headers },
    { expect: 'HEAD /v2/a/manifests/1', headers },
    { expect: 'HEAD /v2/a/manifests/1', status: 404 },
    { expect: 'HEAD /v2/a/manifests/1', status: 405 },
    { expect: 'HEAD /v2/a/manifests/1', status: 403 },
  ]);
  assert.equal(await w.client.pointsTo(w.ref(), digestOf(manifest), job), true);
  assert.equal(await w.client.pointsTo(w.ref(), digestOf('another'), job), false);
  assert.equal(await w.client.pointsTo(w.ref(), digestOf(manifest), job), false);
  assert.equal(await w.client.pointsTo(w.ref(), digestOf(manifest), job), false);
  await assert.rejects(w.client.pointsTo(w.ref(), digestOf(manifest), job), hasCode('REGISTRY_DENIED'));
  assert.deepEqual(w.server.faults(), []);
});

test('bearer tokens: fetched once for the scope, renewed when refused, and not asked for forever', async () => {
  const challenge = (address: string): Record<string, string> => ({
    'www-authenticate': `Bearer realm="http://${address}/token",service="reg",scope="repository:a:pull"`,
  });
  const token = '/token?service=reg&scope=repository%3Aa%3Apull';
  await using w = await wire([]);
  w.server.add(
    { expect: 'HEAD /v2/a/manifests/1', with: { authorization: undefined }, status: 401, headers: challenge(w.server.address) },
    { expect: `GET ${token}`, with: { authorization: undefined }, body: '{"token":"T1","expires_in":3600}' },
    { expect: 'HEAD /v2/a/manifests/1', with: { authorization: 'Bearer T1' }, headers: { ...asManifest, 'content-length': '9' } },
    { expect: 'HEAD /v2/a/manifests/1', with: { authorization: 'Bearer T1' }, headers: { ...asManifest, 'content-length': '9' } },
    { expect: 'HEAD /v2/a/manifests/1', with: { authorization: 'Bearer T1' }, status: 401, headers: challenge(w.server.address) },
    { expect: `GET ${token}`, body: '{"access_token":"T2"}' },
    { expect: 'HEAD /v2/a/manifests/1', with: { authorization: 'Bearer T2' }, status: 401, headers: challenge(w.server.address) },
    { expect: `GET ${token}`, body: '{"token":"T2"}' },
  );
  assert.equal((await w.client.head(w.ref(), job)).size, 9);
  assert.equal((await w.client.head(w.ref(), job)).size, 9);
  await assert.rejects(w.client.head(w.ref(), job), hasCode('REGISTRY_UNAUTHORIZED', /slipway login 127/));
  assert.deepEqual(w.server.faults(), []);
});

test('identity tokens are traded for bearer tokens by POST', async () => {
  await using w = await wire([]);
  const { address } = w.server;
  using client = openRegistry({
    registries: { [address]: { http: true } },
    dockerConfig: { auths: { [address]: { identitytoken: 'ID' } } },
  });
  w.server.add(
    {
      expect: 'HEAD /v2/a/manifests/1',
      status: 401,
      headers: { 'www-authenticate': `Bearer realm="http://${address}/token",service="s"` },
    },
    { expect: 'POST /token', body: '{"access_token":"T"}' },
    { expect: 'HEAD /v2/a/manifests/1', with: { authorization: 'Bearer T' }, headers: { ...asManifest, 'content-length': '9' } },
  );
  await client.head(w.ref(), job);
  const form = new URLSearchParams(String(w.server.bodies[1]));
  assert.equal(form.get('grant_type'), 'refresh_token');
  assert.equal(form.get('refresh_token'), 'ID');
  assert.equal(form.get('scope'), 'repository:a:pull');
});

test('credentials stay with their host when a blob is redirected', async () => {
  await using storage = await startScriptedServer([{ expect: 'GET /store?sig=1', with: { authorization: undefined }, body: layer }]);
  await using w = await wire([]);
  const { address } = w.server;
  const auth = Buffer.from('u:p').toString('base64');
  using client = openRegistry({ registries: { [address]: { http: true } }, dockerConfig: { auths: { [address]: { auth } } } });
  w.server.add(
    { expect: `GET ${BLOB}`, status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } },
    {
      expect: `GET ${BLOB}`,
      with: { authorization: `Basic ${auth}` },
      status: 307,
      headers: { location: `http://${storage.address}/store?sig=1` },
    },
  );
  assert.deepEqual(await drain(client.openBlob(w.ref(), blob, job)), layer);
  assert.deepEqual([...w.server.faults(), ...storage.faults()], []);
});

test('redirects end: loops and strange schemes are faults', async () => {
  const again = { expect: `GET ${BLOB}`, status: 302, headers: { location: BLOB } };
  await using loop = await wire(Array.from({ length: 11 }, () => again));
  await assert.rejects(drain(loop.client.openBlob(loop.ref(), blob, job)), hasCode('REGISTRY_PROTOCOL', /redirects/));
  await using odd = await wire([{ ...again, headers: { location: 'file:///etc/passwd' } }]);
  await assert.rejects(drain(odd.client.openBlob(odd.ref(), blob, job)), hasCode('REGISTRY_PROTOCOL', /file:/));
});

test('429 and 5xx are tried again, as late as the server asks; other refusals are not', async () => {
  const ok = { expect: 'HEAD /v2/a/manifests/1', headers: { ...asManifest, 'content-length': '9' } };
  await using w = await wire([
    { ...ok, status: 429, headers: { 'retry-after': '3' } },
    { ...ok, status: 503, headers: {} },
    ok,
    { ...ok, status: 429, headers: { 'retry-after': '7200' } },
    { ...ok, status: 403, headers: {} },
  ]);
  await w.client.head(w.ref(), job);
  assert.deepEqual(w.waits, [3000, 500]);
  await assert.rejects(w.client.head(w.ref(), job), hasCode('REGISTRY_RATE_LIMITED'));
  await assert.rejects(w.client.head(w.ref(), job), hasCode('REGISTRY_DENIED'));
  assert.deepEqual(w.server.faults(), []);
});

test('mirrors are asked first, and left for the registry when they fail or lie', async () => {
  await using mirror = await startScriptedServer([]);
  await using w = await wire([]);
  const { address } = w.server;
  using client = openRegistry({
    retries: 0,
    registries: { [address]: { http: true, mirrors: [`http://${mirror.address}/cache`] } },
  });
  const ns = `?ns=${encodeURIComponent(address)}`;
  mirror.add(
    { expect: `GET /v2/cache/a/manifests/1${ns}`, headers: asManifest, body: Buffer.from(manifest) },
    { expect: `GET /v2/cache/a/manifests/1${ns}`, status: 500 },
    { expect: `GET /v2/cache/a/blobs/${blob.digest}${ns}`, status: 404 },
    { expect: `GET /v2/cache/a/manifests/1${ns}`, status: 404 },
  );
  w.server.add(
    { expect: 'GET /v2/a/manifests/1', headers: asManifest, body: Buffer.from(manifest) },
    { expect: `GET ${BLOB}`, body: layer },
    { expect: 'GET /v2/a/manifests/1', status: 404 },
  );
  await client.manifest(w.ref(), job);
  await client.manifest(w.ref(), job);
  assert.deepEqual(await drain(client.openBlob(w.ref(), blob, job)), layer);
  await assert.rejects(client.manifest(w.ref(), job), hasCode('MANIFEST_UNKNOWN', /mirror 127/));
  assert.deepEqual([...w.server.faults(), ...mirror.faults()], []);
});

test('an upload that breaks goes on from where the registry got to', async () => {
  const big = Buffer.alloc(300_000, 7);
  const source = bytesBlob(OCI.layer, big);
  const digest = encodeURIComponent(source.descriptor.digest);
  const head = { expect: `HEAD /v2/a/blobs/${source.descriptor.digest}`, status: 404 };
  await using w = await wire([
    head,
    { expect: 'POST /v2/a/blobs/uploads/', status: 202, headers: { location: '/v2/a/blobs/uploads/1?s=x' } },
    { expect: `PUT /v2/a/blobs/uploads/1?s=x&digest=${digest}`, cutRequestAfter: 100_000 },
    head,
    { expect: 'GET /v2/a/blobs/uploads/1?s=x', status: 204, headers: { range: '0-99999' } },
    {
      expect: 'PATCH /v2/a/blobs/uploads/1?s=x',
      with: { 'content-range': '100000-299999' },
      status: 202,
      headers: { location: '/v2/a/blobs/uploads/1?s=y' },
    },
    { expect: `PUT /v2/a/blobs/uploads/1?s=y&digest=${digest}`, with: { 'content-length': '0' }, status: 201 },
  ]);
  await w.client.push({ reference: w.ref(), blobs: [source], manifests: [] }, job);
  assert.deepEqual(w.server.faults(), []);
  assert.equal(w.server.bodies.find((body) => body.length > 1000)?.length, 200_000);
});

test('a blob is mounted from a sibling, and uploaded when that is refused', async () => {
  const source = { ...bytesBlob(OCI.layer, layer), descriptor: blob };
  const digest = encodeURIComponent(blob.digest);
  await using w = await wire([]);
  const from = [`${w.server.address}/base`, 'other.io/base'];
  const head = { expect: `HEAD ${BLOB}`, status: 404 };
  const mount = { expect: `POST /v2/a/blobs/uploads/?mount=${digest}&from=base` };
  w.server.add(
    head,
    { ...mount, status: 201 },
    head,
    { ...mount, status: 403 },
    { expect: 'POST /v2/a/blobs/uploads/', status: 202, headers: { location: `http://${w.server.address}/up` } },
    { expect: `PUT /up?digest=${digest}`, status: 201 },
  );
  const outcomes: unknown[] = [];
  const push = { reference: w.ref(), blobs: [{ ...source, mountFrom: from }], manifests: [] };
  await w.client.push({ ...push, onProgress: ({ outcome }) => outcome !== undefined && outcomes.push(outcome) }, job);
  await w.client.push({ ...push, onProgress: ({ outcome }) => outcome !== undefined && outcomes.push(outcome) }, job);
  assert.deepEqual(outcomes, ['mounted', 'uploaded']);
  assert.deepEqual(w.server.faults(), []);
});

test('a registry spoken to in plain http is reached through the proxy for http', async () => {
  await using w = await wire([]);
  const login = Buffer.from('u:p').toString('base64');
  w.server.add({
    expect: 'HEAD http://registry.test/v2/a/manifests/1',
    with: { host: 'registry.test', 'proxy-authorization': `Basic ${login}` },
    headers: { ...asManifest, 'content-length': '9' },
  });
  using client = openRegistry({ proxies: { http: `http://u:p@${w.server.address}` }, registries: { 'registry.test': { http: true } } });
  await client.head(parseReference('registry.test/a:1'), job);
  assert.deepEqual(w.server.faults(), []);
});

test('a registry that cannot be reached says so, and a cancelled request ends with the reason', async () => {
  using client = openRegistry({ retries: 0 });
  await assert.rejects(
    client.manifest(parseReference('127.0.0.1:1/a:1'), job),
    hasCode('REGISTRY_UNREACHABLE', /refused.*is a registry running/),
  );
  const reason = new Error('stopped');
  const controller = new AbortController();
  await using w = await wire([]);
  controller.abort(reason);
  await assert.rejects(w.client.manifest(w.ref(), quietJob(controller.signal)), (error) => error === reason);
});
