// `slipway bake`: what Bake files and Compose projects say is built, as Docker's own client reads them.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { runGit, serveGit } from '../rig/git-server.ts';
import { copyProduct, openPlace } from '../rig/places.ts';
import { command, type Files, type Outcome, Rig } from '../rig/rig.ts';

/** Runs `slipway bake` in a folder with these files. */
async function bake(rig: Rig, files: Files, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return await rig.slipway(['bake', ...args], { cwd: rig.context(files, 'project'), env });
}

async function succeeds(outcome: Promise<Outcome>): Promise<Outcome> {
  const { code, stderr } = await outcome;
  assert.equal(code, 0, stderr);
  return await outcome;
}

/** What `docker buildx bake` prints for the same files: reading them needs no server. */
async function dockers(rig: Rig, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const program = join(process.env['SLIPWAY_TEST_DOCKER_PLUGINS'] ?? '', 'docker-buildx');
  const own = { BUILDX_CONFIG: rig.path('buildx'), DOCKER_CONFIG: rig.path('docker'), DOCKER_HOST: 'unix:///nowhere/docker.sock' };
  return await command(program, ['bake', ...args], { cwd: rig.path('project'), env: { ...process.env, ...own, ...env } });
}

const LANGUAGE = `variable "TAG" {
  default = "dev"
  validation {
    condition = TAG != ""
    error_message = "a tag is needed"
  }
}
variable "PORTS" {
  type = list(number)
  default = [80, 443]
}
function "tagged" {
  params = [name]
  result = ["registry.example/\${name}:\${TAG}", equal(TAG, "dev") ? "" : "registry.example/\${name}:latest"]
}
group "default" { targets = ["app", "tools"] }
group "tools" {
  description = "What developers need"
  targets = ["lint", "docs"]
}
target "_common" {
  args = { TAG = TAG, PORTS = join(",", [for p in PORTS : format("%04d", p)]), UNSET = null }
  labels = { "org.opencontainers.image.version" = TAG }
  platforms = ["linux/amd64"]
}
target "app" {
  inherits = ["_common"]
  matrix = { flavour = ["slim", "full"] }
  name = "app-\${flavour}"
  target = flavour
  tags = tagged("app-\${flavour}")
  output = [{ type = "image", push = "true" }]
}
target "lint" {
  inherits = ["_common"]
  contexts = { base = "target:app-slim", docs = "docker-image://busybox" }
  dockerfile-inline = <<EOT
FROM base
RUN echo "\${TAG}"
EOT
  secret = ["type=env,id=token,env=TOKEN", { id = "file", src = "f" }]
  cache-to = ["type=local,dest=cache,mode=max"]
}
target "docs" {
  args = target.lint.args
  no-cache-filter = ["x"]
  annotations = ["index:a=b"]
  attest = ["type=provenance,mode=min", "type=sbom,disabled=true"]
  shm-size = "64m"
  ulimits = ["nofile=10:20"]
  extra-hosts = { here = "127.0.0.1" }
}
`;
const COMPOSE = `name: shop
services:
  web:
    image: \${REGISTRY:-registry.example}/web:\${TAG-1}
    build:
      context: ./web
      args: { VERSION: "\${TAG:-none}", FROM_ENV: }
      additional_contexts: { base: "service:base" }
      labels: ["a=b"]
      x-bake: { tags: ["x:1"], platforms: [linux/amd64, linux/arm64], cache-from: type=gha }
  base:
    build:
      context: .
      dockerfile_inline: |
        FROM busybox
      target: one
      secrets: [word]
      network: host
  db:
    image: postgres
secrets:
  word: { environment: WORD }
`;

const PRINTED: readonly (readonly [string, Files, readonly string[], Readonly<Record<string, string>>?])[] = [
  ['the language', { 'docker-bake.hcl': LANGUAGE, f: '' }, ['--print']],
  ['variables', { 'docker-bake.hcl': LANGUAGE, f: '' }, ['--print', 'lint'], { PORTS: '1,22', TAG: 'v2' }],
  [
    'overrides',
    { 'docker-bake.hcl': LANGUAGE },
    [
      '--print',
      '--set',
      'app-*.tags+=a:b',
      '--set',
      '*.args.TAG=x',
      '--set',
      'docs.platform=linux/arm64',
      '--push',
      '--no-cache',
      '--sbom=true',
      'app-full',
      'docs',
    ],
  ],
  ['a list of targets', { 'docker-bake.hcl': LANGUAGE }, ['--list=targets']],
  ['a list of variables', { 'docker-bake.hcl': LANGUAGE }, ['--list=type=variables,format=json']],
  [
    'files that add to each other',
    {
      'docker-bake.json': '{"target": {"app": {"args": {"A": "${B}", "C": "1"}, "tags": ["a"]}}, "variable": {"B": {"default": "b"}}}',
      'docker-bake.override.hcl': 'target "app" {\n  args = { C = 2 }\n  tags = ["b"]\n}\n',
    },
    ['--print', 'app'],
  ],
  ['a Compose project', { 'compose.yaml': COMPOSE }, ['--print'], { FROM_ENV: 'e', TAG: '5' }],
];

