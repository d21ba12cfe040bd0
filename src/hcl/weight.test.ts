// Values that become too large: told at their place, before memory runs out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { evaluate, parseHcl, type Scope, type Value } from './index.ts';
import { testFunctions } from './testing/world.ts';

const FUNCTIONS = testFunctions();

/** The value of the last attribute; each may name those before it. */
function evaluated(text: string): Value | undefined {
  const values = new Map<string, Value>();
  const scope: Scope = { variable: (name) => values.get(name), function: (name) => FUNCTIONS.get(name) };
  const { attributes } = parseHcl({ filename: 'large.hcl', text });
  for (const { name, expression } of attributes) values.set(name, evaluate(expression, scope));
  return values.get(attributes.at(-1)?.name ?? '');
}

/** Forty lines, each twice what the one before is. */
function doubled(first: string, twice: (name: string) => string): string {
  const lines = Array.from({ length: 40 }, (_, index) => `v${index + 1} = ${twice(`v${index}`)}`);
  return [`v0 = ${first}`, ...lines].join('\n');
}

for (const [what, text] of [
  ['a text', doubled('"ab"', (name) => `"\${${name}}\${${name}}"`)],
  ['a list by its elements', doubled('["a"]', (name) => `concat(${name}, ${name})`)],
  ['a list of itself', doubled('["a"]', (name) => `[${name}, ${name}]`)],
  ['an object of itself', doubled('{ a = 1 }', (name) => `{ a = ${name}, b = ${name} }`)],
  ['the elements of a loop', doubled('["a", "b"]', (name) => `flatten([for one in ${name} : [one, one]])`)],
  ['a text by a function', doubled('"ab"', (name) => `join(${name}, [${name}, ${name}])`)],
  ['loops in each other', `a = range(1000)\nb = [for x in a : [for y in a : [for z in a : "zzzz"]]]`],
  [
    'a text that the engine refuses',
    `${doubled('"ab"', (name) => `"\${${name}}\${${name}}"`)
      .split('\n')
      .slice(0, 22)
      .join('\n')}\nx = "${'${v21}'.repeat(200)}"`,
  ],
] as const) {
  test(`${what} that grows without end is refused where it becomes too large`, () => {
    assert.throws(
      () => evaluated(text),
      (error) =>
        isSlipwayError(error, 'HCL_INVALID') &&
        error.message === 'this becomes too large' &&
        error.location?.source.filename === 'large.hcl',
    );
  });
}

test('what is large and not too large is made', () => {
  const value = evaluated(
    `a = range(1000)\nb = flatten([for x in a : [for y in range(100) : "x"]])\nc = { for x in b : x => 1... }\nd = length(c["x"])`,
  );
  assert.equal(String(value?.value), '100000');
});
