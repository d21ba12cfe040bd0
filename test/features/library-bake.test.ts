// Bake files and Compose projects in a program: what `readBake()` makes of them is what `slipway bake` builds.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import {
  type BakeRights,
  buildTogether,
  callDockerfile,
  isSlipwayError,
  listBake,
  readBake,
  type ReadBakeOptions,
  type SlipwayError,
  type TogetherResult,
} from '../../src/index.ts';
import { runGit, serveGit } from '../rig/git-server.ts';
import { type Files, Rig } from '../rig/rig.ts';

const DOCKERFILE = `FROM busybox AS build
ARG WHAT=nothing
RUN echo $WHAT > /made
FROM scratch AS files
COPY --from=build /made /
FROM build AS checks
RUN test -s /made
`;

/** Builds on the rig's store and bases. */
async function built(rig: Rig, { builds }: Awaited<ReturnType<typeof readBake>>): Promise<TogetherResult> {
  const settings = { registries: { 'docker.io': { mirrors: [rig.registry] }, [rig.registry]: { http: true } } };
  return await buildTogether({ root: rig.store, settings, builds });
}

/** Reads text as `docker-bake.hcl` of a folder with a Dockerfile. */
function options(rig: Rig, text: string, more: ReadBakeOptions = {}): ReadBakeOptions {
  const folder = rig.context({ Dockerfile: DOCKERFILE }, 'project');
  return { folder, files: [{ filename: 'docker-bake.hcl', text }], ...more };
}

/** The failure that a promise ends with. */
async function failureOf(work: Promise<unknown>): Promise<SlipwayError> {
  const error: unknown = await work.then(
    () => assert.fail('it is no failure'),
    (failure: unknown) => failure,
  );
  assert.ok(isSlipwayError(error), String(error));
  return error;
}