for (const [what, files, args, env] of PRINTED) {
  test(`${what}: printed as docker buildx bake prints it`, async () => {
    await using rig = Rig.create();
    const { stdout } = await succeeds(bake(rig, files, args, env));
    const peer = await dockers(rig, args, env);
    assert.equal(peer.code, 0, peer.stderr);
    assert.equal(stdout, peer.stdout);
  });
}

const DOCKERFILE = `FROM busybox AS build
ARG WHAT=nothing
RUN echo building $WHAT; echo $WHAT > /made
FROM scratch AS files
COPY --from=build /made /
FROM build AS checks
RUN test -s /made
`;

test('targets of a matrix, of a group and of a pattern are built at once, with facts by target', async () => {
  await using rig = Rig.create();
  const file = `variable "OUT" {}
group "default" { targets = ["files"] }
target "files" {
  matrix = { what = ["one", "two"] }
  name = "files-\${what}"
  target = "files"
  args = { WHAT = what }
  output = ["\${OUT}/\${what}"]
}
target "image" {
  args = { WHAT = "one" }
  target = "checks"
  tags = ["${rig.registry}/bake-${process.pid}/image:1"]
}
`;
  const files = { Dockerfile: DOCKERFILE, 'docker-bake.hcl': file };
  const { stderr } = await succeeds(bake(rig, files, ['--metadata-file', 'facts.json', '--var', 'OUT=out', 'files-*', 'image', '--push']));
  assert.equal(readFileSync(rig.path('project/out/one/made'), 'utf8'), 'one\n');
  assert.equal(readFileSync(rig.path('project/out/two/made'), 'utf8'), 'two\n');
  assert.equal(stderr.split(/^#\d+ [\d.]+ building one$/m).length - 1, 1, `once for two targets:\n${stderr}`);
  const facts = JSON.parse(readFileSync(rig.path('project/facts.json'), 'utf8')) as Record<string, Record<string, unknown>>;
  assert.deepEqual(Object.keys(facts).sort(), ['files-one', 'files-two', 'image']);
  const pushed = await command('skopeo', [
    'inspect',
    '--raw',
    '--tls-verify=false',
    `docker://${rig.registry}/bake-${process.pid}/image:1`,
  ]);
  assert.equal(pushed.code, 0, pushed.stderr);
  const { stdout: history } = await rig.slipway(['history']);
  for (const name of ['files-one', 'files-two', 'image']) assert.match(history, new RegExp(`\\b${name}\\b`));
});

test('a Compose project is built, services on each other, with secrets and Dockerfiles in the file', async () => {
  await using rig = Rig.create();
  const compose = `services:
  base:
    build:
      dockerfile_inline: |
        FROM busybox
        RUN --mount=type=secret,id=word cat /run/secrets/word > /word
      secrets: [word]
  web:
    image: web:1
    build:
      context: web
      additional_contexts: { base: "service:base" }
secrets:
  word: { environment: WORD }
`;
  const files = { 'compose.yaml': compose, 'web/Dockerfile': 'FROM base\nCOPY f /f\n', 'web/f': 'web' };
  await succeeds(bake(rig, files, ['web'], { WORD: 'hush' }));
  const { stdout } = await succeeds(rig.slipway(['run', '--rm', 'web:1', 'cat', '/word', '/f']));
  assert.equal(stdout, 'hushweb');
});

test('a file comes by standard input, from the environment, or from a repository with its contexts', async () => {
  await using rig = Rig.create();
  const file = (out: string): string => `target "default" {\n  context = "sub"\n  output = ["${out}"]\n}\n`;
  const sub = { 'sub/Dockerfile': 'FROM scratch\nCOPY f /\n', 'sub/f': 'f' };
  const project = rig.context({ ...sub, 'other.hcl': file('by-variable') }, 'project');
  await succeeds(rig.slipway(['bake', '-f', '-'], { cwd: project, input: file('by-input') }));
  await succeeds(rig.slipway(['bake'], { cwd: project, env: { BUILDX_BAKE_FILE: 'other.hcl' } }));
  const repository = rig.context({ ...sub, 'docker-bake.hcl': file('by-git') }, 'repositories/shop.git');
  for (const words of [
    ['init', '-q'],
    ['add', '-A'],
    ['commit', '-qm', 'all'],
  ])
    runGit(repository, ...words);
  await using server = await serveGit(rig.path('repositories'));
  const empty = rig.context({}, 'empty');
  await succeeds(rig.slipway(['bake', `${server.address}/shop.git`], { cwd: empty }));
  assert.deepEqual(readdirSync(empty), ['by-git']);
  // What stands beside it here is added; an address may be the file itself, and then its contexts are here.
  const beside = rig.context({ 'more.hcl': 'target "default" {\n  output = ["by-both"]\n}\n' }, 'beside');
  await succeeds(rig.slipway(['bake', `${server.address}/shop.git`, '-f', 'docker-bake.hcl', '-f', 'cwd://more.hcl'], { cwd: beside }));
  assert.deepEqual(readdirSync(beside).sort(), ['by-both', 'more.hcl']);
  const web = createServer((_, response) => response.end(file('by-http'))).listen(0, '127.0.0.1');
  try {
    await once(web, 'listening');
    const address = `http://127.0.0.1:${(web.address() as AddressInfo).port}/docker-bake.hcl`;
    await succeeds(rig.slipway(['bake', address], { cwd: project }));
    const none = await rig.slipway(['bake', `${server.address}/shop.git`, '-f', 'other.hcl'], { cwd: project });
    assert.match(none.stderr, /there is no Bake file other\.hcl there\nhelp: name a file of the repository by -f/);
  } finally {
    web.close();
  }
  for (const path of ['project/by-input/f', 'project/by-variable/f', 'empty/by-git/f', 'beside/by-both/f', 'project/by-http/f'])
    assert.equal(readFileSync(rig.path(path), 'utf8'), 'f');
});

for (const name of ['rootless-subid', 'container-restricted'] as const) {
  test(`targets on each other, ${name}`, async () => {
    const below = mkdtempSync('/tmp/slipway-bake-');
    chmodSync(below, 0o755);
    try {
      await using place = openPlace(name, copyProduct(join(below, 'product')), below);
      const file = `target "base" { dockerfile-inline = "FROM busybox\\nRUN echo based > /base\\n" }
target "app" {
  contexts = { base = "target:base" }
  dockerfile-inline = "FROM base\\nRUN cat /base > /app\\nFROM scratch\\nCOPY --from=0 /app /\\n"
  output = ["type=tar,dest=-"]
}
`;
      const { code, stdout, stderr } = await place.slipway(['bake', '-f', '-', 'app'], { input: file, cwd: join(place.folder, 'home') });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /based\n/);
    } finally {
      rmSync(below, { recursive: true, force: true });
    }
  });
}

test('--call answers for each target', async () => {
  await using rig = Rig.create();
  const file = 'target "a" { description = "the first" }\ntarget "b" { dockerfile-inline = "FROM scratch\\nMAINTAINER x\\n" }\n';
  const files = { Dockerfile: 'FROM scratch\n', 'docker-bake.hcl': file };
  const { code, stdout } = await bake(rig, files, ['--check', 'a', 'b']);
  assert.equal(code, 1, 'something was found');
  assert.match(stdout, /^a\nthe first\n\nCheck complete, no warnings found\.\n\nb\n\nwarning: MaintainerDeprecated/);
  const json = await bake(rig, files, ['--call=check,format=json', 'a', 'b']);
  const { target } = JSON.parse(json.stdout) as { target: Record<string, { check: { warnings: unknown[] } }> };
  assert.deepEqual([target['a']?.check.warnings?.length ?? 0, target['b']?.check.warnings.length], [0, 1]);
});

test('a file may not reach beyond the folder, unless that is allowed', async () => {
  await using rig = Rig.create();
  rig.context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' }, 'beside');
  const files = {
    'docker-bake.hcl': 'target "default" {\n  context = "../beside"\n  output = ["../out"]\n  entitlements = ["network.host"]\n}\n',
  };
  const refused = await bake(rig, files, []);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /target default reads \.\.\/beside; target default writes \.\.\/out/);
  assert.match(refused.stderr, /add --allow network\.host --allow fs\.read=\.\.\/beside --allow fs\.write=\.\.\/out/);
  assert.equal(existsSync(rig.path('out')), false);
  await succeeds(bake(rig, files, ['--allow', 'network.host', '--allow', 'fs.read=../beside', '--allow', 'fs.write=../out']));
  assert.equal(readFileSync(rig.path('out/f'), 'utf8'), 'f');
  await succeeds(bake(rig, files, ['--allow', 'network.host', '--set', '*.context=../beside', '--set', '*.output=../out']));
  const unknown = await bake(rig, files, ['--allow', 'network.hosts']);
  assert.match(unknown.stderr, /unknown entitlement network\.hosts\nhelp: did you mean network\.host\?/);
});

