import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isSlipwayError } from '../base/index.ts';
import { type BlockSchema, evaluate, keywordOf, NULL, number, parseHclJson, references, type Scope, toJson, typeOf } from './index.ts';
import { testFunctions } from './testing/world.ts';

const FUNCTIONS = testFunctions();
const SCHEMA: BlockSchema = new Map([
  ['variable', { labels: 1, blocks: new Map([['validation', { labels: 0 }]]) }],
  ['target', { labels: 1 }],
]);
const SCOPE: Scope = { variable: (name) => (name === 'N' ? number(2) : undefined), function: (name) => FUNCTIONS.get(name) };

const parse = (text: string): ReturnType<typeof parseHclJson> => parseHclJson({ filename: 'bake.json', text }, SCHEMA);

test('objects below a name of a block are blocks; their names are labels', () => {
  const { attributes, blocks } = parse(`{
    "//": "a comment",
    "variable": { "N": { "default": 1, "validation": [{ "condition": "\${N > 0}" }, { "condition": true }] }, "M": null },
    "target": [{ "a": { "tags": ["x"] } }, { "b": [{}, {}] }],
    "other": { "target": {} }
  }`);
  assert.deepEqual(
    attributes.map(({ name }) => name),
    ['other'],
  );
  assert.deepEqual(
    blocks.map(({ type, labels }) => [type, ...labels.map(({ text }) => text)]),
    [
      ['variable', 'N'],
      ['target', 'a'],
      ['target', 'b'],
      ['target', 'b'],
    ],
  );
  assert.equal(blocks[0]!.body.blocks.length, 2);
  assert.deepEqual(blocks[1]!.location.range, { start: { line: 4, column: 17 }, end: { line: 4, column: 20 } });
});

test('strings are templates, names of attributes too', () => {
  const [a] = parse(
    '{"a": ["${N}", "n${N + 1}\\n", {"k${N}": null, "x": true}, 1.50, "$${N}", "%{if N > 1}y%{endif}", "\\u00e9"]}',
  ).attributes;
  assert.equal(toJson(evaluate(a!.expression, SCOPE)), '[2,"n3\\n",{"k2":null,"x":true},1.5,"${N}","y","é"]');
  assert.deepEqual(
    references(a!.expression).variables.map(({ name }) => name),
    ['N', 'N', 'N', 'N'],
  );
});

test('a mistake in a string is told at its place in the file', () => {
  const [a] = parse('{"a":\n  "é\\n\\u0041 ${M}"}').attributes;
  assert.throws(
    () => evaluate(a!.expression, SCOPE),
    (error) => isSlipwayError(error, 'HCL_INVALID') && error.location?.range.start.line === 2 && error.location.range.start.column === 15,
  );
});

test('types and words are what the strings say', () => {
  const [a, b] = parse('{"a": "list(object({n = number}))", "b": "string"}').attributes;
  assert.deepEqual(typeOf(a!.expression), {
    kind: 'list',
    element: { kind: 'object', attributes: new Map([['n', 'number']]), optional: new Set() },
  });
  assert.equal(keywordOf(b!.expression), 'string');
  assert.equal(typeOf(b!.expression), 'string');
});

test('what is wrong is told with its place', () => {
  const cases: readonly (readonly [text: string, place: string])[] = [
    ['', '1:0 expected a value, found the end of the file'],
    ['{"a": 1,}', '1:7 JSON has no comma behind the last member'],
    ['{"a": 1', '1:0 this has no end'],
    ['{a: 1}', '1:1 expected a name in double quotes, found "a"'],
    ["{'a': 1}", `1:1 expected a name in double quotes, found "'"`],
    ['{"a" 1}', '1:5 expected a colon behind "a", found "1"'],
    ['{"a": 01}', '1:6 01 is no value of JSON'],
    ['{"a": nul}', '1:6 nul is no value of JSON'],
    ['{"a": "x}', '1:6 this string has no end'],
    ['{"a": "\\x"}', '1:7 \\x is no escape sequence of JSON'],
    ['{} 1', '1:3 expected nothing more behind the value, found "1"'],
    ['// x\n{}', '1:0 JSON has no comments'],
    ['{"a": 1, "a": 2}', '1:9 a is set twice (first in line 1)'],
    ['{"target": {"a": 1}}', '1:17 the block target must be an object'],
    ['{"target": "x"}', '1:11 the block target must be an object'],
    ['[1]', '1:1 the file must be an object'],
  ];
  for (const [text, expected] of cases) {
    assert.throws(
      () => parse(text),
      (error) => {
        assert.ok(isSlipwayError(error, 'HCL_INVALID'), String(error));
        const { line, column } = error.location!.range.start;
        assert.equal(`${line}:${column} ${error.message}`, expected);
        return true;
      },
      text,
    );
  }
  assert.equal(toJson(NULL), 'null');
});
