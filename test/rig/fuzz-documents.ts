// Documents of images, and a registry's answers, made of odd pieces: whatever comes is read or refused by name.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { digestOf, quietJob, SlipwayError } from '../../src/base/index.ts';
import {
  type Descriptor,
  OCI,
  parseImageConfig,
  parseLayoutIndex,
  parseManifestDocument,
  parsePlatform,
  parseReference,
  selectPlatform,
  serializeImageConfig,
  serializeIndex,
  serializeManifest,
} from '../../src/oci/index.ts';
import { openRegistry, type RegistryClient } from '../../src/registry/index.ts';
import type { Dice } from './dice.ts';

const KEYS = (
  'schemaVersion mediaType config layers manifests digest size platform annotations urls data artifactType subject os architecture variant ' +
  'os.version os.features rootfs diff_ids type history created created_by empty_layer Env Cmd Entrypoint User WorkingDir Labels Volumes ' +
  'ExposedPorts Healthcheck Test Interval OnBuild Shell StopSignal ArgsEscaped __proto__ constructor'
).split(' ');
const TYPES = [
  OCI.manifest,
  OCI.index,
  OCI.config,
  OCI.layer,
  OCI.layerGzip,
  'application/vnd.docker.distribution.manifest.v2+json',
  'text/html',
  '',
];
const DIGEST = digestOf('x');

/** One value of a document; now and then one that belongs there. */
function value(dice: Dice, depth: number): unknown {
  switch (dice.below(depth > 4 ? 7 : 11)) {
    case 0:
      return dice.pick([null, true, false]);
    case 1:
      return dice.pick([0, 1, -1, 2, 1.5, 1e300, 2 ** 53, 4096]);
    case 2:
      return dice.pick(TYPES);
    case 3:
      return dice.pick([
        DIGEST,
        `sha256:${'0'.repeat(63)}`,
        'sha512:x',
        '',
        '../x',
        'A=b',
        '=',
        '2020-01-01T00:00:00Z',
        'not a time',
        '\0',
        '\ud800',
      ]);
    case 4:
    case 5:
      return { mediaType: dice.pick(TYPES), digest: DIGEST, size: dice.below(100) };
    case 6:
      return dice.pick(['linux', 'amd64', 'arm', 'v7', 'unknown', 'windows']);
    case 7:
      return Array.from({ length: dice.below(4) }, () => value(dice, depth + 1));
    default:
      return Object.fromEntries(Array.from({ length: dice.below(6) }, () => [dice.pick(KEYS), value(dice, depth + 1)]));
  }
}

/** Bytes of a document, whole or damaged. */
export function makeDocument(dice: Dice): Buffer {
  const descriptor = { mediaType: dice.pick(TYPES), digest: DIGEST, size: 5 };
  const frame = dice.pick<Record<string, unknown>>([
    { schemaVersion: 2, mediaType: OCI.manifest, config: descriptor, layers: [descriptor] },
    { schemaVersion: 2, mediaType: OCI.index, manifests: [{ ...descriptor, platform: { os: 'linux', architecture: 'amd64' } }] },
    {
      os: 'linux',
      architecture: 'amd64',
      config: { Env: ['A=b'], Labels: { a: 'b' } },
      rootfs: { type: 'layers', diff_ids: [DIGEST] },
      history: [{}],
    },
    {},
  ]);
  const changed = { ...frame };
  for (let count = dice.below(4); count > 0; count -= 1) changed[dice.pick(KEYS)] = value(dice, 0);
  const bytes = Buffer.from(JSON.stringify(dice.below(20) === 0 ? value(dice, 0) : changed));
  if (dice.below(3) > 0 || bytes.length === 0) return bytes;
  for (let count = dice.below(4); count >= 0; count -= 1)
    bytes[dice.below(bytes.length)] = dice.pick([0, 0x22, 0x5b, 0x7b, 0x7d, 0xff, 0xc0, 0x30, dice.below(256)]);
  return dice.below(3) === 0 ? bytes.subarray(0, dice.below(bytes.length + 1)) : bytes;
}

/** Everything that must hold for a document. */
export function checkDocument(bytes: Buffer, dice: Dice): void {
  const document = read(() => parseManifestDocument(bytes, dice.below(2) === 0 ? undefined : dice.pick(TYPES)));
  if (document?.kind === 'manifest') {
    const again = parseManifestDocument(serializeManifest(document.manifest));
    assert.equal(again.kind, 'manifest', 'what was read can be written and read');
  }
  if (document?.kind === 'index') {
    assert.equal(parseManifestDocument(serializeIndex(document.index)).kind, 'index');
    selectPlatform(document.index.manifests, { os: 'linux', architecture: 'amd64' });
  }
  const config = read(() => parseImageConfig(bytes));
  if (config !== undefined) {
    const written = serializeImageConfig(config);
    assert.deepEqual(serializeImageConfig(parseImageConfig(written)), written, 'a config that was written once stays as it is');
  }
  read(() => parseLayoutIndex(bytes));
  const text = bytes.toString('latin1').slice(0, 60);
  for (const parse of [parseReference, parsePlatform]) read(() => parse(text));
}