const MISTAKES: readonly (readonly [string, string, readonly string[], RegExp])[] = [
  ['a target that is not there', 'target "app" {}\n', ['ap'], /failed to find target ap\nhelp: did you mean app\?/],
  ['no default', 'target "app" {}\n', [], /failed to find target default/],
  ['an expression that ends early', 'target "app" {\n  tags = ["a"\n}\n', ['app'], /docker-bake\.hcl:[23]/],
  ['a name that nothing has', 'target "app" {\n  tags = [TAGG]\n}\nvariable "TAG" {}\n', ['app'], /docker-bake\.hcl:2:\d+[^]*TAGG/],
  [
    'targets that stand on each other',
    'target "a" { contexts = { b = "target:b" } }\ntarget "b" { contexts = { a = "target:a" } }\n',
    ['a'],
    /a[^]*b/,
  ],
  [
    'a context that is not there',
    'target "app" {\n  context = "nowhere"\n}\n',
    ['app'],
    /path "nowhere" not found\n --> docker-bake\.hcl:1:1/,
  ],
  [
    'a policy',
    'target "app" {\n  policy = ["filename=strict.rego"]\n}\n',
    ['app'],
    /target app has a policy, which is not evaluated here\n --> docker-bake\.hcl:1:1/,
  ],
];

