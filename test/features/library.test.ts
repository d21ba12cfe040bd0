// `build()` in a program of somebody else: what that program does wrong, or gives up, ends the build and not the program.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { type KeyText, openImageStore, reportPage } from '../../src/index.ts';
import { Rig } from '../rig/rig.ts';

const KEYS = join(import.meta.dirname, '../../src/trust/testdata');

/** Runs a program that has `build` and `options`; resolves with what it printed. */
async function program(
  rig: Rig,
  body: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  rig.context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
  const settings = { registries: { 'docker.io': { mirrors: [rig.registry] }, [rig.registry]: { http: true } } };
  const options = { root: rig.store, settings, noCache: true, context: { kind: 'folder', path: rig.path('context') } };
  const index = new URL('../../src/index.ts', import.meta.url).href;
  writeFileSync(
    rig.path('program.mts'),
    `import { build, buildTogether } from ${JSON.stringify(index)};\nconst options = ${JSON.stringify(options)};\n${body}`,
  );
  return await new Promise((resolve) =>
    execFile(
      process.execPath,
      ['--import', 'tsx', rig.path('program.mts')],
      { env: { ...process.env, ...env } },
      (_error, stdout, stderr) => resolve({ stdout, stderr }),
    ),
  );
}

test('what the program’s own function throws is what the build rejects with', async () => {
  await using rig = Rig.create();
  const { stdout, stderr } = await program(
    rig,
    `const onProgress = () => { throw new Error('of the program'); };
for (const process of ['helper', 'own'])
  console.log(await build({ ...options, onProgress }, { process }).then(() => 'built', (error) => error.message));
`,
  );
  assert.deepEqual([stdout, stderr], ['of the program\nof the program\n', '']);
});

test('so is what it throws of a step’s output, which comes from outside of all that waits', async () => {
  await using rig = Rig.create();
  const { stdout, stderr } = await program(
    rig,
    `const onProgress = (event) => { if (event.type === 'log') throw new Error('of the program'); };
const dockerfile = { kind: 'text', text: 'FROM busybox\\nRUN echo said; sleep 1', filename: 'Dockerfile' };
const { context, noCache, root, settings } = options;
for (const process of ['helper', 'own']) {
  const ways = [
    () => build({ ...options, dockerfile, onProgress }, { process }),
    () => buildTogether({ root, settings, onProgress, builds: { a: { context, noCache, dockerfile } } }, { process }),
  ];
  for (const way of ways) console.log(await way().then(() => 'built', (error) => error.message));
}
`,
  );
  assert.deepEqual([stdout, stderr], ['of the program\n'.repeat(4), '']);
});

test('a signal that is aborted while the build’s process is started ends the build', async () => {
  await using rig = Rig.create();
  const { stdout } = await program(
    rig,
    `const abort = new AbortController();
const building = build({ ...options, signal: abort.signal });
abort.abort(new Error('enough'));
console.log(await building.then(() => 'built', (error) => error.message));
`,
  );
  assert.equal(stdout, 'enough\n');
});

test('a build whose program is gone ends without a word', async () => {
  await using rig = Rig.create();
  const { stderr } = await program(
    rig,
    `await build({ ...options, onProgress: () => process.kill(process.pid, 'SIGKILL') });
`,
  );
  assert.equal(stderr, '');
});

test('an output of an unknown kind is named as such', async () => {
  await using rig = Rig.create();
  const { stdout } = await program(
    rig,
    `const outputs = [{ type: 'foo', attributes: {} }];
console.log(await build({ ...options, outputs }, { process: 'own' }).then(() => 'built', ({ code, message }) => code + ' ' + message));
`,
  );
  assert.equal(stdout, 'OUTPUT_INVALID exporter "foo" could not be found\n');
});

test('an option that is undefined is one that was left out', async () => {
  await using rig = Rig.create();
  const { stdout } = await program(
    rig,
    `const settings = { ...options.settings, programEnv: undefined };
for (const process of ['helper', 'own'])
  console.log((await build({ ...options, root: undefined, settings, tags: ['app'] }, { process })).digest !== undefined);
`,
    { SLIPWAY_ROOT: rig.store },
  );
  assert.equal(stdout, 'true\ntrue\n');
  const { stdout: images } = await rig.slipway(['images']);
  assert.match(images, /^app:latest /m, 'it is in the store that the environment names');
});

