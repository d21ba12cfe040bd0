// Frontends that are shipped as images: `# syntax=IMAGE` and `gateway.v0` run them, by the server and by a plain build alike, and they can
// run processes themselves.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundleProgram } from '../rig/bundle.ts';
import { type Outcome, Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

let rig: Rig;
let served: Served;
let context: string;
let image: string;

before(async () => {
  rig = Rig.create();
  served = await Served.start(rig);
  image = `${rig.registry}/frontend-${process.pid}/test:1`;
  const built = await served.buildx(['build', '--push', '-t', image, await frontendContext()]);
  assert.equal(built.code, 0, built.stderr);
  context = rig.context({ Dockerfile: `# syntax=${image}\nFROM busybox\nARG DO\nRUN echo made > /made\n` });
});
after(async () => {
  await served[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** The frontend with this Node and the libraries that it needs. */
async function frontendContext(): Promise<string> {
  const folder = rig.path('frontend');
  const root = join(folder, 'root');
  await bundleProgram(join(root, 'frontend'), 'test/rig/frontend-program.ts', []);
  const node = realpathSync(process.execPath);
  const libraries = execFileSync('ldd', [node], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  for (const file of [node, ...libraries]) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    cpSync(realpathSync(file), join(root, file));
  }
  writeFileSync(
    join(folder, 'Dockerfile'),
    `FROM scratch\nCOPY root /\nLABEL moby.buildkit.frontend.caps="moby.buildkit.frontend.contexts,moby.buildkit.frontend.inputs" moby.buildkit.frontend.network.none=true\nENTRYPOINT ["${node}", "/frontend/frontend-program.js"]\n`,
  );
  return folder;
}

function build(what: string, ...flags: string[]): Promise<Outcome> {
  return served.buildx(['build', '--progress=plain', '--build-arg', `DO=${what}`, ...flags, context]);
}

/** What the frontend found out, which is in the metadata of the build. */
async function answerOf(what: string): Promise<unknown> {
  const metadata = rig.path('metadata.json');
  const built = await build(what, '--metadata-file', metadata);
  assert.equal(built.code, 0, built.stderr);
  const value = (JSON.parse(readFileSync(metadata, 'utf8')) as Record<string, unknown>)['frontend.answer'];
  return typeof value === 'string' ? JSON.parse(value) : value;
}

test('a frontend image answers for its Dockerfiles', async () => {
  const built = await build('', '-o', rig.path('out'));
  assert.equal(built.code, 0, built.stderr);
  assert.equal(readFileSync(rig.path('out/made'), 'utf8'), 'made\n');
  assert.match(built.stderr, /resolve image config for docker-image:\/\/.*frontend-/);
});

test('its failures are told with the line that names it', async () => {
  for (const [what, message] of [
    ['crash', /frontend \S+ ended with exit code 3: there is no way to go on/],
    ['silent', /frontend \S+ ended without an answer/],
    ['fail', /InvalidArgument: refused by the frontend/],
  ] as const) {
    const failed = await build(what);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, message);
    assert.match(failed.stderr, /Dockerfile:1\n[^]*>>> # syntax=/);
  }
});

test('abilities that it does not claim are refused before it is started', async () => {
  const refused = await served.buildx(['build', '--call=outline', context]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /unsupported frontend capability moby\.buildkit\.frontend\.subrequests/);
});

test('it talks to a shell on a terminal: size, interrupt, exit code', async () => {
  const answer = (await answerOf('terminal')) as { readonly code: number; readonly output: string };
  assert.equal(answer.code, 42, answer.output);
  assert.match(answer.output, /\/dev\/(pts\/0|console)\r\n30 100\r\nxterm\r\n/);
  assert.match(answer.output, /resized\r\n50 70/);
  assert.doesNotMatch(answer.output, /\nafter/);
});

test('it runs processes in a container of its result, feeds them, and kills them', async () => {
  assert.deepEqual(await answerOf('exec'), {
    cat: { code: 5, stdout: 'through stdin', stderr: 'to stderr\n' },
    second: { code: 0, stdout: 'kept\n', stderr: '' },
    killed: { code: 137, stdout: '', stderr: '' },
    gone: 'container "../../../../../../../tmp/slipway-of-a-frontend" previously released or not created',
  });
  assert.equal(existsSync('/tmp/slipway-of-a-frontend'), false);
});

/** A plain build of the frontend's own language: shell commands, line by line. */
function plain(lines: string, flags: readonly string[] = [], more: Parameters<Rig['slipway']>[1] = {}): Promise<Outcome> {
  const folder = rig.context({ Dockerfile: `# syntax=${image}\n${lines}\n`, 'hello.txt': 'hello\n' }, 'plain');
  return rig.slipway(['build', '--progress=plain', '--build-arg', 'DO=language', ...flags, folder], more);
}

interface Inspected {
  readonly config?: unknown;
  readonly history: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[];
}

async function configOf(name: string): Promise<Inspected> {
  const shown = await rig.slipway(['inspect', '--format', 'json', name]);
  assert.equal(shown.code, 0, shown.stderr);
  return (JSON.parse(shown.stdout) as { config: Inspected }).config;
}

test('a plain build runs it: for Dockerfiles that it passes on', async () => {
  for (const flags of [[], ['--build-arg', 'DO=']]) {
    const built = await rig.slipway(['build', '--progress=plain', ...flags, '-o', rig.path('plain-out'), context]);
    assert.equal(built.code, 0, built.stderr);
    assert.equal(readFileSync(rig.path('plain-out/made'), 'utf8'), 'made\n');
  }
  const failed = await rig.slipway(['build', '--build-arg', 'DO=crash', context]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /Dockerfile:1\b/);
  assert.match(failed.stderr, /frontend \S+ ended with exit code 3: there is no way to go on/);
});

test('a plain build runs it: for a language of its own, with context, secret, config and cache', async () => {
  const secret = rig.path('secret.txt');
  writeFileSync(secret, 'sesame street');
  const metadata = rig.path('language.json');
  const flags = ['-t', 'language', '--secret', `id=s,src=${secret}`, '--metadata-file', metadata, '--target', 'whole'];
  const lines = 'cp /context/hello.txt /hello\ntest "$(cat /secret)" = "sesame street" && echo known > /known';
  const built = await plain(lines, flags);
  assert.equal(built.code, 0, built.stderr);
  const ran = await rig.slipway(['run', 'language', 'cat', '/hello', '/known']);
  assert.equal(ran.stdout, 'hello\nknown\n', ran.stderr);
  const config = await configOf('language');
  assert.deepEqual(config.config, { Labels: { language: 'own' } });
  assert.deepEqual(
    config.history.map(({ created_by: by, empty_layer: empty }) => [by, empty === true]),
    [['busybox', false], ...lines.split('\n').map((line) => [line, false])],
  );
  const facts = JSON.parse(readFileSync(metadata, 'utf8')) as { 'frontend.answer': string; 'slipway.steps': { state: string }[] };
  assert.deepEqual((JSON.parse(facts['frontend.answer']) as string[]).sort(), ['build-arg:DO', 'cmdline', 'filename', 'source', 'target']);
  assert.deepEqual(
    facts['slipway.steps'].map(({ state }) => state),
    ['executed', 'executed'],
  );
  const again = await plain(lines, flags);
  assert.match(again.stderr, /CACHED/);
  const cached = JSON.parse(readFileSync(metadata, 'utf8')) as typeof facts;
  assert.deepEqual(
    cached['slipway.steps'].map(({ state }) => state),
    ['cached', 'cached'],
  );
});

test('a plain build runs it: every kind of context reaches it', async () => {
  const copy = 'cp -r /context/. /copied';
  const file = rig.context({ Dockerfile: `# syntax=${image}\n${copy}\n`, 'a.txt': 'archive\n' }, 'archived');
  const tar = rig.path('context.tar');
  execFileSync('tar', ['-C', file, '-cf', tar, '.']);
  const out = (name: string): string[] => ['--build-arg', 'DO=language', '-o', rig.path(name)];
  const piped = await rig.slipway(['build', ...out('from-archive'), '-'], { input: readFileSync(tar) });
  assert.equal(piped.code, 0, piped.stderr);
  assert.equal(readFileSync(rig.path('from-archive/copied/a.txt'), 'utf8'), 'archive\n');
  const text = await rig.slipway(['build', ...out('from-text'), '-'], { input: `# syntax=${image}\n${copy}; echo text > /said\n` });
  assert.equal(text.code, 0, text.stderr);
  assert.equal(readFileSync(rig.path('from-text/said'), 'utf8'), 'text\n');
  const other = rig.context({ 'b.txt': 'named\n' }, 'other');
  const named = await plain(copy, ['--build-context', `other=${other}`, '-o', rig.path('from-named')]);
  assert.equal(named.code, 0, named.stderr);
  assert.equal(readFileSync(rig.path('from-named/copied/b.txt'), 'utf8'), 'named\n');
  const layout = rig.path('layout');
  const made = await plain('echo layer > /in-layout', ['-o', `type=oci,tar=false,dest=${layout}`]);
  assert.equal(made.code, 0, made.stderr);
  const fromLayout = await plain('cp /context/in-layout /copied', [
    '--build-context',
    `other=oci-layout://${layout}`,
    '-o',
    rig.path('from-layout'),
  ]);
  assert.equal(fromLayout.code, 0, fromLayout.stderr);
  assert.equal(readFileSync(rig.path('from-layout/copied'), 'utf8'), 'layer\n');
});

test('a plain build runs it: several platforms are an index', async () => {
  const built = await plain('echo $ARCH > /arch', ['--platform=linux/amd64,linux/arm64', '-o', rig.path('platforms')]);
  assert.equal(built.code, 0, built.stderr);
  for (const arch of ['amd64', 'arm64']) assert.equal(readFileSync(rig.path(`platforms/linux_${arch}/arch`), 'utf8'), `${arch}\n`);
});

test('a plain build tells what it says: its own mistakes and findings, failed steps, refusals', async () => {
  const mistake = await plain('true\n!no such word');
  assert.equal(mistake.code, 1);
  assert.match(mistake.stderr, /no such word[^]*Dockerfile:3\b/);
  const warned = await plain('echo sudo');
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(warned.stderr, /NoSudo[^]*there is no need/);
  for (const flags of [[], ['--build-arg', 'EVALUATE=1']]) {
    const failed = await plain('echo broken; exit 7', flags);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /exit code:? 7|exited with 7/);
  }
  const gate = await plain('true', ['--gate', 'test']);
  assert.match(gate.stderr, /a frontend image cannot be asked for gates/);
  const call = await rig.slipway(['build', '--call=outline', context]);
  assert.match(call.stderr, /unsupported frontend capability moby\.buildkit\.frontend\.subrequests/);
  const checked = await rig.slipway(['check', context]);
  assert.match(checked.stderr, /note: the file is for the frontend \S+ and was read as a Dockerfile here/);
  const missing = rig.context({ Dockerfile: `# syntax=${rig.registry}/no/such:1\n` }, 'missing');
  const absent = await rig.slipway(['build', missing]);
  assert.match(absent.stderr, /no\/such:1[^]*Dockerfile:1\b/);
});

test('without mounts and namespaces a plain build runs it too, unless it wants to be kept from the network', async () => {
  const chroot = ['--rung', 'container-chroot', '-o', rig.path('chroot')];
  const refused = await plain('true', chroot);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /the frontend \S+ wants to run without network: .* cannot be had on the rung container-chroot/);
  const open = `${image}-open`;
  const pushed = await rig.slipway(['build', '--push', '-t', open, '-'], {
    input: `FROM ${image}\nLABEL moby.buildkit.frontend.network.none=false\n`,
  });
  assert.equal(pushed.code, 0, pushed.stderr);
  const built = await plain('cp /context/hello.txt /hello', [...chroot, '--build-arg', `BUILDKIT_SYNTAX=${open}`]);
  assert.equal(built.code, 0, built.stderr);
  assert.equal(readFileSync(rig.path('chroot/hello'), 'utf8'), 'hello\n');
});
