// What a program without types gives the library by mistake, and what it is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkOptions, checkPrune, checkRun, checkTogether } from './check-options.ts';
import type { BuildOptions } from './options.ts';

const refused = (options: unknown, message: RegExp, hint?: string): void =>
  assert.throws(
    () => checkOptions(options),
    (error: { code?: string; message: string; hint?: string }) =>
      error.code === 'OPTION_INVALID' && message.test(error.message) && error.hint === hint,
    String(message),
  );

void test('an option of another shape is named, with what it must be', () => {
  refused({ context: '.' }, /^the option context must be \{ kind: 'folder', path \} or .*, not a string$/);
  refused({ context: { kind: 'foldr', path: '.' } }, /^the option context must be .*, not an object with kind, path$/);
  refused({ context: { kind: 'folder' } }, /^the option context must be /);
  refused({ dockerfile: 'Dockerfile' }, /^the option dockerfile must be \{ kind: 'path', path \}/);
  refused({ tags: 'app' }, /^the option tags must be an array of strings, not a string$/);
  refused({ tags: ['app', 1] }, /^the option tags must be an array of strings, not an array with a number$/);
  refused({ buildArgs: ['A=1'] }, /^the option buildArgs must be an object of strings, not an array of strings$/);
  refused({ outputs: ['type=oci'] }, /^the option outputs must be an array of \{ type, attributes \}, not an array of strings$/);
  refused({ outputs: [{ type: 'oci' }] }, /not an array with an object with type$/);
  refused({ secrets: [{ id: 'x', src: 'f' }] }, /^the option secrets must be an array of \{ id, kind: 'file', path \}/);
  refused({ settings: { registries: 'x' } }, /^the option settings\.registries must be an object of objects, not a string$/);
  refused({ onProgress: null }, /^the option onProgress must be a function, not null$/);
  for (const options of ['.', null, undefined])
    refused(options, /^the options must be an object/, "build({ context: { kind: 'folder', path: '.' } })");
});

void test('an option that there is none of is refused, with the nearest one', () => {
  refused({ tag: ['app'] }, /^there is no option tag$/, 'did you mean tags?');
  refused({ buildargs: {} }, /^there is no option buildargs$/, 'did you mean buildArgs?');
  refused({ settings: { registrys: {} } }, /^there is no option settings\.registrys$/, 'did you mean settings.registries?');
  refused({ constructor: 1 }, /^there is no option constructor$/);
});

void test('what stands inside an option is looked at, too', () => {
  refused({ resources: { memroy: 1 } }, /^there is no option resources\.memroy$/, 'did you mean resources.memory?');
  refused({ resources: { memory: '5g' } }, /^the option resources\.memory must be a number, not a string$/);
  refused({ limits: { timeout: 5 } }, /^there is no option limits\.timeout$/, 'did you mean limits.timeoutMs?');
  refused({ limits: { timeoutMs: Number.NaN } }, /^the option limits\.timeoutMs must be a number, not NaN$/);
  refused({ attests: [{ type: 'sbon', attributes: {} }] }, /^the option attests must be an array of \{ type: 'sbom' or 'provenance'/);
  refused({ secrets: [{ id: 'x', kind: 'file' }] }, /^the option secrets must be an array of \{ id, kind: 'file', path \}/);
  refused({ secrets: [{ id: 'x', kind: 'value', value: 'text' }] }, /^the option secrets must be /);
  refused({ settings: { gc: { maxbytes: 1 } } }, /^there is no option settings\.gc\.maxbytes$/, 'did you mean settings.gc.maxBytes?');
  refused(
    { settings: { trust: {} } },
    /^the option settings\.trust must be \{ rules, otherwise \}, as parseTrustPolicy gives it, not an object/,
  );
  refused(
    { settings: { registries: { r: { mirror: ['m'] } } } },
    /^there is no option settings\.registries\.r\.mirror$/,
    'did you mean settings.registries.r.mirrors?',
  );
  refused({ root: '' }, /^the option root must be a path, not an empty string$/);
});

void test('values are not told: they may be secrets', () => {
  for (const options of [{ secrets: 'hunter2' }, { secrets: ['hunter2'] }, { buildArgs: 'hunter2' }, { settings: 'hunter2' }])
    assert.throws(
      () => checkOptions(options),
      (error: Error) => !error.message.includes('hunter2'),
    );
});

void test('what the types allow is taken, undefined for absent too', () => {
  const options: BuildOptions = {
    context: { kind: 'empty' },
    dockerfile: { kind: 'text', text: 'FROM scratch', filename: 'Dockerfile' },
    tags: ['app'],
    buildArgs: { A: '1' },
    noCache: ['one', '2'],
    outputs: [{ type: 'oci', attributes: { dest: 'x' } }],
    secrets: [{ id: 'a', kind: 'value', value: new Uint8Array(1) }],
    ssh: [{ id: 'default', paths: ['/agent'] }],
    settings: { registries: { 'docker.io': { mirrors: ['m'] } }, gc: { disabled: true } },
    signal: new AbortController().signal,
    onProgress: () => {},
  };
  checkOptions(options);
  checkOptions(Object.fromEntries(Object.keys(options).map((name) => [name, undefined])));
  checkOptions({ buildArgs: { VERSION: undefined }, settings: { programEnv: undefined } });
  checkOptions({});
});

void test('each call has options of its own', () => {
  const mistakes: readonly (readonly [check: (options: unknown) => void, options: unknown, message: RegExp])[] = [
    [checkTogether, {}, /^there must be builds by name$/],
    [checkTogether, { builds: { app: { tag: [] } } }, /^there is no option builds\.app\.tag$/],
    [checkPrune, { keepDurationMs: '1h' }, /^the option keepDurationMs must be a number, not a string$/],
    [checkPrune, { image: 'app' }, /^there is no option image$/],
    [checkRun, { args: [] }, /^there must be an image$/],
    [checkRun, { image: 'app', settings: { rungs: '' } }, /^there is no option settings\.rungs$/],
    [checkRun, undefined, /^the options must be an object, not undefined$/],
  ];
  for (const [check, options, message] of mistakes) assert.throws(() => check(options), { code: 'OPTION_INVALID', message });
  checkPrune({ all: true, filter: ['inuse=false'], reservedBytes: 1 });
  checkRun({ image: 'app', env: { A: '1' }, onProgress: () => {} });
});
