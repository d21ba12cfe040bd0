import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { execFileSync } from 'node:child_process';
import { connect, createServer as createNetServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestHex, digestOf, isSlipwayError, quietJob } from '../base/index.ts';
import { type Manifest, OCI, parseReference, serializeImageConfig, serializeIndex, serializeManifest } from '../oci/index.ts';
import { bytesBlob, fileBlob, login, logout, openRegistry, type PushBlob, type PushManifest, type RegistryConfig } from './index.ts';
import { type BadWeather, startBadWeather, type Trouble } from '../../test/rig/bad-weather.ts';
import { selfSigned } from '../../test/rig/certificates.ts';
import { type RealRegistry, startRealRegistry, TEST_LOGIN } from '../../test/rig/real-registry.ts';

const job = quietJob();
const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM = { os: 'linux', architecture: 'arm', variant: 'v7' };

interface TestImage {
  readonly blobs: readonly PushBlob[];
  readonly manifests: readonly PushManifest[];
  readonly layer: PushBlob;
}

/** An index of two platforms with one layer each, and that layer. */
function testImage(layer: PushBlob = bytesBlob(OCI.layer, randomBytes(200_000))): TestImage {
  const built = [AMD64, ARM].map((platform) => {
    const config = bytesBlob(OCI.config, serializeImageConfig({ ...platform, rootfs: { type: 'layers', diff_ids: [] } }));
    const manifest: Manifest = { schemaVersion: 2, mediaType: OCI.manifest, config: config.descriptor, layers: [layer.descriptor] };
    return { config, bytes: serializeManifest(manifest), platform };
  });
  const manifests = built.map(({ bytes }) => ({ mediaType: OCI.manifest, bytes, digest: digestOf(bytes) }));
  const index = serializeIndex({
    schemaVersion: 2,
    mediaType: OCI.index,
    manifests: built.map(({ bytes, platform }) => ({ mediaType: OCI.manifest, digest: digestOf(bytes), size: bytes.length, platform })),
  });
  return {
    blobs: [layer, ...built.map(({ config }) => config)],
    manifests: [...manifests, { mediaType: OCI.index, bytes: index, digest: digestOf(index) }],
    layer,
  };
}

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('push, resolve, pull, mount and damage with a real registry', async () => {
  await using registry = await startRealRegistry();
  using client = openRegistry({ retries: 0 });
  const reference = parseReference(`${registry.address}/team/app:1`);
  const image = testImage();
  const outcomes: Record<string, number> = {};
  const count = (outcome: string | undefined): void => {
    if (outcome !== undefined) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  await client.push({ reference, ...image, onProgress: (event) => count(event.outcome) }, job);
  await client.push({ reference, ...image, onProgress: (event) => count(event.outcome) }, job);
  assert.deepEqual(outcomes, { uploaded: 3, exists: 3 });

  const index = image.manifests.at(-1);
  assert.equal((await client.head(reference, job)).digest, index?.digest);
  assert.deepEqual((await client.resolve(reference, { ...AMD64, variant: 'v2' }, job)).image.descriptor.platform, AMD64);
  const arm = await client.resolve(reference, ARM, job);
  assert.equal(arm.root.descriptor.digest, index?.digest);
  assert.deepEqual(arm.image.descriptor.platform, ARM);
  const { config } = await client.config(reference, arm.image.manifest.config, job);
  assert.equal(config.variant, 'v7');
  const [layer] = arm.image.manifest.layers;
  assert.ok(layer !== undefined);
  assert.equal(digestOf(await drain(client.openBlob(reference, layer, job))), layer.digest);
  assert.equal(await client.hasBlob(reference, { ...layer, digest: digestOf('nope') }, job), false);

  // The sibling gets the layer by mounting it.
  const sibling = parseReference(`${registry.address}/team/other:1`);
  const mountable = { ...image.layer, mountFrom: [`${registry.address}/team/app`] };
  const mounts: (string | undefined)[] = [];
  await client.push({ reference: sibling, blobs: [mountable], manifests: [], onProgress: (event) => mounts.push(event.outcome) }, job);
  assert.deepEqual(mounts, ['mounted']);

  // By digest only: no tag is made.
  const untagged = parseReference(`${registry.address}/team/untagged`);
  await client.push({ reference: untagged, ...image, byDigest: true }, job);
  await assert.rejects(client.manifest(untagged, job), (error) => isSlipwayError(error, 'MANIFEST_UNKNOWN'));
  assert.ok(index !== undefined);
  assert.equal((await client.manifest({ ...untagged, digest: index.digest }, job)).document.kind, 'index');

  const hex = digestHex(layer.digest);
  const stored = join(registry.folder, 'blobs/sha256', hex.slice(0, 2), hex, 'data');
  const bytes = readFileSync(stored);
  writeFileSync(stored, bytes.fill(0, 100, 200));
  await assert.rejects(drain(client.openBlob(reference, layer, job)), (error) => isSlipwayError(error, 'BLOB_DIGEST_MISMATCH'));
  truncateSync(stored, 1000);
  await assert.rejects(drain(client.openBlob(reference, layer, job)), (error) => isSlipwayError(error, 'BLOB_TRUNCATED'));
});

test('a blob goes up in pieces when asked to, and from a file', async () => {
  await using registry = await startRealRegistry();
  using client = openRegistry({ uploadChunk: 100_000 });
  const folder = mkdtempSync('/tmp/slipway-push-');
  const bytes = randomBytes(350_000);
  writeFileSync(join(folder, 'layer'), bytes);
  const layer = fileBlob({ mediaType: OCI.layer, digest: digestOf(bytes), size: bytes.length }, join(folder, 'layer'));
  const steps: number[] = [];
  const reference = parseReference(`${registry.address}/app:1`);
  await client.push({ reference, blobs: [layer], manifests: [], onProgress: ({ current }) => steps.push(current) }, job);
  assert.equal(steps.at(-1), 350_000);
  assert.deepEqual(await drain(client.openBlob(reference, layer.descriptor, job)), bytes);
  rmSync(folder, { recursive: true });
});

test('a registry with a login: refused without, welcome with, forgotten after', async () => {
  await using registry = await startRealRegistry({ auth: true });
  const folder = mkdtempSync('/tmp/slipway-login-');
  const configFile = join(folder, 'config.json');
  const reference = parseReference(`${registry.address}/app:1`);
  const image = testImage();
  {
    using client = openRegistry();
    await assert.rejects(client.push({ reference, ...image }, job), (error) => isSlipwayError(error, 'REGISTRY_UNAUTHORIZED'));
  }
  const attempt = { registry: registry.address, username: TEST_LOGIN.username, configFile };
  await assert.rejects(login({ ...attempt, password: 'wrong' }, {}, job), (error) => isSlipwayError(error, 'REGISTRY_UNAUTHORIZED'));
  assert.deepEqual(await login({ ...attempt, password: TEST_LOGIN.password }, {}, job), { keptIn: configFile });
  {
    using client = openRegistry({ dockerConfig: JSON.parse(readFileSync(configFile, 'utf8')) as object });
    await client.push({ reference, ...image }, job);
    assert.equal((await client.resolve(reference, AMD64, job)).image.document.kind, 'manifest');
  }
  assert.equal(await logout(registry.address, configFile, {}), true);
  assert.deepEqual(JSON.parse(readFileSync(configFile, 'utf8')), { auths: {} });
  rmSync(folder, { recursive: true });
});

test('TLS: a certificate of our own authority, by certs.d, by setting, or not at all; and a proxy in between', async () => {
  const folder = mkdtempSync('/tmp/slipway-tls-');
  const { cert, key } = selfSigned(folder, 'ca', ['localhost', 'registry.test', '127.0.0.1']);
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  const tunnels: string[] = [];
  const proxy = createServer().on('connect', (request, socket) => {
    tunnels.push(`${request.url ?? ''} ${request.headers['proxy-authorization'] ?? ''}`);
    const upstream = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    upstream.pipe(socket).pipe(upstream);
    socket.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const ping = async (config: Parameters<typeof openRegistry>[0], registry = host): Promise<void> => {
      using client = openRegistry({ retries: 0, certsDirs: [], ...config });
      await client.ping(registry, job);
    };
    await assert.rejects(ping({}), (error) => isSlipwayError(error, 'REGISTRY_TLS') && /ca\.crt/.test(error.hint ?? ''));
    await ping({ registries: { [host]: { ca: [cert] } } });
    await ping({ registries: { [host]: { insecure: true } } });
    await ping({ certificateFiles: [cert] });
    const certs = join(folder, 'certs.d');
    execFileSync('mkdir', ['-p', join(certs, host)]);
    execFileSync('cp', [cert, join(certs, host, 'ca.crt')]);
    await ping({ certsDirs: [certs] });
    await assert.rejects(ping({ registries: { [host]: { ca: [join(folder, 'none')] } } }), (error) =>
      isSlipwayError(error, 'REGISTRY_CONFIG_INVALID'),
    );
    const proxies = { https: `http://u:p@127.0.0.1:${(proxy.address() as AddressInfo).port}` };
    await ping({ proxies, certificateFiles: [cert] }, 'registry.test');
    assert.deepEqual(tunnels, [`registry.test:443 Basic ${Buffer.from('u:p').toString('base64')}`]);
  } finally {
    server.closeAllConnections();
    server.close();
    proxy.closeAllConnections();
    proxy.close();
    rmSync(folder, { recursive: true });
  }
});

/** Pushes a large and two small blobs and a manifest through the weather; resolves with what arrived, by somebody else's client. */
async function pushThrough(weather: BadWeather, registry: RealRegistry, config: RegistryConfig = {}): Promise<TestImage> {
  weather.told.length = 0;
  using client = openRegistry({ delay: () => Promise.resolve(), ...config });
  const image = testImage();
  const name = `weather/${digestHex(image.layer.descriptor.digest).slice(0, 12)}`;
  const layer = { ...image.layer, mountFrom: [`${weather.address}/weather/sibling`] };
  const blobs = [layer, ...image.blobs.slice(1)];
  await client.push({ reference: parseReference(`${weather.address}/${name}:1`), ...image, blobs }, job);
  const folder = mkdtempSync('/tmp/slipway-pushed-');
  try {
    const source = `docker://${registry.address}/${name}:1`;
    execFileSync('skopeo', ['copy', '--all', '--quiet', '--src-tls-verify=false', source, `dir:${folder}`]);
    const taken = readFileSync(join(folder, digestHex(image.layer.descriptor.digest)));
    assert.equal(digestOf(taken), image.layer.descriptor.digest);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return image;
}

/** Trouble at the first `times` requests that `aim` matches. */
function atFirst(aim: RegExp, times: number, trouble: Trouble, ...more: readonly (readonly [RegExp, Trouble])[]): BadWeather['trouble'] {
  let left = times;
  return ({ method, path }) => {
    const asked = `${method} ${path}`;
    if (aim.test(asked) && left-- > 0) return trouble;
    return more.find(([other]) => other.test(asked))?.[1];
  };
}

const status = (code: number, word: string): Trouble => ({
  kind: 'status',
  status: code,
  body: JSON.stringify({ errors: [{ code: word, message: 'bad weather' }] }),
});

test('an upload that the registry forgot, cannot go on with, or does not tell of is begun anew', async () => {
  await using registry = await startRealRegistry();
  await using weather = await startBadWeather(registry.address);
  const PUT = /^PUT .*\/blobs\/uploads/;
  const PATCH = /^PATCH /;
  const pieces = { uploadChunk: 50_000 };
  for (const [code, word] of [
    [404, 'BLOB_UPLOAD_UNKNOWN'],
    [416, 'RANGE_INVALID'],
    [400, 'BLOB_UPLOAD_INVALID'],
    [400, 'DIGEST_INVALID'],
  ] as const) {
    weather.trouble = atFirst(PUT, 1, status(code, word));
    await pushThrough(weather, registry);
    weather.trouble = atFirst(PUT, 1, status(code, word));
    await pushThrough(weather, registry, pieces);
    weather.trouble = atFirst(PATCH, 1, status(code, word));
    await pushThrough(weather, registry, pieces);
  }
  // A connection is cut, and how far the upload came is not for clients to ask.
  weather.trouble = atFirst(PUT, 1, { kind: 'cut-request', after: 1000 }, [/^GET .*\/uploads/, status(405, 'UNSUPPORTED')]);
  await pushThrough(weather, registry);
  weather.trouble = atFirst(PATCH, 1, { kind: 'cut-request', after: 1000 }, [/^GET .*\/uploads/, status(405, 'UNSUPPORTED')]);
  await pushThrough(weather, registry, pieces);
  // What is wrong with the bytes themselves is no better the third time.
  weather.trouble = atFirst(PUT, 100, status(400, 'DIGEST_INVALID'));
  await assert.rejects(pushThrough(weather, registry, { maxUploads: 1 }), (error) => isSlipwayError(error, 'REGISTRY_REFUSED'));
  assert.equal(weather.told.length, 2 * 3, weather.told.join('\n'));
});

test('uploads that break off, or are given up, leave no file open', async () => {
  await using registry = await startRealRegistry();
  await using weather = await startBadWeather(registry.address);
  const folder = mkdtempSync('/tmp/slipway-files-');
  try {
    const bytes = randomBytes(4_000_000);
    const path = join(folder, 'layer');
    writeFileSync(path, bytes);
    const blobs = [fileBlob({ mediaType: OCI.layer, digest: digestOf(bytes), size: bytes.length }, path)];
    const reference = parseReference(`${weather.address}/files/a:1`);
    weather.trouble = atFirst(/^PUT /, 1000, { kind: 'cut-request', after: 100_000 });
    using client = openRegistry({ delay: () => Promise.resolve() });
    await assert.rejects(client.push({ reference, blobs, manifests: [] }, job));
    const end = new AbortController();
    weather.trouble = ({ method }) => {
      if (method !== 'PUT') return undefined;
      setTimeout(() => end.abort(new Error('given up')), 50);
      return { kind: 'stall' };
    };
    await assert.rejects(client.push({ reference, blobs, manifests: [] }, quietJob(end.signal)), /given up/);
    const open = (): readonly string[] =>
      readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(join('/proc/self/fd', fd)) === path;
        } catch {
          return false; // the folder's own, closed meanwhile
        }
      });
    for (let round = 0; open().length > 0; round += 1) {
      assert.ok(round < 200, `${open().length} descriptors of the file are open`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a push goes on where mounting fails, and where the registry learns late of a blob', async () => {
  await using registry = await startRealRegistry();
  await using weather = await startBadWeather(registry.address);
  let mounts = 0;
  weather.trouble = ({ query }) => (query.includes('mount=') && (mounts += 1) > 0 ? status(500, 'UNKNOWN') : undefined);
  await pushThrough(weather, registry);
  assert.ok(mounts > 0);
  for (const code of [400, 404]) {
    weather.trouble = atFirst(/^PUT .*\/manifests\//, 2, status(code, 'MANIFEST_BLOB_UNKNOWN'));
    await pushThrough(weather, registry);
  }
});

test('a blob is read on where no range is given, and asked for anew where another host has it that fails', async () => {
  await using registry = await startRealRegistry();
  await using weather = await startBadWeather(registry.address);
  const { layer } = await pushThrough(weather, registry);
  const reference = parseReference(`${weather.address}/weather/${digestHex(layer.descriptor.digest).slice(0, 12)}:1`);
  const GET = /^GET .*\/blobs\//;
  const troubles: readonly BadWeather['trouble'][] = [
    ({ range }) => (range === undefined ? undefined : status(416, 'RANGE_INVALID')),
    atFirst(GET, 1, { kind: 'redirect', to: 'http://127.0.0.1:1/blob' }),
    atFirst(GET, 1, { kind: 'redirect', to: `http://${weather.address}/signed` }, [/signed/, status(403, 'AccessDenied')]),
  ];
  for (const [number, trouble] of troubles.entries()) {
    let cut = number > 0;
    weather.trouble = (asked) => {
      if (cut || !GET.test(`${asked.method} ${asked.path}`)) return trouble(asked);
      cut = true;
      return { kind: 'cut-answer', after: 100_000 };
    };
    using client = openRegistry({ delay: () => Promise.resolve() });
    assert.equal(digestOf(await drain(client.openBlob(reference, layer.descriptor, job))), layer.descriptor.digest);
  }
});

test('trouble that stays is told with the blob, the cause and the next step', async () => {
  await using registry = await startRealRegistry();
  await using weather = await startBadWeather(registry.address);
  const told = async (aim: RegExp, trouble: Trouble): Promise<string> => {
    weather.trouble = atFirst(aim, 1000, trouble);
    const failed: unknown = await pushThrough(weather, registry).catch((error: unknown) => error);
    assert.ok(isSlipwayError(failed));
    return `${failed.message}\n${failed.hint ?? ''}`;
  };
  const PUT = /^PUT .*\/blobs\//;
  assert.match(await told(PUT, status(500, 'UNKNOWN')), /answered 500 for the blob sha256:[0-9a-f]{64}: bad weather\n.*try again later/);
  assert.match(await told(PUT, { kind: 'cut-request', after: 1 }), /for the blob sha256:[0-9a-f]{64}: the connection was cut/);
  const limited: Trouble = { kind: 'status', status: 429, headers: { 'retry-after': '120' } };
  assert.match(await told(/^POST /, limited), /wait for 120 seconds/);
  assert.match(await told(/^PUT .*\/manifests/, status(404, 'MANIFEST_BLOB_UNKNOWN')), /push again/);
});

test('a registry that is started anew in between is waited for; one that never answered is not', async () => {
  await using registry = await startRealRegistry();
  const { layer, ...image } = testImage();
  const gate = createNetServer((socket) => {
    const behind = connect(Number(registry.address.split(':')[1]), '127.0.0.1');
    for (const [one, other] of [
      [socket, behind],
      [behind, socket],
    ] as const)
      one.on('error', () => other.destroy()).pipe(other);
    open.add(socket);
    if (away) return;
    // It goes away in the middle of the upload.
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes < layer.descriptor.size / 2) return;
      away = true;
      gate.close();
      for (const one of open) one.destroy();
    });
  });
  const open = new Set<Socket>();
  let away = false;
  const listen = (port: number): Promise<void> => new Promise((resolve) => gate.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = gate.address() as AddressInfo;
  let waits = 0;
  const delay = async (): Promise<void> => {
    waits += 1;
    if (waits > 2 && !gate.listening) await listen(port);
  };
  using client = openRegistry({ delay });
  await client.push({ reference: parseReference(`127.0.0.1:${port}/anew/a:1`), ...image }, job);
  assert.ok(waits > 2);
  gate.close();
  for (const one of open) one.destroy();
  using other = openRegistry({ delay: () => assert.fail('it waits') });
  await assert.rejects(other.manifest(parseReference(`127.0.0.1:${port}/anew/a:1`), job), (error) =>
    isSlipwayError(error, 'REGISTRY_UNREACHABLE'),
  );
});
