// Frontends that are shipped as images: `# syntax=IMAGE` and `gateway.v0` run them, and they can run processes themselves.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundleProgram } from '../rig/bundle.ts';
import { type Outcome, Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

let rig: Rig;
let served: Served;
let context: string;

before(async () => {
  rig = Rig.create();
  served = await Served.start(rig);
  const image = `${rig.registry}/frontend-${process.pid}/test:1`;
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
    `FROM scratch\nCOPY root /\nLABEL moby.buildkit.frontend.caps="moby.buildkit.frontend.contexts" moby.buildkit.frontend.network.none=true\nENTRYPOINT ["${node}", "/frontend/frontend-program.js"]\n`,
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
    gone: 'container "one" previously released or not created',
  });
});
