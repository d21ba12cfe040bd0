// What is part of an answer to a call, and what is a failure of the question.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DiffID, digestOf } from '../base/index.ts';
import type { ImageResolver } from '../graph/index.ts';

import { answerCall } from './calls.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };

/** Every image is for amd64, whatever is asked for. */
const RESOLVER: ImageResolver = {
  resolveImage: (ref) =>
    Promise.resolve({
      ref,
      digest: digestOf(ref),
      config: { ...AMD64, rootfs: { type: 'layers', diff_ids: [digestOf('layer') as DiffID] } },
    }),
  resolveContext: () => Promise.reject(new Error('nothing here has a context')),
};

interface CheckDocument {
  readonly warnings: readonly {
    readonly ruleName: string;
    readonly location: { readonly ranges: readonly { readonly start: { line: number } }[] };
  }[];
  readonly buildError?: {
    readonly message: string;
    readonly location: { readonly ranges?: readonly { readonly start: { line?: number } }[] };
  };
}

async function ask(method: string, text: string, options: Partial<Parameters<typeof answerCall>[2]> = {}): Promise<unknown> {
  const source = { filename: 'Dockerfile', text };
  const answer = await answerCall(method, source, { buildPlatform: AMD64, ...options }, RESOLVER, new AbortController().signal);
  return answer.document;
}

async function check(text: string, options: Partial<Parameters<typeof answerCall>[2]> = {}): Promise<CheckDocument> {
  return (await ask('check', text, options)) as CheckDocument;
}

test('mistakes of the text are part of the answer, with their place', async () => {
  const answer = await check('FROM scratch\nENV a 1\nLABEL b=1 \\\n  c=${d:?is-needed}\n');
  assert.deepEqual(
    answer.warnings.map(({ ruleName, location }) => [ruleName, location.ranges[0]?.start.line]),
    [
      ['LegacyKeyValueFormat', 2],
      ['UndefinedVar', 3],
    ],
  );
  assert.match(answer.buildError?.message ?? '', /d: is-needed/);
  assert.deepEqual(linesOf(answer), [3, 4]);
});

test('a mistake is where BuildKit says it is: on each line of its instruction, from zero among directives, or nowhere', async () => {
  const places: readonly (readonly [string, readonly (number | undefined)[] | undefined])[] = [
    ['FROM scratch\nRUN --mount=type=zip \\\n  x\n', [2, 3]],
    ['FROM scratch\nCOPY <<E /x\n${x:?y}\nE\n', [2, 3, 4]],
    ['FROM scratch\nNOPE x\n', [2]],
    ['FROM scratch AS a\nCOPY --from=b x /\nFROM scratch AS b\nCOPY --from=a y /\n', [2, 4]],
    ['# check=skip=all\n# escape=`\n# check=skip=all\nFROM scratch\n', [2]],
    ['# escape=x\nFROM scratch\n', [undefined]],
    ['FROM scratch\nCOPY --from=9 x /\n', undefined],
    ['ARG a\n', undefined],
    ['', undefined],
  ];
  for (const [text, lines] of places) assert.deepEqual(linesOf(await check(text)), lines, text);
});

function linesOf({ buildError }: CheckDocument): readonly (number | undefined)[] | undefined {
  return buildError?.location.ranges?.map(({ start }) => start.line);
}

test('a refusal names the line that the instruction begins on, and of a text that cannot be taken apart what that is', async () => {
  const refusals: readonly (readonly [string, string])[] = [
    ['FROM scratch\nRUN \\\n --foo a\n', 'dockerfile parse error on line 2: unknown flag: --foo'],
    ['FROM scratch\n\\\nCOPY --from a b\n', 'dockerfile parse error on line 2: missing a value on flag: --from'],
    ['FROM scratch\nRUNN x\nENV a=b c\n', 'Syntax error - can\'t find = in "c". Must be of the form: name=value'],
  ];
  for (const [text, message] of refusals) assert.equal((await check(text)).buildError?.message, message);
});

test('what a FROM names and nobody declares is told also when that is what makes it fail', async () => {
  for (const text of ['FROM scratch${A:?no}\n', 'FROM --platform=linux/${A?} scratch\n']) {
    const { warnings, buildError } = await check(text);
    assert.deepEqual(
      warnings.map(({ ruleName }) => ruleName),
      ['UndefinedArgInFrom'],
    );
    assert.match(buildError?.message ?? '', /: A: /);
  }
});

test('checks end at the first mistake, as BuildKit does', async () => {
  const { warnings, buildError } = await check('FROM scratch AS a\nENV x=$y\nENV x=${y?no}\nFROM scratch\nENV z=$w\nFROM a\n');
  assert.deepEqual(
    warnings.map(({ location }) => location.ranges[0]?.start.line),
    [2, 3],
  );
  assert.equal(buildError?.location.ranges?.[0]?.start.line, 3);
});

test('what has no line in the text is part of the answer, too', async () => {
  const unknown = await check('FROM scratch AS a\n', { target: 'b' });
  assert.match(unknown.buildError?.message ?? '', /target stage "b" could not be found/);
  const ignore = await check('FROM scratch\nCOPY a /\n', { ignore: ['[z-a]'] });
  assert.match(ignore.buildError?.message ?? '', /failed parsing \.dockerignore: syntax error in pattern: \[z-a\]/);
  const option = await check('# check=nonsense\nFROM scratch\n');
  assert.match(option.buildError?.message ?? '', /invalid check option "nonsense"/);
  assert.deepEqual(
    [unknown, ignore, option].map(({ buildError }) => buildError?.location),
    [{}, {}, {}],
  );
});

test('calls are answered for the platform that builds; a FROM may ask for another', async () => {
  const platforms = [{ os: 'linux', architecture: 's390x' }];
  assert.deepEqual((await check('FROM busybox\n', { platforms })).warnings, []);
  const { warnings } = await check('FROM --platform=linux/arm64 busybox AS arm64\n', { platforms });
  assert.deepEqual(
    warnings.map(({ ruleName }) => ruleName),
    ['InvalidBaseImagePlatform'],
  );
  const outline = await ask('outline', 'FROM scratch\nARG TARGETARCH\nARG for=$TARGETARCH\n', { platforms });
  assert.equal((outline as { args: readonly { value: string }[] }).args[0]?.value, 'amd64');
});

test('a wrong build argument is a failure, not an answer', async () => {
  const wrong = { buildArgs: { BUILDKIT_DOCKERFILE_CHECK: 'nonsense' } };
  await assert.rejects(check('FROM scratch\n', wrong), { code: 'CHECK_OPTION_INVALID' });
});

test('a file of global ARGs has no targets; one without anything is no file', async () => {
  assert.deepEqual(((await ask('targets', 'ARG a=1\n')) as { targets: unknown }).targets, []);
  await assert.rejects(ask('targets', '# nothing\n'), { code: 'DOCKERFILE_INVALID' });
  await assert.rejects(ask('targets', 'ARG a=1\nNONSENSE\n'), { code: 'DOCKERFILE_INVALID' });
});

test('each line of an instruction is a range of its own; where there is nothing to be shown, there is none', async () => {
  const { warnings } = await check('FROM scratch\nCMD one \\\n  two\n');
  assert.deepEqual(
    warnings.map(({ location }) => location.ranges.map(({ start }) => start.line)),
    [[2, 3]],
  );
  for (const text of ['', 'ARG a=1\n']) assert.deepEqual((await check(text)).buildError?.location, {});
  assert.equal((await check('# nothing\n')).buildError?.location.ranges?.length, 1);
});
