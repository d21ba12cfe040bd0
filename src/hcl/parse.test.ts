import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Diagnostic, isSlipwayError, type SourceLocation } from '../base/index.ts';
import { parseHcl } from './index.ts';

const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;

function part({ source, range: { start, end } }: SourceLocation): string {
  const lines = source.text.split('\n').slice(start.line - 1, end.line);
  const last = lines.length - 1;
  lines[last] = (lines[last] ?? '').slice(0, end.column);
  lines[0] = (lines[0] ?? '').slice(start.column);
  return lines.join('\n');
}

/** Line, column and words of everything that is wrong. */
function mistakes(source: string): readonly string[] {
  try {
    parseHcl({ filename: 'test.hcl', text: source });
    return [];
  } catch (error) {
    if (!isSlipwayError(error, 'HCL_INVALID')) throw error;
    const found = error.facts['diagnostics'] as readonly Diagnostic[];
    assert.equal(error.message, found[0]?.message);
    return found.map(({ message, range: { start } }) => `${start.line}:${start.column} ${message}`);
  }
}

test('attributes and blocks, in their order, with their places', () => {
  const source = text([
    '# a comment',
    'name = "x" // another',
    'target "app" web {',
    '  args = { a = 1 }',
    '  inner {}',
    '}',
    'one { line = [',
    '1 ] }',
  ]);
  const { attributes, blocks } = parseHcl({ filename: 'test.hcl', text: source });
  assert.deepEqual(
    attributes.map(({ name, location, expression }) => [name, part(location), part(expression.location)]),
    [['name', 'name', '"x"']],
  );
  const [target, one] = blocks;
  assert.equal(part(target!.location), 'target "app" web');
  assert.deepEqual(
    target!.labels.map((label) => label.text),
    ['app', 'web'],
  );
  assert.equal(part(target!.body.attributes[0]!.expression.location), '{ a = 1 }');
  assert.deepEqual(
    target!.body.blocks.map(({ type }) => type),
    ['inner'],
  );
  assert.equal(part(one!.body.attributes[0]!.expression.location), '[\n1 ]');
});

test('line ends of Windows and a byte order mark change nothing', () => {
  const { attributes } = parseHcl({ filename: 'test.hcl', text: '\uFEFFa = 1\r\nb = <<X\r\ntext\r\nX\r\n' });
  assert.deepEqual(
    attributes.map(({ name }) => name),
    ['a', 'b'],
  );
});

test('one mistake does not hide the next', () => {
  const source = text([
    'a = [1 2]', // 1
    "b = 'x'",
    'target "x" {', // 3
    '  tags = [',
    '    "a" "b"', // 5
    '  ]',
    '  c = 1', // 7
    '  c = 2',
    '  args = {', // 9
    '    x y',
    '  }', // 11
    '  z = "${foo"',
    '}', // 13
    'd e = 1',
    'q = "abc', // 15
    'good = 1',
    'r = <<X', // 17
    'foo',
  ]);
  assert.deepEqual(mistakes(source), [
    '1:7 expected a comma or ] behind an element, found "2"',
    '2:4 the character "\'" means nothing in HCL',
    '5:8 expected a comma or ] behind an element, found a string',
    '8:2 c is set twice (first in line 7)',
    '10:6 expected = and a value behind the name of an attribute, found "y"',
    '12:7 ${ has no closing brace',
    '14:4 expected a label or { for the block d, found "="',
    '15:4 a quoted string ends on its line',
    '17:4 this heredoc has no end',
  ]);
});

test('each mistake has its words', () => {
  const cases: readonly (readonly [source: string, mistake: string])[] = [
    ['a', '1:1 expected = or { behind a, found the end of the line'],
    ['a =', '1:3 expected an expression, found the end of the line'],
    ['"a" = 1', '1:0 expected the name of an attribute or block, found a string'],
    ['a = 1, b = 2', '1:5 expected the end of the line behind an attribute, found ","'],
    ['a = 1 2', '1:6 expected the end of the line behind an attribute, found "2"'],
    ['t {', '1:2 this block has no end'],
    ['t { a = 1', '1:9 expected } behind the only attribute of a block in one line, found the end of the line'],
    ['t { a = 1 b = 2 }', '1:10 expected } behind the only attribute of a block in one line, found "b"'],
    ['t "${x}" {\n}', '1:3 nothing can be put into a label'],
    ['t\n{\n}', '1:1 expected = or { behind t, found the end of the line'],
    ['}', '1:0 expected an attribute (name = value) or a block (name { … }), found "}"'],
    ['a = (1', '1:4 this parenthesis is not closed'],
    ['a = [1', '1:4 this list has no end'],
    ['a = { b = 1', '1:4 this object has no end'],
    ['a = f(1', '1:4 the call of f has no end'],
    ['a = f(1 2)', '1:8 expected a comma or ) behind a parameter, found "2"'],
    ['a = true ? 1', '1:12 expected a colon and the value for "false", found the end of the line'],
    ['a = 1 & 2', '1:6 the character "&" means nothing in HCL'],
    ['a = "\\q"', '1:5 \\q is no escape sequence: there are \\n, \\r, \\t, \\", \\\\, \\uNNNN and \\UNNNNNNNN'],
    ['a = "%{foo}"', '1:7 there is no directive foo (did you mean "for"?)'],
    ['a = "%{if true}x"', '1:5 %{if} has no end'],
    ['a = "%{endif}"', '1:5 %{endif} ends nothing'],
    ['a = "${x:-y}"', '1:8 expected } at the end of ${…, found ":"'],
    ['a = [for x of y : x]', '1:11 expected "in", found "of"'],
    ['a = [for x in y : x => x]', '1:4 a for expression between [ ] can not have a key (=>)'],
    ['a = b.1.2', '1:6 1.2 is no index'],
    ['a = 1 /* x', '1:6 this comment has no end'],
  ];
  for (const [source, mistake] of cases) assert.deepEqual(mistakes(`${source}\n`), [mistake], source);
});
