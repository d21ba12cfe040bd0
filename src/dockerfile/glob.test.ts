import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toBytePath } from '../base/index.ts';
import { compileGlob, hasWildcards } from './glob.ts';
import { cleanPath } from './go-path.ts';

// pattern, name, whether Go's filepath.Match says yes; undefined: it is malformed
const TABLE: readonly (readonly [string, string, boolean | undefined])[] = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*', 'a/b', false],
  ['*c', 'abc', true],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['ab[c]', 'abc', true],
  ['ab[b-d]', 'abc', true],
  ['ab[^c]', 'abc', false],
  ['ab[^e-g]', 'abc', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'ab', false],
  ['a?b', 'a☺b', true],
  ['a[^a]b', 'a☺b', true],
  ['a???b', 'a☺b', false],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['a?b', 'a/b', false],
  ['[\\]a]', ']', true],
  ['[\\-]', '-', true],
  ['[x\\-]', 'z', false],
  ['[]a]', ']', undefined],
  ['[-]', '-', undefined],
  ['[x-]', 'x', undefined],
  ['[a-b-c]', 'a', undefined],
  ['[', 'a', undefined],
  ['[^', 'a', undefined],
  ['a[', 'a', undefined],
  ['\\', 'a', undefined],
  ['*x', 'xxx', true],
  ['', '', true],
  ['', 'a', false],
];

test('globs as Go matches them', () => {
  for (const [pattern, name, expected] of TABLE) {
    const glob = compileGlob(pattern);
    assert.equal(glob.ok ? glob.value.matches(toBytePath(name)) : undefined, expected, `${pattern} against ${name}`);
  }
});

test('a glob without wildcards is a name', () => {
  const glob = compileGlob('a\\*é');
  assert.ok(glob.ok);
  assert.equal(glob.value.literal, 'a*\xc3\xa9');
  assert.deepEqual(['a*', 'a?', '[a]', 'a', 'a\\*', '\\\\*'].map(hasWildcards), [true, true, true, false, false, true]);
});

test('paths are cleaned as Go cleans them', () => {
  const cases = [
    ['', '.'],
    ['a/b', 'a/b'],
    ['a//b/./c/', 'a/b/c'],
    ['../a/..', '..'],
    ['a/../..', '..'],
    ['/..//a/.', '/a'],
    ['/', '/'],
    ['.a', '.a'],
    ['a/..', '.'],
    ['..a/...', '..a/...'],
  ] as const;
  for (const [path, expected] of cases) assert.equal(cleanPath(path), expected, path);
});