/** Undefined: refused. Anything but a refusal by name is a bug and is thrown. */
function read<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof SlipwayError) return undefined;
    throw error;
  }
}

const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ['content-type', [...TYPES.filter((type) => type !== ''), 'application/json; charset=x', '\x80']],
  ['docker-content-digest', [DIGEST, 'sha256:x', '', 'x'.repeat(200)]],
  ['content-length', ['0', '5', '99999', '18446744073709551616']],
  ['content-range', ['bytes 0-4/5', 'bytes 3-4/5', 'bytes 9-1/2', 'x']],
  ['location', ['/v2/', '//', 'http://127.0.0.1:1/', 'file:///etc/passwd', 'http://[', '?x', '']],
  [
    'www-authenticate',
    ['Basic', 'Basic realm="x"', 'Bearer', 'Bearer realm="/token",service="s"', 'Bearer realm="http://127.0.0.1:1/"', ', ,"', 'Digest x'],
  ],
  ['retry-after', ['0', '1', '-1', 'x', '99999999']],
  ['transfer-encoding', ['chunked']],
];
const STATUSES = [200, 200, 200, 201, 202, 204, 206, 301, 302, 307, 400, 401, 401, 403, 404, 405, 416, 429, 500, 503];

/** A registry that answers anything at all, and a client that asks it. */
export class RegistryArena implements AsyncDisposable {
  readonly #server: Server;
  #dice: Dice = { below: () => 0, pick: (items) => items[0] as never };

  private constructor() {
    this.#server = createServer((request, response) => {
      const dice = this.#dice;
      request.resume();
      const body =
        dice.below(3) === 0
          ? Buffer.from(dice.pick(['', '{}', '{"token":"t"}', '{"token":5}', '{"errors":[{}]}', '<html>', 'x'.repeat(5)]))
          : makeDocument(dice);
      const headers: Record<string, string> = {};
      for (let count = dice.below(4); count > 0; count -= 1) {
        const [name, values] = dice.pick(HEADERS);
        headers[name] = dice.pick(values);
      }
      try {
        if (dice.below(30) === 0) return void request.socket.end(dice.pick(['', 'garbage\r\n\r\n', 'HTTP/1.1 200\r\n\r\n', 'HTTP/9 x']));
        response.writeHead(dice.pick(STATUSES), headers);
        response.write(body.subarray(0, dice.below(body.length + 1)));
        if (dice.below(6) === 0) request.socket.destroySoon();
        else response.end();
      } catch {
        request.socket.destroy(); // a header that this server may not even send
      }
    });
    this.#server.on('clientError', (_, socket) => void socket.destroy());
  }

  static async create(): Promise<RegistryArena> {
    const arena = new RegistryArena();
    await new Promise<void>((resolve) => arena.#server.listen(0, '127.0.0.1', resolve));
    return arena;
  }

  /** Asks the server everything that a build asks; each answer is taken or refused by name. */
  async check(dice: Dice): Promise<void> {
    this.#dice = dice;
    const address = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    using client = openRegistry({
      retries: 1,
      idleMs: 100,
      delay: () => Promise.resolve(),
      registries: { [address]: { http: true } },
      dockerConfig: { auths: { [address]: { auth: Buffer.from('u:p').toString('base64') } } },
    });
    for (const ask of asks(client, address)) {
      try {
        await ask();
      } catch (error) {
        if (!(error instanceof SlipwayError)) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function asks(client: RegistryClient, address: string): readonly (() => Promise<unknown>)[] {
  const job = quietJob();
  const reference = parseReference(`${address}/a:1`);
  const blob: Descriptor = { mediaType: OCI.layer, digest: digestOf('xxxxx'), size: 5 };
  const drain = async (): Promise<void> => {
    let size = 0;
    for await (const chunk of client.openBlob(reference, blob, job)) size += chunk.length;
    assert.equal(size, 5, 'a blob that ends well has its size');
  };
  return [
    () => client.head(reference, job),
    () => client.manifest(reference, job),
    () => client.resolve(reference, { os: 'linux', architecture: 'amd64' }, job),
    () => client.config(reference, { ...blob, mediaType: OCI.config }, job),
    drain,
    () => client.referrers({ ...reference, digest: blob.digest }, job),
  ];
}
