import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { execFileSync } from 'node:child_process';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestHex, digestOf, isSlipwayError, quietJob } from '../base/index.ts';
import { type Manifest, OCI, parseReference, serializeImageConfig, serializeIndex, serializeManifest } from '../oci/index.ts';
import { bytesBlob, fileBlob, login, logout, openRegistry, type PushBlob, type PushManifest } from './index.ts';
import { selfSigned } from '../../test/rig/certificates.ts';
import { startRealRegistry, TEST_LOGIN } from '../../test/rig/real-registry.ts';

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
