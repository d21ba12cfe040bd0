// What buildGraph refuses and how it says so, and what it does not even look at.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError, SlipwayError } from '../base/index.ts';
import { parseDockerfile } from '../dockerfile/index.ts';
import { fakeResolver, AMD64, PLAIN } from './fake-resolver.ts';
import { buildGraph, type GraphOptions, type GraphResult } from './index.ts';

function graphOf(text: string, options: Partial<GraphOptions> = {}, resolver = fakeResolver()): Promise<GraphResult> {
  return buildGraph(parseDockerfile(text), { buildPlatform: AMD64, ...options }, resolver);
}

async function failureOf(text: string, options: Partial<GraphOptions> = {}): Promise<SlipwayError> {
  try {
    await graphOf(text, options);
  } catch (error) {
    if (isSlipwayError(error)) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: `nothing was wrong with\n${text}` });
}

/** Dockerfile, line that is blamed, message, hint. */
const MISTAKES: readonly (readonly [text: string, line: number, message: RegExp, hint?: RegExp])[] = [
  [
    'FROM scratch AS a\nCOPY --from=b /x /\nFROM scratch AS b\nFROM a',
    2,
    /^cannot copy from stage "b", it needs to be defined before/,
    /move the stage b in front of a/,
  ],
  ['FROM scratch AS a\nRUN --mount=from=b,target=/x y\nFROM scratch AS b\nFROM a', 2, /^cannot mount from stage "b" to "\/x"/],
  ['FROM scratch\nCOPY --from=0 /x /', 2, /^circular dependency detected on stage: stage-0/],
  ['FROM scratch AS a\nCOPY --from=b x /\nFROM scratch AS b\nCOPY --from=a y /', 2, /^circular dependency.*a -> b -> a/],
  ['FROM scratch\nCOPY --from=7 /x /', 2, /^invalid stage index 7/, /from 0 to 0/],
  ['FROM scratch\nCOPY --from=$X /x /', 2, /^variable expansion is not supported for --from/],
  ['FROM $BASE', 1, /^base name \(\$BASE\) should not be blank/],
  ['ARG VERSION=1\nFROM ${VERSIO}', 2, /should not be blank/, /did you mean VERSION/],
  ['FROM --platform=$NOPE busybox', 1, /^empty platform value from expression \$NOPE/],
  ['FROM --platform=linux/amd65 busybox\nFROM --platform=lunix busybox', 2, /^failed to parse platform lunix/],
  ['FROM scratch AS base\nFROM Base', 2, /^failed to parse stage name "Base"/, /write base/],
  ['FROM scratch\nENV a="${b:?must be given}"', 2, /must be given/],
  ['FROM scratch\nSTOPSIGNAL SIGTREM', 2, /^invalid signal: SIGTREM/, /SIGTERM/],
  ['FROM scratch\nEXPOSE 70000', 2, /^invalid containerPort: 70000/],
  ['FROM scratch\nCOPY --chmod=999 a /', 2, /invalid chmod parameter: '999'/],
  ['FROM scratch\nCOPY https://example.org/x /', 2, /source can't be a URL for COPY/],
  ['FROM scratch\nCOPY git@host:x/y /', 2, /source can't be a git ref for COPY/],
  ['FROM scratch\nADD --checksum=sha256:00 a /', 2, /checksum requires HTTP\(S\) or Git sources/],
  ['FROM scratch\nADD git://h/r?x=1 /', 2, /unexpected query "x"/],
  ['FROM scratch\nRUN --mount=target=/ x', 2, /^invalid mount target "\/"/],
  ['FROM scratch\nRUN --mount=type=secret,id=a,target=/ x', 2, /^invalid mount target "\/"/, /mount below it/],
  ['FROM scratch\nRUN --mount=type=ssh,target=/ x', 2, /^invalid mount target "\/"/, /mount below it/],
  ['FROM busybox\nCOPY --link --chown=www-data a /', 2, /names can't be resolved when used with --link/],
  ['FROM scratch\nRUN --mount=type=cash,target=/x x', 2, /unsupported mount type "cash"/, /did you mean cache/],
  ['FROM scratch\nRUN []', 2, /arguments are required/],
  ['FROM scratch\nVOLUME $nothing', 2, /VOLUME specified can not be an empty string/],
  ['ARG SOURCE_DATE_EPOCH=src\nFROM busybox AS src\nRUN x\nFROM scratch', 2, /stage must use FROM scratch/],
];

for (const [text, line, message, hint] of MISTAKES) {
  void test(`refused: ${JSON.stringify(text)}`, async () => {
    const error = await failureOf(text);
    assert.match(error.message, message);
    assert.equal(error.code, 'DOCKERFILE_INVALID');
    assert.equal(error.location?.range.start.line, line);
    if (hint !== undefined) assert.match(error.hint ?? '', hint);
  });
}

void test('mistakes of independent stages are reported together', async () => {
  const error = await failureOf(
    'FROM scratch AS a\nEXPOSE x\nEXPOSE y\nFROM scratch AS b\nSTOPSIGNAL 0\nFROM a\nCOPY --from=b /x /\nVOLUME $none',
  );
  const diagnostics = error.facts['diagnostics'] as readonly { readonly range: { readonly start: { readonly line: number } } }[];
  assert.deepEqual(
    diagnostics.map(({ range }) => range.start.line),
    [2, 5],
  );
});

void test('an unknown target is refused with a suggestion; numbers are for the classic builder', async () => {
  const text = 'FROM scratch AS build\nFROM scratch AS final';
  assert.match((await failureOf(text, { target: 'fianl' })).hint ?? '', /did you mean final/);
  assert.equal((await failureOf(text, { target: '0' })).code, 'TARGET_UNKNOWN');
  assert.match((await failureOf(text, { target: '0' })).hint ?? '', /did you mean build/);
  const [platform] = (await graphOf(text, { target: '0', allStages: true })).platforms;
  assert.deepEqual(
    platform?.stages.map(({ name }) => name),
    ['build'],
  );
  assert.match((await failureOf(text, { gates: ['tests'] })).message, /no stage is called "tests"/);
});

void test('only what the target needs is asked for, and once', async () => {
  const resolver = fakeResolver();
  const text =
    'FROM missing AS unused\nFROM busybox AS a\nFROM busybox:latest AS b\nRUN x\nFROM alpine\nCOPY --from=a /x /\nCOPY --from=docker.io/library/busybox /y /';
  await graphOf(text, { platforms: [AMD64] }, resolver);
  assert.deepEqual(resolver.asked, ['docker.io/library/busybox:latest', 'docker.io/library/alpine:latest']);
});

void test('a base that is missing names its line, and the stage that may be meant', async () => {
  const error = await failureOf('FROM busybox AS mising\nFROM missing');
  assert.equal(error.code, 'IMAGE_UNKNOWN');
  assert.equal(error.location?.range.start.line, 2);
  assert.match(error.hint ?? '', /did you mean the stage mising\?/);
  const lost = { ...fakeResolver(), resolveImage: () => Promise.reject(new SlipwayError('MANIFEST_UNKNOWN', 'not found')) };
  const hintOf = async (base: string): Promise<string> => {
    const failure = await graphOf(`FROM ${base}`, {}, lost as ReturnType<typeof fakeResolver>).catch((thrown: unknown) => thrown);
    return (failure as SlipwayError).hint ?? '';
  };
  assert.match(await hintOf('ubunut:22.04'), /did you mean ubuntu:22\.04\?/);
  assert.equal(await hintOf('ubuntu:99'), '');
  assert.equal(await hintOf('example.org/ubunut:22.04'), '');
});

void test('an output of another graph is taken in with all that it stands on', async () => {
  const first = await graphOf('FROM busybox\nRUN one');
  const root = first.platforms[0]?.root;
  const resolver = fakeResolver({ linked: { tree: { output: root }, config: PLAIN } });
  const second = await graphOf('FROM linked\nRUN two\nCOPY --from=linked /a /', { namedContexts: ['linked'] }, resolver);
  assert.deepEqual(
    second.vertices.map(({ op }) => (op.type === 'exec' ? op.args.at(-1) : op.type)),
    ['source', 'one', 'two', 'file'],
  );
  assert.equal(second.vertices[1]?.digest, root?.vertex.digest);
});

void test('a name of an owner is looked up where a mode keeps --link from having an effect', async () => {
  const { vertices } = await graphOf('FROM busybox\nCOPY --link --chmod=go-w --chown=www-data a /');
  const [action] = vertices.flatMap(({ op }) => (op.type === 'file' ? op.actions : [])).map((one) => one.action);
  assert.deepEqual(action?.kind === 'copy' ? action.owner : undefined, { user: { name: 'www-data', input: 0 } });
});

void test('an image that stands for a stage is the base of what stands on the stage', async () => {
  const root = (await graphOf('FROM busybox')).platforms[0]?.root;
  const resolver = fakeResolver({ a: { tree: { output: root }, config: PLAIN } });
  const text = 'FROM busybox AS a\nRUN one\nFROM a\nRUN two';
  for (const target of ['a', undefined]) {
    const graph = await graphOf(text, { namedContexts: ['a'], ...(target === undefined ? {} : { target }) }, resolver);
    assert.equal(graph.platforms[0]?.baseConfig, PLAIN);
  }
});

void test('a context that is no local folder is used as given; the ignore file is not for it', async () => {
  const source = { kind: 'git', remote: 'https://host/r.git', keepGitDir: false, submodules: true } as const;
  const graph = await graphOf('FROM scratch\nCOPY x.log /', { context: { source, name: '[internal] load git source' }, ignore: ['*.log'] });
  assert.deepEqual(graph.diagnostics, []);
  assert.deepEqual(graph.vertices[0]?.op, { type: 'source', source });
});

void test('SOURCE_DATE_EPOCH=context asks for the time of the context', async () => {
  const source = { kind: 'http', url: 'https://host/context.tar', filename: 'context' } as const;
  const resolver = { ...fakeResolver(), sourceTime: () => Promise.resolve(1234567890) };
  const options = { context: { source }, buildArgs: { SOURCE_DATE_EPOCH: 'context' } };
  const [platform] = (await graphOf('FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL at=$SOURCE_DATE_EPOCH', options, resolver)).platforms;
  assert.equal(platform?.epoch, 1234567890);
  assert.equal(platform?.history[0]?.entry.created, '2009-02-13T23:31:30Z');
  assert.deepEqual(platform?.config.config?.Labels, { at: '1234567890' });
});

void test('what check= says counts: rules that are off, and findings that fail the build', async () => {
  const quiet = await graphOf('# check=skip=MaintainerDeprecated\nFROM scratch\nMAINTAINER me');
  assert.deepEqual(quiet.diagnostics, []);
  const failed = await failureOf('# check=error=true\nFROM scratch\nCMD x');
  assert.equal(failed.message, 'lint violation found for rules: JSONArgsRecommended');
  assert.match((await failureOf('# check=skipp=x\nFROM scratch')).message, /invalid check option/);
  const heard: string[] = [];
  await assert.rejects(graphOf('FROM scratch\nENV a 1\nEXPOSE x', { report: ({ rule }) => heard.push(rule) }));
  assert.deepEqual(heard, ['LegacyKeyValueFormat']);
});

void test('an image without layers is an empty start; a platform the machine runs is taken from the image', async () => {
  const [empty] = (await graphOf('FROM no-layers')).platforms;
  assert.equal(empty?.root, undefined);
  const resolver = fakeResolver();
  const arm = { os: 'linux', architecture: 'arm64' } as const;
  const [found] = (
    await buildGraph(
      parseDockerfile('FROM busybox\nRUN x'),
      { buildPlatform: arm },
      { ...resolver, resolveImage: (ref) => Promise.resolve({ ref, config: PLAIN }) },
    )
  ).platforms;
  assert.deepEqual(found?.platform, { os: 'linux', architecture: 'amd64' });
  assert.equal(found?.root?.vertex.platform.architecture, 'arm64');
});

void test('build arguments that mean something are refused when they cannot be meant', async () => {
  const says = async (buildArgs: Record<string, string>, more: Partial<GraphOptions> = {}): Promise<string> => {
    const { code, message } = await failureOf('FROM scratch', { buildArgs, ...more });
    assert.equal(code, 'BUILD_ARG_INVALID');
    return message;
  };
  assert.equal(await says({ BUILDKIT_MULTI_PLATFORM: 'x' }), 'invalid boolean value for multi-platform: x');
  const two = { platforms: [AMD64, { os: 'linux', architecture: 'arm64' }] };
  assert.match(await says({ BUILDKIT_MULTI_PLATFORM: '0' }, two), /^conflicting config: returning multiple target platforms/);
  assert.match(await says({ BUILDKIT_DISABLE_FILEOP: '1' }), /^support for "BUILDKIT_DISABLE_FILEOP" build-arg was removed/);
  const harmless = { BUILDKIT_DISABLE_FILEOP: '0', BUILDKIT_MULTI_PLATFORM: '1', unknown: 'x' };
  assert.equal((await graphOf('FROM scratch', { buildArgs: harmless })).multiPlatform, true);
});

void test('an aborted graph ends with the reason', async () => {
  const control = new AbortController();
  control.abort(new Error('enough'));
  await assert.rejects(buildGraph(parseDockerfile('FROM scratch'), { buildPlatform: AMD64 }, fakeResolver(), control.signal), /enough/);
});

test('each source of the finished graph is admitted, and another may take its place', async () => {
  const text = 'FROM busybox AS a\nADD https://example.org/f /\nRUN one\nFROM a\nCOPY x /';
  const resolver = fakeResolver();
  const plain = await graphOf(text, {}, resolver);
  const asked: string[] = [];
  const graph = await graphOf(
    text,
    {},
    {
      ...resolver,
      admitSource: (source, _, { location }) => {
        asked.push(`${source.kind} ${location?.range.start.line}`);
        return Promise.resolve(source.kind === 'http' ? { ...source, checksum: 'sha256:b' } : source);
      },
    },
  );
  assert.deepEqual(asked, ['image 1', 'http 2', 'local undefined']);
  const digests = ({ vertices }: GraphResult): string[] => vertices.map(({ digest }) => digest);
  assert.equal(
    new Set([...digests(plain), ...digests(graph)]).size,
    2 + 2 * (plain.vertices.length - 2),
    'more than image and folder is the same',
  );
  await assert.rejects(graphOf(text, {}, { ...resolver, admitSource: () => Promise.reject(new Error('denied')) }), /denied/);
});
