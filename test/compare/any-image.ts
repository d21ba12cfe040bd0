// A registry that has every image: whatever is asked for is one small image for linux/amd64. For Dockerfiles whose bases are out of reach.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface AnyImageRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
}

export async function startAnyImageRegistry(): Promise<AnyImageRegistry> {
  const { manifest, blobs } = image();
  const server = createServer((request, response) => {
    const [, kind, reference = ''] = /^\/v2\/.+\/(manifests|blobs)\/(.+)$/.exec((request.url ?? '').replace(/\?.*/, '')) ?? [];
    if (kind === undefined) {
      response.writeHead(request.url === '/v2/' ? 200 : 404).end();
      return;
    }
    const digest = kind === 'manifests' && !reference.startsWith('sha256:') ? manifest.digest : reference;
    const body = blobs.get(digest);
    if (body === undefined) {
      response.writeHead(404).end();
      return;
    }
    const type = digest === manifest.digest ? manifest.mediaType : 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'content-length': body.length, 'docker-content-digest': digest });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An image with one empty layer, and all its blobs by digest. */
function image(): { readonly manifest: { readonly digest: string; readonly mediaType: string }; readonly blobs: Map<string, Buffer> } {
  const blobs = new Map<string, Buffer>();
  const add = (mediaType: string, body: Buffer): { mediaType: string; digest: string; size: number } => {
    const digest = digestOf(body);
    blobs.set(digest, body);
    return { mediaType, digest, size: body.length };
  };
  const tar = Buffer.alloc(1024);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: add('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(config))),
    layers: [add('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar))],
  };
  return { manifest: add(mediaType, Buffer.from(JSON.stringify(manifest))), blobs };
}

function digestOf(body: Buffer): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
