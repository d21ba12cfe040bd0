import assert from 'node:assert/strict';
import { test } from 'node:test';

import { detectSyntax } from './directives.ts';
import { renderFrame } from './frame.ts';
import { parseDockerfile, parseTrigger } from './parse.ts';

function messages(text: string): readonly string[] {
  return parseDockerfile(text).diagnostics.map(({ range, message }) => `${range.start.line}: ${message}`);
}

test('a line has 65535 bytes at most', () => {
  const line = (bytes: number): string => `FROM scratch\n${'LABEL a='.padEnd(bytes, 'x')}\n`;
  assert.deepEqual(messages(line(65535)), []);
  assert.deepEqual(messages(line(65536)), ['2: dockerfile line greater than max allowed size of 65535']);
  assert.deepEqual(messages(`FROM scratch\nLABEL a=${'é'.repeat(32764)}`), ['2: dockerfile line greater than max allowed size of 65535']);
  assert.deepEqual(messages(`FROM scratch\nRUN <<EOF\n${'x'.repeat(70000)}\nEOF\n`), [
    '3: dockerfile line greater than max allowed size of 65535',
  ]);
});

test('a file without instructions is refused in words', () => {
  assert.deepEqual(messages(''), ['1: the Dockerfile cannot be empty']);
  assert.deepEqual(messages('\ufeff'), ['1: file with no instructions']);
  assert.deepEqual(messages('\n'), ['1: file with no instructions']);
});

test('which frontend a file asks for', () => {
  const asked = (text: string): unknown => {
    const found = detectSyntax(text);
    return found === undefined ? undefined : [found.word, found.value, found.range.start.line];
  };
  assert.deepEqual(asked('\ufeff# syntax = a/b:1 opts\nFROM x'), ['a/b:1', 'a/b:1 opts', 1]);
  assert.deepEqual(asked('#!/bin/sh\n#check=skip=a\n#SYNTAX=b\r\n'), ['b', 'b', 3]);
  assert.deepEqual(asked('// syntax=c\nwhatever'), ['c', 'c', 1]);
  assert.deepEqual(asked('{"syntax": "d", "x": [1]}'), ['d', 'd', 1]);
  assert.deepEqual(asked('#!/bin/sh\n\n# syntax=e'), undefined);
  assert.deepEqual(asked('{"syntax": "d"'), undefined);
  assert.deepEqual(asked('FROM x\n# syntax=f'), undefined);
});

test('triggers are one instruction', () => {
  assert.equal(parseTrigger('COPY <<EOF /x\nhello\nEOF').instruction?.kind, 'COPY');
  assert.deepEqual(
    parseTrigger('RUN a\nRUN b').diagnostics.map((diagnostic) => diagnostic.message),
    ['onbuild trigger should be a single expression'],
  );
  assert.equal(parseTrigger('COPY a').instruction, undefined);
});

test('a frame neither runs off nor lets escapes through', () => {
  const long = parseDockerfile(`FROM scratch\nENV ${'a=b '.repeat(500)}wrong ${'c=d '.repeat(500)}\n\x1b[2JNOPE\u202e \n`, {
    filename: 'x\x1b/Dockerfile',
  });
  for (const diagnostic of long.diagnostics) {
    const frame = renderFrame(diagnostic, long.source, { width: 60 });
    assert.doesNotMatch(frame, /\x1b|\u202e/);
    for (const line of frame.split('\n').filter((row) => row.includes(' | '))) assert.ok(line.length < 80, line);
  }
  const [first] = long.diagnostics;
  assert.ok(first !== undefined);
  const [, shown = '', carets = ''] = /^2 \| (.*)\n {2}\| (.*)$/m.exec(renderFrame(first, long.source, { width: 60 })) ?? [];
  assert.equal(shown.slice(carets.indexOf('^'), carets.lastIndexOf('^') + 1), 'wrong');
  assert.match(renderFrame(first, long.source, { color: true }), /\x1b\[1;31merror:\x1b\[0m/);
});

test('a marker may be cut in two by a continuation', () => {
  const [, run, next] = parseDockerfile('FROM scratch\nRUN cat <\\\n<EOF\nLABEL a=b\nEOF\nRUN x\n').instructions;
  assert.deepEqual(
    run?.heredocs.map(({ name, content }) => [name, content]),
    [['EOF', 'LABEL a=b\n']],
  );
  assert.deepEqual(run?.range.end, { line: 5, column: 3 });
  assert.equal(next?.original, 'RUN x');
});

test('many unterminated heredocs cost no more than one', () => {
  const file = parseDockerfile(`FROM scratch\n${'RUN <<A\n A\n'.repeat(20_000)}`);
  assert.equal(file.diagnostics.length, 20_000);
});
