// Texts that are no good: each ends in HCL_INVALID or in a tree, soon, and never in an overflow of the stack.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { isSlipwayError } from '../base/index.ts';
import { evaluate, parseHcl, parseHclJson, references, type Scope } from './index.ts';
import { testFunctions } from './testing/world.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const FUNCTIONS = testFunctions();
// What costs time by design is left to tests of its own.
const SCOPE: Scope = { variable: () => undefined, function: (name) => (name === 'bcrypt' ? undefined : FUNCTIONS.get(name)) };

function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    const mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whether the text is one; anything but HCL_INVALID is a failure. */
function check(text: string): boolean {
  try {
    for (const { expression } of parseHcl({ filename: 'fuzz.hcl', text }).attributes) {
      references(expression);
      evaluate(expression, SCOPE);
    }
    return true;
  } catch (error) {
    if (isSlipwayError(error, 'HCL_INVALID')) return false;
    throw new Error(`with ${JSON.stringify(text.slice(0, 500))}`, { cause: error });
  }
}

const BITS = [
  '{',
  '}',
  '[',
  ']',
  '(',
  ')',
  '"',
  '${',
  '%{',
  '~',
  '\n',
  '=',
  ':',
  ',',
  '#',
  '/*',
  '*/',
  '<<-EOT\n',
  'EOT\n',
  '.',
  '*',
  '?',
  '||',
  '...',
  '=>',
  '\\',
  '\r\n',
  '\u{1F600}',
];

test(`mutated texts (seed ${SEED})`, () => {
  const lines = readFileSync(join(import.meta.dirname, 'testdata', 'expressions.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  const expressions = lines.map((line) => (JSON.parse(line) as [string])[0]);
  const random = dice(SEED);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let round = 0; round < 6000; round += 1) {
    let text = `a = ${expressions[below(expressions.length)]}\nblock "x" {\n  b = ${expressions[below(expressions.length)]}\n}\n`;
    for (let count = below(4); count >= 0; count -= 1) {
      const at = below(text.length);
      text =
        random() < 0.6 ? text.slice(0, at) + BITS[below(BITS.length)] + text.slice(at) : text.slice(0, at) + text.slice(at + 1 + below(4));
    }
    check(text);
  }
});

test('what is nested too deep, or too long, is refused', () => {
  const many = 50_000;
  const deep: readonly (readonly [open: string, inside: string, close: string])[] = [
    ['[', '1', ']'],
    ['(', '1', ')'],
    ['{a=', '1', '}'],
    ['"${', '1', '}"'],
    ['<<A\n${', '1', '}\nA\n'],
    ['upper(', '"a"', ')'],
    ['[for x in [1] : ', '1', ']'],
    ['true ? 1 : ', '1', ''],
    ['true ? ', '1', ' : 1'],
    ['!', 'true', ''],
    ['- ', '1', ''],
    ['a', '', '[*]'],
    ['', 'a', '[b]'],
    ['', 'a', '.b'],
    ['', '1', '+1'],
    ['', 'true', '&&true'],
    ['"', '%{if true}', '"'],
    ['{for x in [1] : x => ', '1', '}'],
    ['a[', '1', ']'],
  ];
  for (const [open, inside, close] of deep)
    assert.equal(check(`a = ${open.repeat(many)}${inside}${close.repeat(many)}\n`), false, open + close);
  assert.equal(check(`a = "${'%{if true}'.repeat(many)}${'%{endif}'.repeat(many)}"\n`), false);
  assert.equal(check('b {\n'.repeat(many) + '}\n'.repeat(many)), false);
  for (const text of ['['.repeat(many), '{"a":'.repeat(many)]) {
    assert.throws(() => parseHclJson({ filename: 'fuzz.json', text }, new Map()), /nested more than/);
    assert.equal(check(`a = jsondecode(${JSON.stringify(text)})\n`), false);
  }
});

test('a long text is read, or its mistakes are told', () => {
  const many = 30_000;
  assert.ok(check(`${Array.from({ length: many }, (_, at) => `a${at} = "x\${1}"`).join('\n')}\n`));
  assert.ok(check(`a = "${'x'.repeat(many * 20)}"\n`));
  assert.ok(check(`a = "${'$x'.repeat(many)}"\n`));
  assert.ok(check(`a = [${'1, '.repeat(many)}]\n`));
  assert.ok(check(`a = <<X\n${'line\n'.repeat(many)}X\n`));
  assert.equal(check('a = [\n'.repeat(many)), false);
  assert.equal(check('a = 1e999999999\n'), false);
  assert.equal(check(`a = ${'1e20000 * '.repeat(500)}1\n`), false);
  assert.equal(check('"'.repeat(many)), false);
});
