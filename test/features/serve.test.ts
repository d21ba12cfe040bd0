// Docker's clients build through `slipway serve` what they build through BuildKit's daemon.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { copyProduct, openPlace } from '../rig/places.ts';
import { until } from '../rig/processes.ts';
import { startRealRegistry, TEST_LOGIN } from '../rig/real-registry.ts';
import { command, type Outcome, Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');

let rig: Rig;
let served: Served;

before(async () => {
  rig = Rig.create();
  served = await Served.start(rig, { args: ['--allow-insecure-entitlement', 'network.host'] });
});
after(async () => {
  await served[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** Runs buildx, expects success, returns all it said. */
async function buildx(args: readonly string[], options: Parameters<Served['buildx']>[1] = {}): Promise<string> {
  return succeeded(await served.buildx(args, options));
}

const build = (...args: string[]): Promise<string> => buildx(['build', '--progress=plain', ...args]);

function succeeded({ code, stdout, stderr }: Outcome): string {
  assert.equal(code, 0, stderr);
  return `${stderr}\n${stdout}`;
}

/** A Dockerfile that needs everything a client can give. */
const NEEDY = `FROM busybox AS base
RUN --mount=type=secret,id=token wc -c < /run/secrets/token > /length
FROM base AS agent
RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo found > /agent
FROM base AS named
COPY --from=extra /hello /hello
COPY file /
FROM scratch
COPY --from=named /length /hello /file /
`;

function needy(): { readonly context: string; readonly flags: string[] } {
  const context = rig.context({ Dockerfile: NEEDY, file: 'from the context' }, 'needy');
  const extra = rig.context({ hello: 'from the named context' }, 'extra');
  rig.context({ token: 'twelve bytes' }, 'secrets');
  return { context, flags: ['--build-context', `extra=${extra}`, '--secret', `id=token,src=${rig.path('secrets/token')}`] };
}

test('every example builds through buildx, for every kind of output', async () => {
  await build('-t', 'hello', '-o', `type=docker,dest=${rig.path('hello.tar')}`, join(EXAMPLES, 'hello-go'));
  succeeded(await command('skopeo', ['inspect', `docker-archive:${rig.path('hello.tar')}`]));

  const pushed = `${rig.registry}/serve-${process.pid}/nginx:1`;
  await build('--push', '-t', pushed, join(EXAMPLES, 'cpp-nginx'));
  succeeded(await command('skopeo', ['inspect', '--tls-verify=false', `docker://${pushed}`]));

  await build('--target', 'api', '-o', rig.path('api'), join(EXAMPLES, 'two-services'));
  assert.equal(statSync(rig.path('api/api')).mode & 0o111, 0o111);

  await build(
    '--platform',
    'linux/amd64,linux/arm64',
    '-o',
    `type=oci,dest=${rig.path('both')},tar=false`,
    join(EXAMPLES, 'per-architecture'),
  );
  const index = JSON.parse(succeeded(await command('skopeo', ['inspect', '--raw', `oci:${rig.path('both')}`])).trim()) as {
    manifests: { platform: { architecture: string } }[];
  };
  assert.deepEqual(index.manifests.map(({ platform }) => platform.architecture).sort(), ['amd64', 'arm64']);
});

test('secrets, named contexts, layouts and caches reach the build, and results come back', async () => {
  const { context, flags } = needy();
  const cache = `${rig.registry}/serve-${process.pid}/cache:1`;
  await build(
    ...flags,
    '-o',
    rig.path('out'),
    '--cache-to',
    `type=registry,ref=${cache},mode=max`,
    '--cache-to',
    `type=local,dest=${rig.path('cache')}`,
    context,
  );
  assert.deepEqual(
    ['length', 'hello', 'file'].map((name) => readFileSync(rig.path('out', name), 'utf8').trim()),
    ['12', 'from the named context', 'from the context'],
  );
  await build(...flags, '-o', `type=oci,dest=${rig.path('layout')},tar=false`, context);
  await build('--build-context', `extra=oci-layout://${rig.path('layout')}`, ...flags.slice(2), '-o', rig.path('again'), context);
  assert.equal(readFileSync(rig.path('again/hello'), 'utf8'), 'from the named context');

  for (const from of [`type=registry,ref=${cache}`, `type=local,src=${rig.path('cache')}`]) {
    await buildx(['prune', '--all', '--force']);
    const said = await build(...flags, '-o', rig.path('cached'), '--cache-from', from, context);
    assert.match(said, /\n#(\d+) \[base 2\/2\] RUN .*\n#\1 CACHED/, from);
  }
});

test('a step reaches the agent of the client', async () => {
  const { context, flags } = needy();
  const agent = createServer((socket) => socket.end()).listen(rig.path('agent.sock'));
  try {
    await build(...flags, '--ssh', `default=${rig.path('agent.sock')}`, '--target', 'agent', '-o', rig.path('agent'), context);
  } finally {
    agent.close();
  }
  assert.equal(readFileSync(rig.path('agent/agent'), 'utf8'), 'found\n');
});

test('checks, outlines and targets are answered; failures point at the line', async () => {
  const context = rig.context({ Dockerfile: 'FROM busybox AS Base\nARG NAME=x\nRUN echo $NAME; exit 3\n' }, 'checked');
  const checked = await served.buildx(['build', '--call=check', context]);
  assert.equal(checked.code, 1, checked.stderr);
  assert.match(checked.stdout + checked.stderr, /StageNameCasing[^]*Dockerfile:1/);
  assert.match(await buildx(['build', '--call=outline', context]), /NAME\s+x/);
  assert.match(await buildx(['build', '--call=targets', context]), /base/);

  const failed = await served.buildx(['build', '--progress=plain', context]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /#1 WARN: StageNameCasing: /);
  assert.match(
    failed.stderr,
    /\n#(\d+) [\d.]+ x\n(?:[^]*\n)?#\1 ERROR: process "\/bin\/sh -c echo \$NAME; exit 3" did not complete successfully: exit code: 3\n/,
  );
  assert.match(failed.stderr, /Dockerfile:3\n[^]*3 \| >>> RUN echo \$NAME; exit 3/);
});

test('thousands of patterns reach the client, and a failure comes back with a Dockerfile of two mebibytes', async () => {
  const ignore = Array.from({ length: 8000 }, (_, index) => `folder/${index}/${'x'.repeat(40)}\n`).join('');
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY . /\n', '.dockerignore': ignore, f: 'kept' }, 'many');
  await build('-o', rig.path('many-out'), context);
  assert.equal(readFileSync(rig.path('many-out/f'), 'utf8'), 'kept');
  const large = rig.context({ Dockerfile: `FROM busybox\n${`# ${'x'.repeat(100)}\n`.repeat(20_000)}RUN exit 4\n` }, 'large');
  const failed = await served.buildx(['build', '--progress=plain', large]);
  assert.match(failed.stderr, /20002 \| >>> RUN exit 4/);
});

test('attestations, annotations and metadata are as clients read them', async () => {
  const { context, flags } = needy();
  const name = `${rig.registry}/serve-${process.pid}/attested:1`;
  const meta = rig.path('metadata.json');
  await build(...flags, '--provenance=mode=max', '--annotation', 'note=kept', '--push', '-t', name, '--metadata-file', meta, context);
  const metadata = JSON.parse(readFileSync(meta, 'utf8')) as Record<string, unknown>;
  assert.equal(metadata['image.name'], name);
  assert.match(String(metadata['containerimage.digest']), /^sha256:/);
  assert.ok(metadata['buildx.build.provenance'], 'no provenance in the metadata');
  const raw = await buildx(['imagetools', 'inspect', '--raw', name]);
  assert.match(raw, /attestation-manifest/);
  assert.match(await buildx(['imagetools', 'inspect', name, '--format', '{{json .Provenance}}']), /buildDefinition|buildType/);
});

test('a bake file builds targets on top of each other', async () => {
  const file = rig.path('docker-bake.hcl');
  // Both have a file of the same name: each target is made from its own.
  rig.context({ f: 'base\n' }, 'base-context');
  rig.context({ f: 'app\n', other: '' }, 'app-context');
  rig.context(
    {
      'docker-bake.hcl': `target "base" {
  context = "base-context"
  dockerfile-inline = "FROM busybox\\nENV KEPT=yes\\nCOPY f /base"
}
target "app" {
  context = "app-context"
  contexts = { onto = "target:base" }
  dockerfile-inline = "FROM onto\\nCOPY f /f\\nRUN test $KEPT = yes && test $(cat /base) = base && test $(cat /f) = app"
  output = ["type=oci,dest=${rig.path('baked')},tar=false"]
  attest = ["type=provenance,mode=max,version=v1"]
}
target "part" {
  contexts = { from = "target:base" }
  dockerfile-inline = "FROM scratch\\nCOPY --from=from /base /part"
  output = ["${rig.path('part')}"]
}
`,
    },
    '.',
  );
  await buildx(['bake', '--progress=plain', '-f', file, 'app', 'part'], { cwd: rig.folder });
  assert.equal(readFileSync(rig.path('part/part'), 'utf8'), 'base\n');
  const said = succeeded(await command('skopeo', ['inspect', '--config', `oci:${rig.path('baked')}`]));
  assert.match(said, /KEPT=yes/);
  const config = JSON.parse(said) as { rootfs: { diff_ids: string[] }; history: { created?: string; empty_layer?: boolean }[] };
  // Its provenance says who asked for the target below.
  const blobs = rig.path('baked/blobs/sha256');
  const told = /"inputs":\s*\{\s*"0-base":\s*\{\s*"configSource"/;
  assert.ok(readdirSync(blobs).some((blob) => told.test(readFileSync(join(blobs, blob), 'utf8'))));
  assert.equal(config.history.filter(({ empty_layer }) => empty_layer !== true).length, config.rootfs.diff_ids.length, said);
  // Checks are made of each target alone.
  const checked = await served.buildx(['bake', '-f', file, '--call=check', 'app'], { cwd: rig.folder });
  assert.match(checked.stdout + checked.stderr, /unsupported context source target for onto[^]*>>> FROM onto/);
});

test('a target that others build on is built once, with its own secrets, without the cache as well', async () => {
  const folder = rig.context(
    {
      'docker-bake.hcl': `target "base" {
  dockerfile-inline = "FROM busybox\\nRUN --mount=type=secret,id=TOKEN,env=TOKEN test $TOKEN = short && cat /proc/sys/kernel/random/uuid > /once"
  secret = ["id=TOKEN"]
  output = ["type=local,dest=${rig.path('once/base')}"]
}
target "middle" {
  contexts = { onto = "target:base" }
  dockerfile-inline = "FROM onto\\nRUN true"
  output = ["type=local,dest=${rig.path('once/middle')}"]
}
target "app" {
  contexts = { onto = "target:middle", base = "target:base" }
  dockerfile-inline = "FROM onto\\nCOPY --from=base /once /again"
  output = ["type=local,dest=${rig.path('once/app')}"]
}
`,
    },
    'once-baked',
  );
  await buildx(['bake', '--progress=plain', '--no-cache', '--allow=fs.write=*', 'base', 'middle', 'app'], {
    cwd: folder,
    env: { TOKEN: 'short' },
  });
  const made = ['base/once', 'middle/once', 'app/once', 'app/again'].map((path) => readFileSync(rig.path(`once/${path}`), 'utf8'));
  assert.equal(new Set(made).size, 1, made.join(''));
});

test('the environment names store, configuration and policy of a server as it does for a build', async () => {
  await using other = Rig.create();
  writeFileSync(other.path('policy.toml'), 'default = "refuse"\n');
  await using configured = await Served.start(other, {
    byEnvironment: true,
    config: `trust = ${JSON.stringify(other.path('policy.toml'))}`,
  });
  const refused = await configured.buildx(['build', '--progress=plain', other.context({ Dockerfile: 'FROM busybox\n' })]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /the trust policy does not allow busybox/);
  const own = await configured.buildx([
    'build',
    '-o',
    'type=image,name=own',
    other.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' }, 'own'),
  ]);
  succeeded(own);
  const listed = await command(process.execPath, ['bin/slipway.js', 'images', '--root', other.path('served')]);
  assert.match(succeeded(listed), /^own:latest /m);
});

test('usage, pruning and the history', async () => {
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN echo to be remembered\n' }, 'remembered');
  await build(context);
  assert.match(await buildx(['inspect']), /Status:\s+running\n[^]*Platforms:\s+linux\/amd64/);
  assert.match(await buildx(['du']), /Reclaimable:\s+[1-9]/);
  assert.match(await buildx(['du', '--verbose', '--filter', 'type=regular']), /Description:\s+layer, made by /);
  // Bars are quotes: taken as a part of the expression they would pass everything.
  assert.doesNotMatch(await buildx(['du', '--verbose', '--filter', 'description~=|nothing, type|']), /Description:/);
  const wrong = await served.buildx(['du', '--filter', 'description~=[']);
  assert.match(wrong.stderr, /InvalidArgument: not a regular expression/);

  const listed = await buildx(['history', 'ls', '--format', '{{.Ref}} {{.Name}}']);
  const id = /^(?:\S+\/)?(\w+) remembered$/m.exec(listed)?.[1];
  assert.ok(id, listed);
  assert.match(await buildx(['history', 'logs', id]), /RUN echo to be remembered/);
  assert.match(await buildx(['history', 'inspect', id]), /Build Steps:/);
  await buildx(['history', 'export', '-o', rig.path('build.dockerbuild'), id]);
  assert.ok(statSync(rig.path('build.dockerbuild')).size > 0);
  // An image's record is exported with its manifest, wherever the image went.
  for (const output of [`type=oci,dest=${rig.path('kept.tar')}`, 'type=image,name=kept', 'type=image,name=kept,push=false,store=false']) {
    await build(context, '-o', output);
    await buildx(['history', 'export', '-o', rig.path('image.dockerbuild')]);
    assert.ok(statSync(rig.path('image.dockerbuild')).size > 0, output);
  }
  // Of an index its parts are there to be looked at.
  await build(context, '-o', `type=oci,dest=${rig.path('kept.tar')}`, '--provenance=true');
  assert.match(await buildx(['history', 'inspect']), /sha256:\w+\s+linux\/amd64\s+application\/vnd\.oci\.image\.manifest/);
  await buildx(['history', 'rm', id]);
  assert.doesNotMatch(await buildx(['history', 'ls', '--format', '{{.Ref}}']), new RegExp(id));

  assert.match(await buildx(['prune', '--all', '--force']), /Total:\s+[1-9]/);
});

test('docker build works in both modes, and what it built can be listed, tagged, pushed and removed', async () => {
  const context = rig.context({ Dockerfile: 'FROM busybox AS base\nRUN echo made > /made\nFROM base\nLABEL a=b\n' }, 'docker-build');
  for (const mode of ['0', '1']) {
    const built = await served.docker(['build', '-t', `mode:${mode}`, context], { env: { DOCKER_BUILDKIT: mode } });
    succeeded(built);
    if (mode === '0') assert.match(built.stdout, /Step 2\/2 : RUN echo made > \/made\n[^]*Successfully tagged mode:0/);
  }
  assert.match(
    succeeded(await served.docker(['images', '--format', '{{.Repository}}:{{.Tag}}'])),
    /^mode:0$[^]*^mode:1$|^mode:1$[^]*^mode:0$/m,
  );
  assert.equal(succeeded(await served.docker(['images', '--format', '{{.Repository}}:{{.Tag}}', 'mode:1'])), '\nmode:1\n');
  const name = `${rig.registry}/serve-${process.pid}/classic:1`;
  succeeded(await served.docker(['tag', 'mode:0', name]));
  succeeded(await served.docker(['push', name]));
  assert.match(succeeded(await command('skopeo', ['inspect', '--config', '--tls-verify=false', `docker://${name}`])), /"a": ?"b"/);
  succeeded(await served.docker(['rmi', name]));
  assert.notEqual((await served.docker(['image', 'inspect', name])).code, 0);

  const failing = rig.context({ Dockerfile: 'FROM busybox\nRUN exit 7\n' }, 'failing');
  const failed = await served.docker(['build', failing], { env: { DOCKER_BUILDKIT: '0' } });
  assert.equal(failed.code, 7);
  assert.match(failed.stderr + failed.stdout, /exit code: 7/);
});

test('a quiet docker build prints the id alone, and what it would have said when it fails', async () => {
  const env = { DOCKER_BUILDKIT: '0' };
  const said = '# é\n'.repeat(20_000);
  const context = rig.context({ Dockerfile: 'FROM busybox\nCOPY said /\nRUN cat /said\n', said }, 'quiet');
  assert.match((await served.docker(['build', '--quiet', context], { env })).stdout, /^sha256:[a-f0-9]{64}\n$/);
  const loud = await served.docker(['build', '--no-cache', context], { env });
  assert.ok(succeeded(loud).includes(said), 'characters were cut');
  const failing = rig.context({ Dockerfile: 'FROM busybox\nRUN echo said before; exit 3\n' }, 'quiet-failing');
  const failed = await served.docker(['build', '--quiet', failing], { env });
  assert.match(failed.stdout + failed.stderr, /said before\n[^]*exit code: 3/);
});

test('docker build sends its logins, and calls that are no builds are refused with words', async () => {
  await using registry = await startRealRegistry({ auth: true });
  const name = `${registry.address}/private:1`;
  const copy = [
    'copy',
    '--quiet',
    '--src-tls-verify=false',
    '--dest-tls-verify=false',
    '--dest-creds',
    `${TEST_LOGIN.username}:${TEST_LOGIN.password}`,
  ];
  succeeded(await command('skopeo', [...copy, `docker://${rig.registry}/library/busybox:latest`, `docker://${name}`]));
  const auth = Buffer.from(`${TEST_LOGIN.username}:${TEST_LOGIN.password}`).toString('base64');
  writeFileSync(rig.path('docker/config.json'), JSON.stringify({ auths: { [registry.address]: { auth } } }));
  try {
    const context = rig.context({ Dockerfile: `FROM ${name}\nRUN true\n` }, 'private');
    for (const mode of ['0', '1']) succeeded(await served.docker(['build', context], { env: { DOCKER_BUILDKIT: mode } }));
    const started = await served.docker(['run', name]);
    assert.match(started.stderr, /slipway serve builds images, and does nothing else: it has no POST \/(containers|images)\/create/);
  } finally {
    rmSync(rig.path('docker/config.json'));
  }
});

test('compose builds its services', async () => {
  const folder = rig.context(
    {
      'compose.yaml': `services:
  web:
    image: web:1
    build:
      context: .
      secrets: [token]
  above:
    image: above:1
    build:
      context: above
      additional_contexts:
        web: service:web
secrets:
  token:
    file: ./token
`,
      Dockerfile: 'FROM busybox\nCOPY name /web\nRUN --mount=type=secret,id=token,required wc -c < /run/secrets/token > /length\n',
      name: 'web\n',
      token: 'twelve bytes',
      'above/Dockerfile':
        'FROM web\nCOPY name /above\nRUN test $(cat /web) = web && test $(cat /above) = above && test $(cat /length) = 12\n',
      'above/name': 'above\n',
    },
    'compose',
  );
  succeeded(await served.docker(['compose', 'build'], { cwd: folder }));
  succeeded(await served.docker(['image', 'inspect', 'web:1']));
});

test('a debugger looks around where a step failed', async () => {
  await served.buildx(['inspect']);
  rig.context({ Dockerfile: 'FROM busybox\nRUN echo made before > /before\nRUN echo half done > /half; rm /before; exit 3\n' }, 'debugged');
  const screen = await served.buildxOnTerminal(
    ['debug', '--invoke', '/bin/sh', 'build', 'debugged'],
    [
      ['/ # ', 'cat /half; ls /before; tty; exit\n'],
      ['(buildx) ', 'exit\n'],
    ],
  );
  assert.match(screen, /\nhalf done\s+ls: \/before: No such file or directory\s+\/dev\/pts\/0\s/);
});

test('the socket is its owner’s alone', () => {
  assert.equal(statSync(served.socket).mode & 0o777, 0o600);
});

test('an ordinary user’s server runs steps, at the usual place of its socket, and hears when it is to end', async () => {
  const below = mkdtempSync('/tmp/slipway-users-server-');
  chmodSync(below, 0o755);
  try {
    await using place = openPlace('rootless-subid', copyProduct(join(below, 'product')), below);
    const runtime = join(place.folder, 'home');
    const socket = join(runtime, 'slipway/slipway.sock');
    const server = place.startSlipway(['serve'], { env: { XDG_RUNTIME_DIR: runtime } });
    await until(() => existsSync(socket));
    const context = rig.context({ Dockerfile: 'FROM busybox\nRUN mkdir -m 700 /d && chown 1000:1000 /d && id -u > /uid\n' }, 'of-a-user');
    const built = await served.docker(['buildx', 'build', '--progress=plain', '-o', rig.path('users'), context], {
      env: { DOCKER_HOST: `unix://${socket}` },
    });
    server.kill('SIGTERM');
    const ended = await server.ended;
    succeeded(built);
    assert.equal(readFileSync(rig.path('users/uid'), 'utf8'), '0\n');
    assert.equal(ended.code, 143, ended.stderr);
  } finally {
    rmSync(below, { recursive: true, force: true });
  }
});