for (const [what, file, args, said] of MISTAKES) {
  test(`${what} is told with its place`, async () => {
    await using rig = Rig.create();
    const { code, stderr } = await bake(rig, { Dockerfile: 'FROM scratch\n', 'docker-bake.hcl': file }, args);
    assert.equal(code, 1);
    assert.match(stderr, said);
  });
}

test('a misspelt attribute is a doubt, as it is nothing for Docker’s command', async () => {
  await using rig = Rig.create();
  const file = 'target "app" {\n  contxt = "."\n  output = ["out"]\n}\n';
  const { stderr } = await succeeds(bake(rig, { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n', 'docker-bake.hcl': file }, ['app']));
  assert.match(stderr, /warning: .*contxt[^]*docker-bake\.hcl:2:3[^]*context/);
  assert.ok(existsSync(rig.path('project/out/Dockerfile')));
});

test('a step that fails is told with its target, and the others are ended', async () => {
  await using rig = Rig.create();
  const file = 'group "default" { targets = ["bad", "slow"] }\ntarget "bad" { target = "bad" }\ntarget "slow" { target = "slow" }\n';
  const files = {
    Dockerfile: 'FROM busybox AS slow\nRUN sleep 600\nFROM busybox AS bad\nRUN echo is wrong; exit 4\n',
    'docker-bake.hcl': file,
  };
  const { code, stderr } = await bake(rig, files, ['--metadata-file', 'facts.json']);
  assert.equal(code, 1);
  assert.match(stderr, /target bad:\nerror: EXEC_EXIT[^]*Dockerfile:4/);
  assert.equal(stderr.split('error: EXEC_EXIT').length, 2, 'once');
  const facts = JSON.parse(readFileSync(rig.path('project/facts.json'), 'utf8')) as Record<string, Record<string, { code?: string }>>;
  assert.equal(facts['bad']?.['slipway.error']?.code, 'EXEC_EXIT');
});

test('two targets write into one folder; only one to standard output', async () => {
  await using rig = Rig.create();
  const target = (name: string, output: string): string =>
    `target "${name}" {\n  dockerfile-inline = "FROM scratch\\nCOPY ${name} /bin/\\n"\n  output = ["${output}"]\n}\n`;
  const files = { a: 'a', b: 'b', 'docker-bake.hcl': target('a', 'out') + target('b', 'out') };
  await succeeds(bake(rig, files, ['a', 'b']));
  assert.deepEqual(readdirSync(rig.path('project/out/bin')), ['a', 'b']);
  const both = { 'docker-bake.hcl': target('a', 'type=tar,dest=-') + target('b', 'type=tar,dest=-') };
  const { code, stderr } = await bake(rig, both, ['a', 'b']);
  assert.equal(code, 1);
  assert.match(stderr, /targets a and b both write to standard output/);
});

test('no file, and a name that is nearly one', async () => {
  await using rig = Rig.create();
  const none = await bake(rig, { Dockerfile: 'FROM scratch\n' }, []);
  assert.match(none.stderr, /there is no Bake file in this folder\nhelp: write docker-bake\.hcl or compose\.yaml, or name a file by -f/);
  const near = await bake(rig, { 'docker-bake.hcl': '' }, ['-f', 'docker-bak.hcl']);
  assert.match(near.stderr, /cannot read the Bake file docker-bak\.hcl: no such file\nhelp: did you mean docker-bake\.hcl\?/);
});