test('a store is found from the folder that the program is in, also by the process that builds', async () => {
  await using rig = Rig.create();
  const { stdout } = await program(
    rig,
    `const dockerfile = { kind: 'text', text: 'FROM busybox\\nRUN echo ran', filename: 'Dockerfile' };
console.log(await build({ ...options, dockerfile, root: ${JSON.stringify(relative(process.cwd(), rig.path('near')))} }).then(() => 'built', (error) => error.message));
`,
  );
  assert.equal(stdout, 'built\n');
  assert.ok(existsSync(rig.path('near/v1')));
});

test('a mistake in the call is told by its option, before anything is done', async () => {
  await using rig = Rig.create();
  const { stdout } = await program(
    rig,
    `const tell = ({ code, message, hint }) => console.log(code, message, hint ?? '');
await build({ ...options, tag: 'app' }).catch(tell);
await build({ ...options, context: '.' }).catch(tell);
await build().catch(tell);
`,
  );
  assert.match(
    stdout,
    /^OPTION_INVALID there is no option tag did you mean tags\?\nOPTION_INVALID the option context must be .*, not a string \nOPTION_INVALID the options must be an object, not undefined .*\n$/,
  );
});

test('the images and past builds of a store answer a program as they answer the command', async () => {
  await using rig = Rig.create();
  const built = async (made: string): Promise<void> => {
    const context = rig.context({
      Dockerfile: `FROM busybox AS build\nRUN echo ${made} > /app\nFROM scratch\nCOPY --from=build /app /bin/app\nCMD ["/bin/app"]\n`,
    });
    const { code, stderr } = await rig.slipway(['build', '-t', 'app:1', context]);
    assert.equal(code, 0, stderr);
  };
  await built('first');
  await built('second');
  await using store = openImageStore({ root: rig.store, settings: { registries: { [rig.registry]: { http: true } } } });
  assert.deepEqual(
    store.list().map(({ name, platforms }) => [name, platforms.length]),
    [['app:1', 1]],
  );
  const { config, layers, files } = await store.inspect('app:1', { files: true });
  assert.deepEqual([config.config?.Cmd, layers.length], [['/bin/app'], 1]);
  assert.equal(files?.find(({ path }) => path === '/bin/app')?.made, 'stage-1 Dockerfile:4 COPY --from=build /app /bin/app');
  const { sources } = await store.why('/bin/app', 'app:1');
  assert.deepEqual(
    sources.map(({ stage, path, made }) => [stage, path, made]),
    [['build', '/app', 'build Dockerfile:2 RUN echo second > /app']],
  );
  await assert.rejects(store.why('/bin/none', 'app:1'), { code: 'PATH_UNKNOWN' });
  assert.deepEqual(
    (await store.check('app:1')).map(({ rule }) => rule),
    ['not-executable'],
  );

  assert.equal(store.history().length, 2);
  assert.ok(store.compare('^1', '^0').some(({ what, before, now }) => what === 'digest' && before !== now));
  assert.throws(() => store.compare('^7', '^0'), { code: 'HISTORY_UNKNOWN' });
  const report = await store.report(undefined, { since: '^1' });
  assert.ok(report.comparison !== undefined);
  assert.match(reportPage(report), /RUN echo second/);

  await store.tag('app:1', 'other:2');
  const name = `${rig.registry}/library-${process.pid}:1`;
  const digest = await store.publish('other:2', { type: 'registry', attributes: { push: 'true' } }, { names: [name] });
  const skopeo = ['inspect', '--tls-verify=false', '--format', '{{.Digest}} {{len .Layers}}', `docker://${name}`];
  assert.equal(execFileSync('skopeo', skopeo, { encoding: 'utf8' }), `${digest} 1\n`);
  const keyOf = (file: string): KeyText => ({ name: file, text: readFileSync(join(KEYS, file), 'utf8') });
  await assert.rejects(store.verify(name, [keyOf('cosign.pub')]), { code: 'TRUST_UNSIGNED' });
  await assert.rejects(store.sign(name, keyOf('cosign.key'), { password: 'no' }), { code: 'TRUST_KEY' });
  assert.equal(await store.sign(name, keyOf('cosign.key'), { password: 'pw' }), digest);
  assert.equal((await store.verify(name, [keyOf('cosign.pub')])).digest, digest);
  const given = AbortSignal.abort(new Error('enough'));
  await assert.rejects(store.publish('other:2', { type: 'oci', attributes: { dest: rig.path('x.tar') } }, { signal: given }), /enough/);
  assert.equal(store.remove('other:2'), 'other:2');
  await assert.rejects(store.inspect('other:2'), { code: 'IMAGE_UNKNOWN', hint: /`slipway images`/ });
  assert.throws(() => openImageStore({ roots: rig.store } as object), { code: 'OPTION_INVALID', hint: 'did you mean root?' });
});
