import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { type ExpandOptions, expandWord, expandWords } from './expand.ts';

test('words of testdata/words.txt expand to what stands beside them', () => {
  const variables = new Map<string, string>();
  const lookup = (name: string): string | undefined => variables.get(name);
  for (const line of readFileSync(join(import.meta.dirname, 'testdata/words.txt'), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, value] = /^ENV ([^=]*)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) {
      variables.set(name, value.replaceAll('\\n', '\n'));
      continue;
    }
    const bar = line.lastIndexOf(' | ');
    const expected = line.slice(bar + 3).replace(/~$/, '');
    const [, mode = '', backtick, input = ''] = /^(?:(words|raw|keep):)?(`?)(.*)$/s.exec(line.slice(0, bar)) ?? [];
    const options: ExpandOptions = {
      escape: backtick === '`' ? '`' : '\\',
      ...(mode === 'raw' ? { ignoreQuotes: true } : {}),
      ...(mode === 'keep' ? { keepUnset: true } : {}),
    };
    const outcome = mode === 'words' ? expandWords(input, lookup, options) : expandWord(input, lookup, options);
    if (expected.startsWith('! ')) {
      assert.ok(!outcome.ok, line);
      assert.ok(outcome.problem.message.includes(expected.slice(2)), `${line}\n${outcome.problem.message}`);
      continue;
    }
    assert.ok(outcome.ok, outcome.ok ? '' : `${line}\n${outcome.problem.message}`);
    const actual = 'words' in outcome.value ? outcome.value.words.map((word) => word.value).join(',') : outcome.value.value;
    assert.equal(actual, expected, line);
  }
});

test('names used and names not set', () => {
  const outcome = expandWord('$a ${b:-$c} ${a} "$d" \\$e \'$f\' ${g+$h}', (name) => (name === 'a' ? '1' : undefined));
  assert.ok(outcome.ok);
  assert.deepEqual(outcome.value.used, ['a']);
  assert.deepEqual(outcome.value.unset, ['c', 'b', 'd', 'h', 'g']);
});

test('a problem says where in the word it is', () => {
  const outcome = expandWord('abc ${x?gone} d', () => undefined);
  assert.ok(!outcome.ok);
  assert.deepEqual(outcome.problem.span, { start: 4, end: 13 });
});

test('words know where they stood', () => {
  const outcome = expandWords(" '' a  $b'c d' e", () => 'x y');
  assert.ok(outcome.ok);
  assert.deepEqual(outcome.value.words, [
    { value: 'a', start: 4, end: 5 },
    { value: 'x', start: 7, end: 9 },
    { value: 'yc d', start: 7, end: 14 },
    { value: 'e', start: 15, end: 16 },
  ]);
});

test('deep nesting and slow patterns are refused or quick', () => {
  const deep = expandWord(`${'${a:-'.repeat(20_000)}x${'}'.repeat(20_000)}`, () => undefined);
  assert.ok(!deep.ok);
  assert.match(deep.problem.message, /nested deeper/);
  const value = 'a'.repeat(20_000);
  const slow = expandWord(`\${v//${'*a'.repeat(40)}b/x}`, () => value);
  assert.ok(slow.ok);
  assert.equal(slow.value.value, value);
});
