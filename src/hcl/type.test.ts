// Type constraints, conversion for callers, references.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isSlipwayError } from '../base/index.ts';
import { convert, type Expression, fromJson, keywordOf, parseHcl, references, toJson, typeName, typeOf } from './index.ts';

function expressionOf(text: string): Expression {
  return parseHcl({ filename: 'test.hcl', text: `a = ${text}\n` }).attributes[0]!.expression;
}

test('types are read from expressions', () => {
  assert.equal(typeOf(expressionOf('string')), 'string');
  assert.equal(typeName(typeOf(expressionOf('map(list(any))'))), 'map of list of any type');
  assert.deepEqual(typeOf(expressionOf('tuple([string, set(bool)])')), {
    kind: 'tuple',
    elements: ['string', { kind: 'set', element: 'bool' }],
  });
  const type = typeOf(expressionOf('object({ a = string, b = optional(number) })'));
  assert.deepEqual(type, {
    kind: 'object',
    attributes: new Map([
      ['a', 'string'],
      ['b', 'number'],
    ]),
    optional: new Set(['b']),
  });
  assert.equal(toJson(convert(fromJson('{"a":1}'), type)), '{"a":"1","b":null}');
});

test('what is no type says so', () => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    ['1', 'this is no type'],
    ['strin', 'there is no type strin (did you mean "string"?)'],
    ['list', 'list of what? The type needs to say'],
    ['list(string, number)', 'list takes one parameter, there are 2'],
    ['lst(string)', 'there is no type lst (did you mean "list"?)'],
    ['string(1)', 'the type string has no parts'],
    ['object(string)', 'the attributes of an object type stand in braces'],
    ['tuple(string)', 'the types of a tuple stand in a list'],
    ['optional(string)', 'optional stands for attributes of an object type only'],
    ['object({ a = optional(string, 1) })', 'optional takes one parameter, the type; there are 2'],
    ['object({ a = string, a = number })', 'a stands twice in this type'],
  ];
  for (const [text, message] of cases) assert.throws(() => typeOf(expressionOf(text)), { message }, text);
});

test('what can not be converted says why, and where in it', () => {
  const cases: readonly (readonly [json: string, type: string, message: string])[] = [
    ['["1", "x"]', 'list(number)', 'element 1: a number is wanted, "x" is none'],
    [
      '{"a": {"b": [true]}}',
      'object({ a = object({ b = list(number) }) })',
      'attribute "a": attribute "b": element 0: number is wanted, this is bool',
    ],
    ['{"a": 1}', 'object({ a = number, b = string, c = string })', 'missing: attribute "b", attribute "c"'],
    ['"x"', 'list(string)', 'list of string is wanted, this is string'],
    ['[1]', 'tuple([number, number])', '2 elements are wanted, there are 1'],
    ['[1, [2]]', 'list(any)', 'all elements must have one type'],
    ['"True"', 'bool', 'true or false is wanted, "True" is neither; write it in small letters: "true"'],
  ];
  const at = expressionOf('x').location;
  for (const [json, type, message] of cases) {
    assert.throws(
      () => convert(fromJson(json), typeOf(expressionOf(type)), at),
      (error) => {
        assert.ok(isSlipwayError(error, 'HCL_INVALID'));
        assert.equal(error.message, message);
        assert.equal(error.location, at);
        return true;
      },
    );
  }
});

test('references are what an expression reads', () => {
  const { variables, functions } = references(
    expressionOf('{ a = b.c[0].d["e"], (f) = [for g in h : g.i + j if k], "${l}" = upper(m[n].o)[*].p, q = convert(r, list(string)) }'),
  );
  assert.deepEqual(
    variables.map(({ name, path }) => [name, ...path]),
    [['b', 'c', 0, 'd', 'e'], ['f'], ['h'], ['j'], ['k'], ['l'], ['m'], ['n'], ['r']],
  );
  assert.deepEqual(
    functions.map(({ name }) => name),
    ['upper', 'convert'],
  );
});

test('a keyword is a bare word', () => {
  assert.equal(keywordOf(expressionOf('foo')), 'foo');
  assert.equal(keywordOf(expressionOf('null')), 'null');
  assert.equal(keywordOf(expressionOf('"foo"')), undefined);
  assert.equal(keywordOf(expressionOf('foo.bar')), undefined);
});
