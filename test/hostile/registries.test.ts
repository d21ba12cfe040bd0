// Hostile registries: servers that lie, dawdle, redirect, and ask for more than they should get.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Digest, digestOf, isSlipwayError, quietJob, SlipwayError } from '../../src/base/index.ts';
import { type Descriptor, OCI, parseReference, type Reference, serializeManifest } from '../../src/oci/index.ts';
import { bytesBlob, openRegistry, type RegistryClient, type RegistryConfig } from '../../src/registry/index.ts';
import { selfSigned } from '../rig/certificates.ts';
import { hostile } from './arena.ts';

const job = quietJob();
const blobBytes = Buffer.from('0123456789'.repeat(1000));
const blob: Descriptor = { mediaType: OCI.layerGzip, digest: digestOf(blobBytes), size: blobBytes.length };
const manifest = Buffer.from(
  serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config: { ...blob, mediaType: OCI.config }, layers: [blob] }),
);
const LOGIN = Buffer.from('user:PASSWORD').toString('base64');

interface Served extends AsyncDisposable {
  readonly address: string;
  /** What was asked, with its Authorization. */
  readonly asked: string[];
  /** Makes it a proxy. */
  onConnect(listener: (socket: Duplex) => void): void;
}

async function serve(listener: RequestListener): Promise<Served> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''} ${request.headers.authorization ?? ''}`.trim());
    request.resume();
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    onConnect: (listener) => void server.on('connect', (_, socket) => listener(socket)),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A client with a login for `address`; waits are not waited for. */
function clientOf(address: string, config: RegistryConfig = {}): RegistryClient {
  return openRegistry({
    retries: 1,
    delay: () => Promise.resolve(),
    registries: { [address]: { http: true } },
    dockerConfig: { auths: { [address]: { auth: LOGIN } } },
    ...config,
  });
}

const refOf = (address: string, rest = '/a:1'): Reference => parseReference(`${address}${rest}`);

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of bytes) size += chunk.length;
  return size;
}

async function refusal(work: Promise<unknown>, ...codes: readonly string[]): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof SlipwayError, String(error));
    assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
    assert.doesNotMatch(`${error.message} ${error.hint ?? ''} ${JSON.stringify(error.facts)}`, /PASSWORD|dXNlcjpQQVNTV09SRA/);
    return true;
  });
}

/** Asks for the manifest and then the blob of a server. */
async function refused(
  listener: RequestListener,
  what: 'manifest' | 'blob',
  codes: readonly string[],
  config: RegistryConfig = {},
): Promise<void> {
  await using server = await serve(listener);
  using client = clientOf(server.address, config);
  const reference = refOf(server.address);
  await refusal(what === 'manifest' ? client.manifest(reference, job) : drain(client.openBlob(reference, blob, job)), ...codes);
}

const asManifest = (response: ServerResponse, bytes: Uint8Array, more: Record<string, string> = {}): void =>
  void response.writeHead(200, { 'content-type': OCI.manifest, ...more }).end(bytes);

hostile([
  {
    like: 'CVE-2018-1000007, CVE-2022-27774 (curl)',
    what: 'a redirect of a manifest or a blob to another host: the login stays behind',
    run: async () => {
      await using other = await serve((request, response) =>
        request.url?.includes('blobs') === true ? response.end(blobBytes) : asManifest(response, manifest),
      );
      await using first = await serve((request, response) =>
        request.headers.authorization === undefined
          ? response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
          : response.writeHead(307, { location: `http://${other.address}${request.url ?? ''}` }).end(),
      );
      using client = clientOf(first.address);
      await client.manifest(refOf(first.address), job);
      assert.equal(await drain(client.openBlob(refOf(first.address), blob, job)), blob.size);
      assert.ok(first.asked.some((line) => line.includes(LOGIN)));
      assert.ok(other.asked.length >= 2 && other.asked.every((line) => !line.includes('Basic')), other.asked.join('\n'));
    },
  },
  {
    like: 'CVE-2020-15157 (containerd, “ContainerDrip”)',
    what: 'a redirect to a host that asks for a login itself: it gets none, nor does its token server',
    run: async () => {
      await using tokens = await serve((_, response) => response.end('{"token":"T"}'));
      await using other = await serve((_, response) =>
        response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${tokens.address}/t",service="s"` }).end(),
      );
      await using first = await serve((request, response) =>
        response.writeHead(307, { location: `http://${other.address}${request.url ?? ''}` }).end(),
      );
      using client = clientOf(first.address);
      await refusal(drain(client.openBlob(refOf(first.address), blob, job)), 'REGISTRY_UNAUTHORIZED', 'BLOB_UNKNOWN');
      assert.deepEqual(tokens.asked, []);
      assert.ok(other.asked.every((line) => !line.includes('Basic')));
    },
  },
  {
    like: 'CVE-2021-41092 (Docker CLI)',
    what: 'a login for one registry is not shown to another, whatever its name begins with',
    run: async () => {
      await using server = await serve((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end());
      const auths = Object.fromEntries(
        [
          '127.0.0.1',
          `${server.address}.evil.example`,
          `evil.example/${server.address}`,
          'docker.io',
          `127.0.0.1:${server.address.slice(-1)}`,
        ].map((host) => [host, { auth: LOGIN }]),
      );
      using client = clientOf(server.address, { dockerConfig: { auths } });
      await refusal(client.manifest(refOf(server.address), job), 'REGISTRY_UNAUTHORIZED');
      assert.ok(
        server.asked.every((line) => !line.includes('Basic')),
        server.asked.join('\n'),
      );
    },
  },
  {
    like: 'CVE-2025-24882 (regclient)',
    what: 'a manifest by digest that is another one, and a header that vouches for it',
    run: async () => {
      const wanted = digestOf('pinned');
      await using server = await serve((_, response) => asManifest(response, manifest, { 'docker-content-digest': wanted }));
      using client = clientOf(server.address);
      await refusal(client.manifest({ ...refOf(server.address), digest: wanted }, job), 'MANIFEST_DIGEST_MISMATCH');
      await refusal(client.manifest(refOf(server.address), job), 'MANIFEST_DIGEST_MISMATCH');
    },
  },
  {
    like: 'CVE-2017-11468 (distribution), CVE-2020-1702 (containers/image), CVE-2023-25153 (containerd)',
    what: 'a manifest without end',
    run: () =>
      refused(
        (_, response) => {
          response.writeHead(200, { 'content-type': OCI.manifest });
          const timer = setInterval(() => response.write(Buffer.alloc(1 << 18, 0x20)), 1);
          response.on('close', () => clearInterval(timer));
        },
        'manifest',
        ['REGISTRY_PROTOCOL', 'BLOB_TOO_LARGE'],
      ),
  },
  {
    like: 'CVE-2017-14992 (Docker), a blob without end',
    what: 'a blob that goes on after its size',
    run: () =>
      refused(
        (_, response) => {
          response.writeHead(200, {});
          const timer = setInterval(() => response.write(blobBytes), 1);
          response.on('close', () => clearInterval(timer));
        },
        'blob',
        ['BLOB_SIZE_MISMATCH'],
      ),
  },
  {
    like: 'CVE-2007-6750 (“Slowloris”)',
    what: 'a server that says nothing, and one that stops in the middle',
    run: async () => {
      await refused(() => {}, 'manifest', ['REGISTRY_UNREACHABLE'], { idleMs: 200 });
      await refused(
        (_, response) => void response.writeHead(200, { 'content-length': String(blob.size) }).write(blobBytes.subarray(0, 100)),
        'blob',
        ['BLOB_TRUNCATED', 'REGISTRY_UNREACHABLE'],
        { idleMs: 200 },
      );
    },
  },
  {
    like: 'CVE-2021-21285 (Docker), lengths that lie',
    what: 'Content-Length and Content-Range that are not what comes',
    run: async () => {
      const cut = (response: ServerResponse): void =>
        void response
          .writeHead(200, { 'content-length': String(blob.size) })
          .write(blobBytes.subarray(0, 500), () => response.socket?.destroySoon());
      const ranges = [
        'bytes 0-9999/10000',
        'bytes 400-9999/10000',
        'bytes 500-9999/5',
        'bytes */10000',
        'x',
        `bytes 500-${'9'.repeat(30)}/*`,
      ];
      for (const range of ranges) {
        await refused(
          (request, response) =>
            request.headers.range === undefined
              ? cut(response)
              : void response.writeHead(206, { 'content-range': range }).end(Buffer.alloc(blob.size - 500)),
          'blob',
          ['BLOB_DIGEST_MISMATCH', 'BLOB_TRUNCATED', 'REGISTRY_PROTOCOL', 'REGISTRY_UNREACHABLE', 'BLOB_SIZE_MISMATCH'],
        );
      }
    },
  },
  {
    like: 'CVE-2024-3727 (containers/image)',
    what: 'digests, tags and repositories that are paths',
    run: () => {
      const names = [
        '../x',
        'a/../../b',
        '127.0.0.1:5000/..',
        'host/a:..',
        'host/a:../x',
        'host/%2e%2e/x',
        'host/a@sha256:../../x',
        'host/a b',
        'host/a\nb',
        'host/a\0',
        '-oX/a',
        'host//a',
        `host/${'a/'.repeat(200)}b`,
        'host/A',
        'host:99999999/a:',
        '[::1/a',
        'file:///etc/passwd',
        'host/a?x=1',
        'host/a#b',
      ];
      for (const name of names)
        assert.throws(
          () => parseReference(name),
          (error) => isSlipwayError(error, 'REFERENCE_INVALID'),
          name,
        );
    },
  },
  {
    like: 'CVE-2022-31150 (undici), header injection',
    what: 'tokens and challenges with line breaks, quotes and a megabyte of parameters',
    run: async () => {
      await using tokens = await serve((request, response) =>
        response.end(request.url?.includes('long') === true ? 'x'.repeat(10 << 20) : '{"token":"a\\r\\nX-Evil: 1"}'),
      );
      for (const challenge of [
        `Bearer realm="http://${tokens.address}/t"`,
        `Bearer realm="http://${tokens.address}/long"`,
        'Bearer realm="file:///etc/passwd"',
        'Bearer realm="//"',
        'Bearer realm="http://[::1"',
        `Basic ${'a="b\\"", '.repeat(1000)}`,
        `Bearer ${'"'.repeat(5000)}`,
        ',,,, ,',
      ]) {
        await refused((_, response) => response.writeHead(401, { 'www-authenticate': challenge }).end(), 'manifest', [
          'REGISTRY_PROTOCOL',
          'REGISTRY_UNAUTHORIZED',
        ]);
      }
    },
  },
  {
    like: 'CVE-2023-44487 (HTTP/2 rapid reset), refusals without end',
    what: '401, 429 and 503 for ever, and a Retry-After of years',
    run: async () => {
      await refused((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(), 'manifest', [
        'REGISTRY_UNAUTHORIZED',
      ]);
      await refused((_, response) => response.writeHead(429, { 'retry-after': '999999999' }).end(), 'manifest', ['REGISTRY_RATE_LIMITED']);
      await refused((_, response) => response.writeHead(503, { 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }).end(), 'manifest', [
        'REGISTRY_REFUSED',
        'REGISTRY_UNREACHABLE',
        'REGISTRY_RATE_LIMITED',
      ]);
    },
  },
  {
    like: 'CVE-2019-15605 (Node)',
    what: 'answers that are no HTTP, or have headers of megabytes',
    run: async () => {
      await refused((request: IncomingMessage) => void request.socket.end('garbage\r\n\r\n'), 'manifest', [
        'REGISTRY_UNREACHABLE',
        'REGISTRY_PROTOCOL',
      ]);
      await refused(
        (request: IncomingMessage) => void request.socket.end(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(1 << 20)}\r\n\r\n`),
        'manifest',
        ['REGISTRY_UNREACHABLE', 'REGISTRY_PROTOCOL'],
      );
    },
  },
  {
    like: 'CVE-2026-48978 (oras-go), CVE-2019-10214 (containers/image)',
    what: 'a token server without TLS, and one that only this machine can reach, of a registry with TLS elsewhere',
    run: async (arena) => {
      const { cert, key } = selfSigned(arena.folder(), 'registry', ['registry.test']);
      await using tokens = await serve((_, response) => response.end('{"token":"T"}'));
      for (const [realm, code] of [
        ['http://tokens.test/t', 'REGISTRY_AUTH_INSECURE'],
        [`http://${tokens.address}/t`, 'REGISTRY_PROTOCOL'],
        [`https://${tokens.address}/t`, 'REGISTRY_PROTOCOL'],
        ['https://169.254.169.254/latest', 'REGISTRY_PROTOCOL'],
        ['https://[fe80::1]/t', 'REGISTRY_PROTOCOL'],
        ['https://[::1]/t', 'REGISTRY_PROTOCOL'],
        ['https://[::ffff:127.0.0.1]/t', 'REGISTRY_PROTOCOL'],
        ['https://0/t', 'REGISTRY_PROTOCOL'],
      ] as const) {
        const registry = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
          request.resume();
          response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="s"` }).end();
        });
        await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
        const { port } = registry.address() as AddressInfo;
        // A proxy makes the name mean this server.
        await using proxy = await serve((_, response) => response.end());
        proxy.onConnect((socket) => {
          const upstream = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
          upstream.on('error', () => socket.destroy()).pipe(socket);
          socket.on('error', () => upstream.destroy()).pipe(upstream);
        });
        try {
          using client = clientOf('registry.test', {
            registries: { 'registry.test': { ca: [cert] } },
            proxies: { https: `http://${proxy.address}`, http: `http://${proxy.address}` },
          });
          await refusal(client.manifest(refOf('registry.test'), job), code);
        } finally {
          registry.closeAllConnections();
          registry.close();
        }
        assert.deepEqual([...tokens.asked, ...proxy.asked], [], realm);
      }
    },
  },
  {
    like: 'CVE-2022-0155 (follow-redirects), CVE-2026-50151 (oras-go)',
    what: 'an upload address on another host: the login does not go there',
    run: async () => {
      await using other = await serve((_, response) => response.writeHead(201).end());
      await using first = await serve((request, response) => {
        if (request.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        else if (request.method === 'HEAD') response.writeHead(404).end();
        else response.writeHead(202, { location: `http://${other.address}/up?s=1` }).end();
      });
      using client = clientOf(first.address);
      await client.push({ reference: refOf(first.address), blobs: [bytesBlob(OCI.layer, blobBytes)], manifests: [] }, job);
      assert.ok(other.asked.length > 0 && other.asked.every((line) => !line.includes('Basic')), other.asked.join('\n'));
    },
  },
  {
    like: 'CVE-2014-5277 (Docker), downgrade to http',
    what: 'no fall back from https to http for a registry that is not on loopback',
    run: async () => {
      await using server = await serve((_, response) => asManifest(response, manifest));
      const { port } = new URL(`http://${server.address}`);
      using client = clientOf(server.address, { proxies: { http: `http://${server.address}`, https: `http://${server.address}` } });
      await refusal(client.manifest(refOf(`registry.example:${port}`), job), 'REGISTRY_UNREACHABLE', 'REGISTRY_TLS', 'REGISTRY_PROTOCOL');
      assert.ok(
        server.asked.every((line) => !line.startsWith('GET http://')),
        server.asked.join('\n'),
      );
    },
  },
  {
    like: 'CVE-2021-25743 (kubectl), words of a registry',
    what: 'an error whose message has escape sequences and a megabyte',
    run: async () => {
      const body = JSON.stringify({ errors: [{ code: 'DENIED', message: `\u001b[2J\u001b]0;x\u0007${'m'.repeat(1 << 20)}` }] });
      await using server = await serve((_, response) => response.writeHead(403).end(body));
      using client = clientOf(server.address);
      await assert.rejects(client.manifest(refOf(server.address), job), (error) => {
        assert.ok(isSlipwayError(error));
        assert.ok(error.message.length < 5000, String(error.message.length));
        assert.doesNotMatch(`${error.message}${error.hint ?? ''}`, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        return true;
      });
    },
  },
  {
    like: 'CVE-2022-35929 (cosign), lists of referrers',
    what: 'a list of referrers that is a manifest, a page, or a hundred thousand long',
    run: async () => {
      const digest: Digest = digestOf(manifest);
      const list = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: OCI.index, manifests: Array.from({ length: 100_000 }, () => blob) }),
      );
      for (const bytes of [list, manifest, Buffer.from('<html>'), Buffer.from('{"manifests":{}}')]) {
        await using server = await serve((request, response) =>
          request.url?.includes('referrers') === true
            ? response.writeHead(200, { 'content-type': OCI.index }).end(bytes)
            : response.writeHead(404).end(),
        );
        using client = clientOf(server.address);
        await refusal(
          client.referrers({ ...refOf(server.address), digest }, job),
          'REGISTRY_PROTOCOL',
          'OCI_DOCUMENT_INVALID',
          'OCI_DOCUMENT_AMBIGUOUS',
        );
      }
    },
  },
]);
