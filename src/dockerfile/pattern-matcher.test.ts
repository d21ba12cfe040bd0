import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toBytePath } from '../base/index.ts';
import { parseIgnore, parseIgnoreRules } from './ignore.ts';
import { PatternMatcher } from './pattern-matcher.ts';

function matcher(...patterns: string[]): PatternMatcher {
  const compiled = PatternMatcher.compile(patterns);
  assert.ok(compiled.ok, compiled.ok ? '' : compiled.problem.message);
  return compiled.value;
}

// pattern list (space separated) | paths that match | paths that do not
const TABLE = `
a | a a/b a/b/c | b ab x/a
a/b | a/b a/b/c | a a/c
*.log | x.log .log | a/x.log x.logs
**/*.log | x.log a/x.log a/b/c.log | x.log2 log
** | a a/b .x
**/foo | foo a/foo a/b/foo foo/x | xfoo food
**foo | foo xfoo a/xfoo | foox
**/foo/** | a/foo/x foo/x a/b/foo/c/d | a/foo foo
foo/** | foo/a foo/a/b | foo food/x
foo** | foo food food/x | fo
a/**/b | a/b a/x/b a/x/y/b a/b/c | a b a/xb
a/**/*.c | a/x.c a/d/x.c | x.c a/x.h
*/* | a/b a/b/c | a
? | a é | ab /
a?c | abc | ac a/c
[a-c]x | ax bx | dx abx
[^a-c]x | dx éx | ax
[é]x | éx | ex
a\\*b | a*b | axb
\\[x | [x | x
* !keep | a a/b | keep keep/x
* !a/keep | a a/other b | a/keep
** !**/keep.md | x a/x | keep.md a/b/keep.md
docs !docs/README.md | docs docs/x | docs/README.md
*.md !README*.md README-secret.md | a.md README-secret.md | README.md README-x.md
./a/../b | b b/c | a
/a | /a | a
a*b*c*d | a1b2c3d abcd | abc a/b/c/d
.git* | .git .gitignore .git/x | a/.git
`;

test('a pattern matches the paths that the table gives it, and no others', () => {
  for (const line of TABLE.trim().split('\n')) {
    const [patterns = '', yes = '', no = ''] = line.split('|').map((part) => part.trim());
    const compiled = matcher(...patterns.split(' '));
    for (const path of yes.split(' ').filter(Boolean)) assert.ok(compiled.matches(toBytePath(path)), `${patterns} should match ${path}`);
    for (const path of no.split(' ').filter(Boolean))
      assert.ok(!compiled.matches(toBytePath(path)), `${patterns} should not match ${path}`);
  }
});

test('a walk hands the answer of a directory to its children', () => {
  const list = matcher('node_modules', '!node_modules/keep', '**/*.tmp');
  const top = list.directory('node_modules', undefined);
  assert.equal(top.matched, true);
  assert.equal(list.mayReinclude('node_modules'), true);
  assert.equal(list.mayReinclude('src'), false);
  assert.equal(list.file('node_modules/x', top), true);
  const kept = list.directory('node_modules/keep', top);
  assert.equal(kept.matched, false);
  assert.equal(list.file('node_modules/keep/a', kept), false);
  assert.equal(list.file('node_modules/keep/a.tmp', kept), true);
});

test('which directories an include pattern can reach', () => {
  const list = matcher('a/*/c', 'lib');
  for (const yes of ['', '.', 'a', 'a/x', 'lib', 'lib/deep']) assert.ok(list.mayMatchBelow(yes), yes);
  for (const no of ['b', 'library', 'ab']) assert.ok(!list.mayMatchBelow(no), no);
});

test('names that are no UTF-8 are one character a byte', () => {
  assert.ok(matcher('a?b').matches('a\xffb'));
  assert.ok(!matcher('a?b').matches('a\xff\xfeb'));
  assert.ok(matcher('a??b').matches('a\xff\xfeb'));
  assert.ok(matcher('*').matches('\xff'));
  assert.ok(matcher('é').matches('\xc3\xa9'));
});

test('malformed patterns are problems', () => {
  for (const pattern of ['[', '[]', '[a', '[a-]', '[z-a]', 'a\\', '!', '![']) {
    const compiled = PatternMatcher.compile([pattern]);
    assert.ok(!compiled.ok, pattern);
    assert.match(compiled.problem.message, /syntax error in pattern|illegal exclusion pattern/);
  }
});

test('a pattern made to be slow is not', () => {
  const list = matcher(`${'*a'.repeat(50)}b`, `${'**/a*'.repeat(20)}b`, '?'.repeat(300));
  assert.equal(list.matches('a'.repeat(4000)), false);
  assert.equal(list.matches('a/'.repeat(2000)), false);
});

test('an ignore file is read as moby reads it: comments, spaces and slashes go, lines keep their numbers', () => {
  const text = '\ufeff# comment\r\n\r\n  /abs/  \r\n #kept\na/../b\n! /x/ \n!\n.\n./c//d/.\n**/\n/\n';
  assert.deepEqual(parseIgnore(text), ['abs', '#kept', 'b', '!x', '!', '.', 'c/d', '**', '/']);
  assert.deepEqual(parseIgnoreRules('a\n\n!b'), [
    { pattern: 'a', line: 1 },
    { pattern: '!b', line: 3 },
  ]);
});
