// A digest is no key: an image in the store is given out under the names of repositories that it is known to be from; any other
// repository is asked, with the rights of who builds.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type RealRegistry, startRealRegistry, TEST_LOGIN } from '../rig/real-registry.ts';
import { command, type Outcome, Rig } from '../rig/rig.ts';
import { serveAlone } from '../rig/served.ts';

let rig: Rig;
let open: RealRegistry;
let closed: RealRegistry;

before(async () => {
  rig = Rig.create();
  chmodSync(rig.folder, 0o755);
  open = await startRealRegistry();
  closed = await startRealRegistry({ auth: true });
});
after(async () => {
  await closed[Symbol.asyncDispose]();
  await open[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** An address that passes everything on to a registry, and tells what was asked. */
interface Witness extends AsyncDisposable {
  readonly address: string;
  /** `GET /v2/…` and the like, since the last call; with the status, when it was refused. */
  asked(): readonly string[];
}

async function watch({ address: target }: Pick<RealRegistry, 'address'>): Promise<Witness> {
  const asked: string[] = [];
  const server = createServer((incoming, response) => {
    const headers = { ...incoming.headers, host: target };
    const outgoing = request(`http://${target}${incoming.url}`, { method: incoming.method, headers }, (answer) => {
      const status = answer.statusCode ?? 500;
      if (incoming.url !== '/v2/') asked.push(`${incoming.method} ${incoming.url}${status < 400 ? '' : ` ${status}`}`);
      response.writeHead(status, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked.splice(0),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const LOGIN = `${TEST_LOGIN.username}:${TEST_LOGIN.password}`;

/** A copy of a base as `repository` of a registry; returns its digest. */
async function copy(base: string, { address }: RealRegistry, repository: string): Promise<string> {
  const login = address === closed.address ? ['--dest-creds', LOGIN] : [];
  const file = rig.path('digest');
  const copied = await command('skopeo', [
    ...['copy', '--quiet', '--src-tls-verify=false', '--dest-tls-verify=false', '--digestfile', file, ...login],
    ...[`docker://${rig.registry}/library/${base}`, `docker://${address}/${repository}:1`],
  ]);
  assert.equal(copied.code, 0, copied.stderr);
  return readFileSync(file, 'utf8').trim();
}

function succeeded({ code, stdout, stderr }: Outcome): string {
  assert.equal(code, 0, stderr);
  return `${stderr}\n${stdout}`;
}

/** It was not built, because the image could not be pulled from this repository. */
function refused({ code, stderr }: Outcome, repository: string, why = /no such image|wants a login|cannot be reached/): void {
  assert.notEqual(code, 0, repository);
  const [, said] = new RegExp(`cannot pull ${repository.replaceAll('.', '\\.')}[:@]\\S+ (.*)`).exec(stderr) ?? [];
  assert.match(said ?? stderr, why);
}

let count = 0;

/** The context of a build on `image` that needs its files. */
function on(image: string): string {
  return rig.context({ Dockerfile: `FROM ${image}\nRUN test -x /bin/sh && echo ${(count += 1)}\n` }, `on-${count}`);
}

/** Builds by the command, in a store of its own unless one is named. */
function build(image: string, store: string, ...flags: readonly string[]): Promise<Outcome> {
  return rig.slipway(['build', '--progress=plain', ...flags, on(image)], { env: { SLIPWAY_ROOT: rig.path(store) } });
}

test('another repository than the one that an image came from is asked for it, once', async () => {
  await using witness = await watch(open);
  const digest = await copy('busybox:latest', open, 'one/image');
  await copy('alpine:latest', open, 'two/image');
  const repository = `${witness.address}/one/image`;
  succeeded(await build(`${repository}:1`, 'plain'));
  witness.asked();
  // What a tag meant is known by its digest, too.
  succeeded(await build(`${repository}@${digest}`, 'plain'));
  succeeded(await build(`${repository}:other@${digest}`, 'plain'));
  assert.deepEqual(witness.asked(), []);

  for (const name of ['two/image', 'none/image']) {
    const outcome = await build(`${witness.address}/${name}@${digest}`, 'plain');
    refused(outcome, `${witness.address}/${name}`, /no such image/);
    assert.match(outcome.stderr, /Dockerfile:1/);
  }

  await copy('busybox:latest', open, 'three/image');
  witness.asked();
  succeeded(await build(`${witness.address}/three/image@${digest}`, 'plain'));
  const asked = witness.asked();
  assert.ok(asked.includes(`GET /v2/three/image/manifests/${digest}`), asked.join());
  assert.equal(asked.length, 2, 'the manifest and the config; the layers are here');
  succeeded(await build(`${witness.address}/three/image@${digest}`, 'plain'));
  assert.deepEqual(witness.asked(), []);
});

test('what was pushed is known to be from there; what has a name in the store, too, when the name means something else by then', async () => {
  await using witness = await watch(open);
  const env = { SLIPWAY_ROOT: rig.path('named') };
  const make = async (text: string, ...flags: readonly string[]): Promise<string> => {
    const file = rig.path('metadata.json');
    const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: text }, `make-${(count += 1)}`);
    succeeded(await rig.slipway(['build', '--metadata-file', file, ...flags, context], { env }));
    const described = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
    return described['containerimage.digest'] ?? '';
  };
  const use = (image: string): Promise<Outcome> =>
    rig.slipway(
      ['build', '--progress=plain', rig.context({ Dockerfile: `FROM ${image}\nCOPY --from=${image} /f /g\n` }, `use-${(count += 1)}`)],
      { env },
    );

  const pushed = await make('pushed', '-o', `type=image,push=true,name=${witness.address}/pushed/image:1`);
  witness.asked();
  succeeded(await use(`${witness.address}/pushed/image@${pushed}`));
  assert.deepEqual(witness.asked(), []);
  refused(await use(`${witness.address}/elsewhere/image@${pushed}`), `${witness.address}/elsewhere/image`, /no such image/);

  const first = await make('first', '-t', `${witness.address}/local/image`);
  const second = await make('second', '-t', `${witness.address}/local/image`);
  witness.asked();
  for (const digest of [second, first]) succeeded(await use(`${witness.address}/local/image@${digest}`));
  assert.deepEqual(witness.asked(), []);
  // A store from before has the name alone.
  rmSync(rig.path('named/v1/homes'), { recursive: true });
  succeeded(await use(`${witness.address}/local/image@${second}`));
  assert.deepEqual(witness.asked(), []);
  refused(await use(`${witness.address}/another/image@${second}`), `${witness.address}/another/image`, /no such image/);
});

test('without its registry, a plain build takes what the store has, and says so', async () => {
  await using witness = await watch(open);
  const digest = await copy('busybox:latest', open, 'offline/image');
  const repository = `${witness.address}/offline/image`;
  succeeded(await build(`${repository}:1`, 'offline'));
  // As a store from before has it.
  rmSync(rig.path('offline/v1/homes'), { recursive: true });
  succeeded(await command('cp', ['-a', rig.path('offline'), rig.path('online')]));
  succeeded(await build(`${repository}@${digest}`, 'online'));
  await witness[Symbol.asyncDispose]();
  const known = succeeded(await build(`${repository}@${digest}`, 'online'));
  assert.doesNotMatch(known, /cannot be reached/);
  const unknown = succeeded(await build(`${repository}@${digest}`, 'offline'));
  assert.match(unknown, /the registry cannot be reached; building on the image of that digest as it is in the store/);
  const tag = succeeded(await build(`${repository}:1`, 'offline'));
  assert.match(tag, /the registry cannot be reached; building on the last known image sha256:/);
  refused(await build(`${repository}@sha256:${'a'.repeat(64)}`, 'offline'), repository, /cannot be reached/);
});

/** A client of the server: as root, or as another user of the machine; with the login of the closed registry or without. */
class Client {
  readonly #socket: string;
  readonly #folder: string;
  readonly #uid: number;

  constructor(served: Awaited<ReturnType<typeof serve>>, name: string, uid: number) {
    this.#socket = served.socket;
    this.#uid = uid;
    this.#folder = served.own.path(name);
    for (const folder of ['docker', 'buildx']) mkdirSync(join(this.#folder, folder), { recursive: true });
    this.login();
  }

  login(...registries: readonly string[]): void {
    const auth = Buffer.from(LOGIN).toString('base64');
    const auths = Object.fromEntries(registries.map((registry) => [registry, { auth }]));
    writeFileSync(join(this.#folder, 'docker/config.json'), JSON.stringify({ auths }), { mode: 0o644 });
  }

  /** By buildx, or the classic way. */
  async build(context: string, { classic = false }: { readonly classic?: boolean } = {}): Promise<Outcome> {
    const socket = this.#socket;
    succeeded(await command('chown', ['-R', String(this.#uid), this.#folder]));
    const [program, ...args] = classic
      ? [process.env['SLIPWAY_TEST_DOCKER'] ?? '', 'build', context]
      : [join(process.env['SLIPWAY_TEST_DOCKER_PLUGINS'] ?? '', 'docker-buildx'), 'build', '--progress=plain', context];
    const env = {
      ...process.env,
      HOME: this.#folder,
      DOCKER_CONFIG: join(this.#folder, 'docker'),
      BUILDX_CONFIG: join(this.#folder, 'buildx'),
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_BUILDKIT: classic ? '0' : '1',
    };
    if (!classic) {
      const as = ['create', '--name', 'served', '--driver', 'remote', '--use', `unix://${socket}`];
      await command('setpriv', ['--reuid', String(this.#uid), '--clear-groups', program, ...as], { env, cwd: '/' });
    }
    const { code, signal, stdout, stderr } = await command('setpriv', ['--reuid', String(this.#uid), '--clear-groups', program, ...args], {
      env,
      cwd: '/',
    });
    return { code, signal, stdout, stderr: `${stdout}\n${stderr}` };
  }
}

/** A server, on a store of its own, that all users of the machine may ask. */
async function serve(): ReturnType<typeof serveAlone> {
  const served = await serveAlone();
  chmodSync(served.own.folder, 0o755);
  chmodSync(served.socket, 0o666);
  return served;
}

test('who only knows a digest gets nothing of a private repository, by any name', async () => {
  await using served = await serve();
  await using asked = await watch(closed);
  await using free = await watch(open);
  const digest = await copy('busybox:latest', closed, 'secret/image');
  await copy('alpine:latest', open, 'public/image');
  const owner = new Client(served, 'owner', 1001);
  owner.login(asked.address);
  succeeded(await owner.build(on(`${asked.address}/secret/image:1`)));
  const stranger = new Client(served, 'stranger', 1002);
  const root = new Client(served, 'root', 0);
  for (const classic of [false, true]) {
    asked.asked();
    for (const client of [stranger, root]) {
      for (const repository of [
        `${free.address}/public/image`,
        `${free.address}/none/image`,
        `${asked.address}/other/image`,
        '127.0.0.1:9/x',
      ])
        refused(await client.build(on(`${repository}@${digest}`), { classic }), repository);
    }
    // Not by the right name either; only the server's own user may read all of the store.
    const repository = `${asked.address}/secret/image`;
    refused(await stranger.build(on(`${repository}@${digest}`), { classic }), repository, /wants a login/);
    asked.asked();
    succeeded(await root.build(on(`${repository}@${digest}`), { classic }));
    succeeded(await owner.build(on(`${repository}@${digest}`), { classic }));
    assert.deepEqual(asked.asked(), [], 'neither asks again');
  }

  // The same image of a repository of its own is its own: no byte of the layers goes over the wire again.
  await copy('busybox:latest', open, 'mine/image');
  free.asked();
  succeeded(await stranger.build(on(`${free.address}/mine/image@${digest}`)));
  assert.equal(free.asked().filter((one) => one.includes('/blobs/')).length, 1, 'the config');
});

test('a registry of a stranger’s own proves nothing by what it says: not by a HEAD, not by an index that names the digest', async () => {
  await using served = await serve();
  await using asked = await watch(closed);
  const digest = await copy('busybox:latest', closed, 'held/image');
  const owner = new Client(served, 'owner', 1001);
  owner.login(asked.address);
  succeeded(await owner.build(on(`${asked.address}/held/image:1`)));
  const manifest = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 500 };
  const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...manifest, platform }],
  });
  const lies = createServer((incoming, response) => {
    const url = incoming.url ?? '';
    if (url === '/v2/') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    if (url.endsWith('/manifests/index')) {
      const type = 'application/vnd.oci.image.index.v1+json';
      const named = `sha256:${createHash('sha256').update(index).digest('hex')}`;
      response.writeHead(200, { 'content-type': type, 'content-length': index.length, 'docker-content-digest': named });
      return void response.end(incoming.method === 'HEAD' ? undefined : index);
    }
    if (incoming.method !== 'HEAD') return void response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[]}');
    response.writeHead(200, { 'content-type': manifest.mediaType, 'content-length': manifest.size, 'docker-content-digest': digest }).end();
  });
  lies.listen(0, '127.0.0.1');
  await once(lies, 'listening');
  try {
    const address = `127.0.0.1:${(lies.address() as AddressInfo).port}`;
    const stranger = new Client(served, 'stranger', 1002);
    refused(await stranger.build(on(`${address}/x@${digest}`)), `${address}/x`, /no such image/);
    refused(await stranger.build(on(`${address}/x:index`)), `${address}/x`, /no such image/);
  } finally {
    lies.closeAllConnections();
    lies.close();
  }
});

test('layers that nobody has fetched yet are fetched with the rights of who needs them', async () => {
  await using served = await serve();
  await using asked = await watch(closed);
  const digest = await copy('alpine:latest', closed, 'lazy/image');
  const image = `${asked.address}/lazy/image@${digest}`;
  const looksOnly = (): string => rig.context({ Dockerfile: `FROM ${image}\nENV A=${(count += 1)}\n` }, `looks-${count}`);
  const owner = new Client(served, 'owner', 1001);
  const other = new Client(served, 'other', 1002);
  owner.login(asked.address);
  other.login(asked.address);
  for (const client of [owner, other]) succeeded(await client.build(looksOnly()));
  const blobs = (end: string): number => asked.asked().filter((one) => one.includes('/blobs/') && one.endsWith(end)).length;
  assert.equal(blobs(''), 2, 'the config, for each; no layer');
  // It knows the image, but may not have it any more: that it still can be named costs nothing, its files are not given.
  other.login();
  succeeded(await other.build(looksOnly()));
  refused(await other.build(on(image)), `${asked.address}/lazy/image`, /wants a login/);
  assert.ok(blobs(' 401') > 0, 'it was asked for');
  succeeded(await owner.build(on(image)));
});