test('targets of a file are told as data, and built as slipway bake builds them', async () => {
  await using rig = Rig.create();
  const file = `variable "OUT" {}
variable "TAG" { default = "dev" }
group "default" { targets = ["files"] }
target "base" { target = "build" }
target "files" {
  matrix = { what = ["one", "two"] }
  name = "files-\${what}"
  target = "files"
  args = { WHAT = what }
  output = ["\${OUT}/\${what}"]
}
target "image" {
  dockerfile-inline = "FROM base\\nRUN cat /made > /copied\\n"
  contexts = { base = "target:base" }
  tags = ["image:\${TAG}"]
}
`;
  const folder = rig.context({ Dockerfile: DOCKERFILE, 'docker-bake.hcl': file }, 'project');
  const names = { variables: { OUT: 'out' }, env: { TAG: 'v1' }, targets: ['default', 'image'] };
  const bake = await readBake({ folder, ...names, set: ['files-two.args.WHAT=changed'] });
  const groups = bake.groups.map(({ name, targets }) => [name, targets]);
  assert.deepEqual(groups, [
    ['default', ['files', 'image']],
    ['files', ['files-one', 'files-two']],
  ]);
  assert.deepEqual(Object.keys(bake.targets), ['base', 'files-one', 'files-two', 'image']);
  assert.deepEqual(bake.targets['files-two']?.args, { WHAT: 'changed' });
  assert.deepEqual(bake.builds['image']?.tags, ['image:v1']);
  assert.deepEqual(structuredClone(bake.builds), bake.builds, 'plain data');
  const results = await built(rig, bake);
  assert.ok(results['image']?.digest !== undefined);
  assert.equal(readFileSync(rig.path('project/out/one/made'), 'utf8'), 'one\n');
  assert.equal(readFileSync(rig.path('project/out/two/made'), 'utf8'), 'changed\n');
  const { code, stderr } = await rig.slipway(['bake', '--var', 'OUT=again', '--set', 'files-two.args.WHAT=changed', 'default', 'image'], {
    cwd: folder,
    env: { TAG: 'v1' },
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /CACHED/);
  assert.doesNotMatch(stderr, /^#\d+ [\d.]+ /m, 'the command finds every step of the program cached');
});

test('a Compose project, and what a target asks of its Dockerfile', async () => {
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
    build: { context: web, additional_contexts: { base: "service:base" } }
secrets:
  word: { environment: WORD }
`;
  const files: Files = { 'compose.yaml': compose, 'web/Dockerfile': 'FROM base\nMAINTAINER me\n' };
  const folder = rig.context(files, 'project');
  await built(rig, await readBake({ folder, targets: ['web'], env: { WORD: 'hush' } }));
  assert.equal((await rig.slipway(['run', '--rm', 'web:1', 'cat', '/word'])).stdout, 'hush');
  const { builds, calls } = await readBake({ folder, targets: ['web'], set: ['web.call=check,format=json'] });
  assert.deepEqual(Object.keys(builds), ['base']);
  const { request, call } = calls['web'] ?? assert.fail();
  assert.equal(call.method, 'check');
  const { document } = await callDockerfile({ root: rig.store, ...request, namedContexts: {} }, call);
  assert.match(JSON.stringify(document), /MaintainerDeprecated/);
});

test('what files define can be told of those that cannot be built', async () => {
  await using rig = Rig.create();
  const text = `variable "TAG" {
  description = "of all images"
  default = "dev"
}
group "all" { targets = ["app"] }
target "app" {
  contxt = "."
  context = "/nowhere"
  tags = ["app:\${TAG}"]
}
`;
  const files = [{ filename: 'docker-bake.hcl', text }];
  const { defined, variables, warnings } = await listBake({ folder: rig.folder, files, env: { TAG: 'v2' } });
  assert.deepEqual(defined, [{ name: 'all', group: ['app'] }, { name: 'app' }]);
  assert.deepEqual(variables, [{ name: 'TAG', description: 'of all images', value: 'v2' }]);
  assert.deepEqual(
    warnings.map(({ diagnostic, source }) => [source.filename, diagnostic.range.start.line]),
    [['docker-bake.hcl', 7]],
  );
});

const MISTAKES: readonly (readonly [what: string, text: string, more: ReadBakeOptions, code: string, message: RegExp, line?: number])[] = [
  ['a target that there is none of', 'target "app" {}', { targets: ['ap'] }, 'BAKE_TARGET_UNKNOWN', /find target ap/],
  ['no default', 'target "app" {}', {}, 'BAKE_TARGET_UNKNOWN', /find target default/],
  ['an override of none', 'target "app" {}', { targets: ['app'], set: ['ap.pull=true'] }, 'BAKE_TARGET_UNKNOWN', /matching 'ap'/],
  ['an override without a value', 'target "app" {}', { targets: ['app'], set: ['app.pull'] }, 'BAKE_INVALID', /invalid override app\.pull/],
  ['a file that ends early', 'target "app" {\n  tags = ["a"\n', { targets: ['app'] }, 'HCL_INVALID', /./, 2],
  ['a name that nothing has', 'target "app" {\n  tags = [TAGG]\n}\n', { targets: ['app'] }, 'HCL_INVALID', /TAGG/, 2],
  ['a context that is not there', '\ntarget "app" { context = "x" }', { targets: ['app'] }, 'CONTEXT_NOT_FOUND', /^target app: .*"x"/, 2],
  [
    'a value that cannot be',
    '\n\ntarget "app" { network = "n" }',
    { targets: ['app'] },
    'BAKE_INVALID',
    /^target app: network mode "n"/,
    3,
  ],
  ['a policy', '\ntarget "app" { policy = ["filename=x.rego"] }', { targets: ['app'] }, 'BAKE_POLICY', /^target app has a policy/, 2],
];

for (const [what, text, more, code, message, line] of MISTAKES) {
  test(`${what} is told with its place`, async () => {
    await using rig = Rig.create();
    const error = await failureOf(readBake(options(rig, text, more)));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.equal(error.location?.range.start.line, line);
    if (line !== undefined) assert.equal(error.location?.source.filename, 'docker-bake.hcl');
  });
}

test('files that are not there, and options that there are none of', async () => {
  await using rig = Rig.create();
  const folder = rig.context({ 'docker-bake.hcl': '' }, 'project');
  const none = await failureOf(readBake({ folder: rig.context({}, 'empty') }));
  assert.equal(none.code, 'BAKE_FILE_NOT_FOUND');
  const near = await failureOf(readBake({ folder, files: ['docker-bak.hcl'] }));
  assert.deepEqual([near.code, near.hint], ['BAKE_FILE_NOT_FOUND', 'did you mean docker-bake.hcl?']);
  for (const [given, message] of [
    [{ target: ['app'] }, /^there is no option target$/],
    [{ targets: 'app' }, /^the option targets must be an array of strings, not a string$/],
    [{ files: [{ text: '' }] }, /^the option files must be an array of paths or \{ filename, text \}/],
    [{ allow: { fs: ['/'] } }, /^there is no option allow\.fs$/],
    [{ allow: ['fs=*'] }, /^the option allow must be an object, not an array of strings$/],
    [{ settings: { registrys: {} } }, /^there is no option settings\.registrys$/],
    [null, /^the options must be an object, not null$/],
  ] as const) {
    const error = await failureOf(readBake(given as unknown as ReadBakeOptions));
    assert.equal(error.code, 'OPTION_INVALID');
    assert.match(error.message, message);
  }
  assert.match((await failureOf(listBake({ targets: [] } as object))).message, /^there is no option targets$/);
});

test('a file reaches what is below its folder; the rest is refused by its name, until the program allows that', async () => {
  await using rig = Rig.create();
  rig.context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' }, 'beside');
  const text =
    'target "default" {\n  context = "../beside"\n  output = ["../out"]\n  entitlements = ["network.host"]\n  ssh = ["default"]\n}\n';
  const env = { SSH_AUTH_SOCK: '/dev/null' };
  const error = await failureOf(readBake(options(rig, text, { env })));
  assert.equal(error.code, 'BAKE_NOT_ALLOWED');
  assert.match(error.message, /asks for network\.host; target default reads \.\.\/beside; .*writes \.\.\/out; .*uses your SSH agent/);
  const missing = error.facts['missing'] as BakeRights;
  assert.deepEqual(missing, { read: ['../beside'], write: ['../out'], entitlements: ['network.host'], ssh: true });
  assert.equal(existsSync(rig.path('out')), false);
  await built(rig, await readBake(options(rig, text, { env, allow: missing })));
  assert.equal(readFileSync(rig.path('out/f'), 'utf8'), 'f');
  const named = ['default.context=../beside', 'default.output=../out', 'default.entitlements=network.host'];
  const { builds } = await readBake(options(rig, text, { env, set: named, allow: { ssh: true } }));
  assert.deepEqual(builds['default']?.context, { kind: 'folder', path: rig.path('beside') }, 'what the program itself sets is allowed');
});

test('a file knows of the environment what the program gives it', async () => {
  await using rig = Rig.create();
  process.env['OF_THE_PROGRAM'] = 'hush';
  try {
    const text = `variable "OF_THE_PROGRAM" { default = "nothing" }
target "default" {
  args = { WHAT = OF_THE_PROGRAM }
  secret = ["id=word,env=OF_THE_PROGRAM"]
}
`;
    const without = await readBake(options(rig, text));
    assert.deepEqual(without.builds['default']?.buildArgs, { WHAT: 'nothing' });
    assert.deepEqual(without.builds['default']?.secrets, [{ id: 'word', kind: 'env', variable: 'OF_THE_PROGRAM', value: undefined }]);
    const given = await readBake(options(rig, text, { env: process.env }));
    assert.deepEqual(given.builds['default']?.buildArgs, { WHAT: 'hush' });
  } finally {
    delete process.env['OF_THE_PROGRAM'];
  }
});

test('a Compose project is made of files below its folder, unless the program allows others', async () => {
  await using rig = Rig.create();
  const compose = 'include:\n  - path: ../common/compose.yaml\n    env_file: ../common/words\n';
  const common = 'services:\n  web:\n    build:\n      dockerfile_inline: FROM scratch\n      args: { WORD: "${WORD}" }\n';
  rig.context({ 'compose.yaml': common, words: 'WORD=hush\n' }, 'common');
  const folder = rig.context({ 'compose.yaml': compose }, 'project');
  const error = await failureOf(readBake({ folder, targets: ['web'] }));
  assert.equal(error.code, 'BAKE_NOT_ALLOWED');
  assert.match(error.message, /^not allowed: the Bake file reads \.\.\/common\//);
  await assert.rejects(listBake({ folder }), { code: 'BAKE_NOT_ALLOWED' });
  const { builds } = await readBake({ folder, targets: ['web'], allow: { read: ['../common'] } });
  assert.deepEqual(builds['web']?.buildArgs, { WORD: 'hush' });
});

test('a file of a repository has its contexts there; giving up ends the fetch', async () => {
  await using rig = Rig.create();
  const text = 'target "default" {\n  context = "sub"\n  output = ["made"]\n}\n';
  const repository = rig.context(
    { 'docker-bake.hcl': text, 'sub/Dockerfile': 'FROM scratch\nCOPY f /\n', 'sub/f': 'f' },
    'repositories/shop.git',
  );
  for (const words of [
    ['init', '-q'],
    ['add', '-A'],
    ['commit', '-qm', 'all'],
  ])
    runGit(repository, ...words);
  await using server = await serveGit(rig.path('repositories'));
  const folder = rig.context({}, 'empty');
  const events: string[] = [];
  const bake = await readBake({
    folder,
    url: `${server.address}/shop.git`,
    root: rig.store,
    onProgress: ({ type }) => void events.push(type),
  });
  assert.deepEqual(bake.builds['default']?.context, { kind: 'url', url: `${server.address}/shop.git#:sub` });
  assert.ok(events.includes('vertex'), 'fetching is told');
  await built(rig, bake);
  assert.equal(readFileSync(rig.path('empty/made/f'), 'utf8'), 'f');

  const enough = new Error('enough');
  await assert.rejects(readBake({ folder, signal: AbortSignal.abort(enough) }), enough);
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  try {
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const abort = new AbortController();
    silent.once('request', () => abort.abort(enough));
    const reading = readBake({ folder, url: `http://127.0.0.1:${port}/docker-bake.hcl`, root: rig.store, signal: abort.signal });
    await assert.rejects(reading, enough);
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});
