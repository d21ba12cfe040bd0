// Writes an image into a registry's own folder through its API: layer tars and a config are all it takes.

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import http from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const TYPE = 'application/vnd.oci.image.';

/** Compresses a layer tar once. @returns {Promise<{file: string, digest: string, size: number, diffId: string}>} */
export async function packLayer(tar) {
  const plain = createHash('sha256');
  const packed = createHash('sha256');
  const file = `${tar}.gz`;
  await pipeline(
    createReadStream(tar, { highWaterMark: 1 << 20 }),
    async function* (chunks) {
      for await (const chunk of chunks) {
        plain.update(chunk);
        yield chunk;
      }
    },
    createGzip({ level: 4 }),
    async function* (chunks) {
      for await (const chunk of chunks) {
        packed.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(file),
  );
  return { file, digest: `sha256:${packed.digest('hex')}`, size: statSync(file).size, diffId: `sha256:${plain.digest('hex')}` };
}

/** Pushes layers and a config as `name:tag`. `config` is the image config's `config` member. */
export async function pushImage(address, name, tag, layers, config, architecture = process.arch === 'arm64' ? 'arm64' : 'amd64') {
  const created = '2024-01-01T00:00:00Z';
  const document = Buffer.from(
    JSON.stringify({
      created,
      architecture,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(() => ({ created, created_by: 'assembled from Debian packages' })),
    }),
  );
  const configBlob = {
    mediaType: `${TYPE}config.v1+json`,
    digest: `sha256:${createHash('sha256').update(document).digest('hex')}`,
    size: document.length,
  };
  for (const layer of layers) await putBlob(address, name, layer.digest, layer.size, () => createReadStream(layer.file));
  await putBlob(address, name, configBlob.digest, configBlob.size, () => document);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${TYPE}manifest.v1+json`,
      config: configBlob,
      layers: layers.map(({ digest, size }) => ({ mediaType: `${TYPE}layer.v1.tar+gzip`, digest, size })),
    }),
  );
  await request(
    address,
    'PUT',
    `/v2/${name}/manifests/${tag}`,
    { 'content-type': `${TYPE}manifest.v1+json`, 'content-length': manifest.length },
    manifest,
    [201],
  );
  return {
    mediaType: `${TYPE}manifest.v1+json`,
    digest: `sha256:${createHash('sha256').update(manifest).digest('hex')}`,
    size: manifest.length,
    platform: { os: 'linux', architecture },
  };
}

/** Pushes an image index over manifests that are there already. */
export async function pushIndex(address, name, tag, manifests) {
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: `${TYPE}index.v1+json`, manifests }));
  await request(
    address,
    'PUT',
    `/v2/${name}/manifests/${tag}`,
    { 'content-type': `${TYPE}index.v1+json`, 'content-length': index.length },
    index,
    [201],
  );
}

async function putBlob(address, name, digest, size, open) {
  const { status } = await request(address, 'HEAD', `/v2/${name}/blobs/${digest}`, {}, undefined, [200, 404]);
  if (status === 200) return;
  const { headers } = await request(address, 'POST', `/v2/${name}/blobs/uploads/`, { 'content-length': 0 }, undefined, [202]);
  const target = new URL(headers.location, `http://${address}`);
  target.searchParams.set('digest', digest);
  await request(
    address,
    'PUT',
    target.pathname + target.search,
    { 'content-type': 'application/octet-stream', 'content-length': size },
    open(),
    [201],
  );
}

function request(address, method, path, headers, body, expected) {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const sent = http.request({ host, port, method, path, headers, agent: false }, (response) => {
      const chunks = [];
      response
        .on('data', (chunk) => chunks.push(chunk))
        .on('end', () => {
          if (expected.includes(response.statusCode)) resolve({ status: response.statusCode, headers: response.headers });
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${Buffer.concat(chunks).toString('utf8').slice(0, 500)}`));
        });
    });
    sent.once('error', reject);
    if (body === undefined || Buffer.isBuffer(body)) sent.end(body);
    else body.pipe(sent);
  });
}
