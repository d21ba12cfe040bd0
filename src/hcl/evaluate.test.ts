// Expressions and what they come to. testdata/expressions.jsonl has a line for each: the expression, and its type and value as HCL's own
// implementation with the functions of buildx finds them; no value where it refuses the expression.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { isSlipwayError } from '../base/index.ts';
import {
  type HclFunction,
  evaluate,
  fromJson,
  number,
  object,
  parseHcl,
  type Scope,
  string,
  toJson,
  tuple,
  type Type,
  type Value,
} from './index.ts';
import { testFunctions } from './testing/world.ts';

const FUNCTIONS = testFunctions();
const NOTHING: Scope = { variable: () => undefined, function: (name) => FUNCTIONS.get(name) };

function valueOf(expression: string, scope = NOTHING): Value {
  const [attribute] = parseHcl({ filename: 'test.hcl', text: `a = ${expression}\n` }).attributes;
  return evaluate(attribute!.expression, scope);
}

/** As `typeexpr.TypeString` writes it. */
function written(type: Type): string {
  if (typeof type === 'string') return type;
  if (type.kind === 'tuple') return `tuple([${type.elements.map(written).join(',')}])`;
  if (type.kind !== 'object') return `${type.kind}(${written(type.element)})`;
  const named = [...type.attributes].map(
    ([name, one]) => `${/^[\p{ID_Start}_][\p{ID_Continue}-]*$/u.test(name) ? name : JSON.stringify(name)}=${written(one)}`,
  );
  return `object({${named.join(',')}})`;
}

function outcome(expression: string): string | undefined {
  try {
    const value = valueOf(expression);
    return `${written(value.type)} ${toJson(value)}`;
  } catch (error) {
    if (isSlipwayError(error, 'HCL_INVALID')) return undefined;
    throw error;
  }
}

test('expressions come to what they come to elsewhere', () => {
  const lines = readFileSync(join(import.meta.dirname, 'testdata', 'expressions.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  const wrong = lines.flatMap((line) => {
    const [expression, expected] = JSON.parse(line) as [string, string?];
    const actual = outcome(expression);
    return actual === expected ? [] : [{ expression, expected, actual }];
  });
  assert.deepEqual(wrong, []);
  assert.ok(lines.length > 1000);
});

test('what others refuse or get wrong', () => {
  // The reference loses the optional attributes again; those that are missing are null.
  assert.equal(outcome('convert({a = 1}, object({a = string, b = optional(number)}))'), 'object({a=string,b=number}) {"a":"1","b":null}');
  // It holds that nothing comes behind the last address, also within the whole space.
  assert.equal(outcome('cidrsubnets("0.0.0.0/0", 1, 1)'), 'list(string) ["0.0.0.0/1","128.0.0.0/1"]');
  // It makes a prefix shorter.
  assert.equal(outcome('cidrsubnet("10.0.0.0/8", -1, 0)'), undefined);
});

test('names are asked for when they are read, with the path behind them', () => {
  const asked: string[] = [];
  const scope: Scope = {
    function: (name) => FUNCTIONS.get(name),
    variable: (name, path) => {
      asked.push([name, ...path].join(' '));
      return name === 'target' ? object([['app', object([['tags', tuple([string('x')])]])]]) : undefined;
    },
  };
  assert.equal(toJson(valueOf('target.app.tags[0]', scope)), '"x"');
  assert.equal(toJson(valueOf('target["app"].tags', scope)), '["x"]');
  assert.equal(toJson(valueOf('[for target in [1] : target]', scope)), '[1]');
  assert.equal(toJson(valueOf('{ target = 1 }', scope)), '{"target":1}');
  assert.deepEqual(asked, ['target app tags 0', 'target app tags']);
});

test('a function of the caller has its parameters converted', () => {
  const double: HclFunction = { parameters: [{ name: 'n', type: 'number' }], call: ([n]) => tuple([n as Value, n as Value]) };
  const scope: Scope = { ...NOTHING, function: (name) => (name === 'double' ? double : FUNCTIONS.get(name)) };
  assert.equal(toJson(valueOf('double("2")', scope)), '[2,2]');
});

test('a mistake is told at the part that is wrong', () => {
  const scope: Scope = {
    ...NOTHING,
    variable: (name) => (name === 'version' ? number(1) : undefined),
    variableNames: () => ['version'],
    functionNames: () => FUNCTIONS.keys(),
  };
  const cases: readonly (readonly [expression: string, part: string, message: string])[] = [
    ['1 + vrsion', 'vrsion', 'there is no variable vrsion (did you mean "version"?)'],
    ['"a ${upper(version.name)}"', '.name', 'number has no attribute "name"'],
    ['[1, uper("a")]', 'uper', 'there is no function uper (did you mean "upper"?)'],
    ['upper("a", "b")', '"b"', 'upper takes 1 parameter, there are 2'],
    ['replace("a")', ')', 'replace takes 3 parameters: substr is missing'],
    ['split(",", [1])', '[1]', 'str: string is wanted, this is tuple'],
    ['{ name = 1 }.nmae', '.nmae', 'there is no attribute "nmae" (did you mean "name"?)'],
    ['[1, 2][5]', '[5]', 'there is no element [5]: the elements are [0] to [1]'],
    ['"x${null}"', 'null', 'what is put into this text is null'],
    ['true ? 1 : [2]', '1 : [2]', 'the two results of this condition have no type in common'],
    ['{for x in ["a", "a"] : x => 1}', 'x', 'two elements have the key "a"'],
    ['cidrhost("10.0.0.0/8", 0.5)', '0.5', 'cidrhost: a whole number is wanted'],
    ['convert("x", strng)', 'strng', 'there is no type strng (did you mean "string"?)'],
    ['1 && true', '1', 'this side of &&: bool is wanted, this is number'],
  ];
  for (const [expression, part, message] of cases) {
    assert.throws(
      () => valueOf(expression, scope),
      (error) => {
        assert.ok(isSlipwayError(error, 'HCL_INVALID'), String(error));
        const { start, end } = error.location!.range;
        assert.equal(error.message, message);
        assert.equal(`a = ${expression}`.slice(start.column, end.column), part, expression);
        return true;
      },
      expression,
    );
  }
});

test('JSON is read as it is written', () => {
  for (const text of ['{"a":[1,"x",null,true],"b":{}}', '0.1', '123456789012345678901234567890', '"\\u003c"'])
    assert.equal(toJson(fromJson(text)), text);
});
