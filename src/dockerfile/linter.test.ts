import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import type { Diagnostic } from '../base/index.ts';
import { applyFixes } from './fix.ts';
import { lintDockerfile } from './lint.ts';
import { LINT_RULES, looksSecret } from './lint-rules.ts';
import { DEFAULT_LINT, Linter, lintConfigOf, parseLintConfig } from './linter.ts';
import { parseDockerfile } from './parse.ts';

const PLACE = { range: { start: { line: 3, column: 0 }, end: { line: 5, column: 1 } }, comments: [] };

test('the check directive is read into what it skips and whether findings are errors', () => {
  const read = (text: string): unknown => {
    const config = parseLintConfig(text);
    return config.ok
      ? { ...config.value, skip: [...config.value.skip], experimental: [...config.value.experimental] }
      : config.problem.message;
  };
  const none = { skipAll: false, skip: [], experimentalAll: false, experimental: [], error: false };
  assert.deepEqual(read(' '), none);
  assert.deepEqual(read('skip = A , B;error=True'), { ...none, skip: ['A', 'B'], error: true });
  assert.deepEqual(read('skip=all;experimental=C'), { ...none, skipAll: true, experimental: ['C'] });
  assert.deepEqual(read('experimental=all'), { ...none, experimentalAll: true });
  assert.deepEqual(read('skip=all;skip=A'), { ...none, skipAll: true, skip: ['A'] }); // all stays all
  assert.equal(read('A'), 'invalid check option "A"');
  assert.equal(read('skp=A'), 'invalid check option "skp"');
  assert.match(String(read('error=perhaps')), /failed to parse check option "error=perhaps"/);
  // There are three options at most: the rest is part of the third.
  assert.deepEqual(read('skip=A;error=true;experimental=B;skip=C'), { ...none, skip: ['A'], error: true, experimental: ['B;skip=C'] });
});

test('the directive, and the build argument in its place', () => {
  const text = '#!/usr/bin/env slipway\n# check=skip=A because\nFROM scratch\n';
  const own = lintConfigOf(text);
  const other = lintConfigOf(text, 'skip=B');
  assert.ok(own.ok && other.ok);
  assert.deepEqual([...own.value.skip, ...other.value.skip], ['A', 'B']);
  const wrong = lintConfigOf('# check=nothing\nFROM a');
  assert.ok(!wrong.ok);
  assert.match(wrong.problem.message, /^failed to parse check options: invalid check option "nothing"/);
});

test('what is skipped is not reported, and what is reported can fail the build', () => {
  const found: Diagnostic[] = [];
  const linter = new Linter({ ...DEFAULT_LINT, skip: new Set(['UndefinedVar']), error: true }, (finding) => found.push(finding));
  assert.equal(linter.failure(), undefined);
  linter.report(LINT_RULES.UndefinedVar, PLACE, ['x', '']);
  linter.report(LINT_RULES.InvalidDefinitionDescription, PLACE, ['ARG', 'x']);
  const ours = { ...LINT_RULES.UndefinedVar, name: 'OfOurOwn', origin: 'slipway' } as const;
  linter.report(ours, PLACE, ['x', '']);
  assert.deepEqual(found, []);
  linter.report(LINT_RULES.WorkdirRelativePath, { ...PLACE, comments: [{ text: 'check=skip=all', range: PLACE.range }] }, ['x']);
  assert.deepEqual(found, []);
  const exact = { start: { line: 4, column: 2 }, end: { line: 4, column: 5 } };
  linter.report(LINT_RULES.SecretsUsedInArgOrEnv, { ...PLACE, exact }, ['ENV', 'TOKEN']);
  assert.deepEqual(found, [
    {
      rule: 'SecretsUsedInArgOrEnv',
      severity: 'warning',
      message: 'Do not use ARG or ENV instructions for sensitive data (ENV "TOKEN")',
      description: 'Sensitive data should not be used in the ARG or ENV commands',
      url: 'https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/',
      range: PLACE.range,
      related: [{ range: exact, message: 'here' }],
    },
  ]);
  assert.equal(linter.failure(), 'lint violation found for rules: SecretsUsedInArgOrEnv');
});

test('every rule knows its name and its page', () => {
  assert.equal(Object.keys(LINT_RULES).length, 22);
  for (const [name, rule] of Object.entries(LINT_RULES)) assert.equal(rule.name, name);
  assert.equal(LINT_RULES.JSONArgsRecommended.url, 'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/');
  assert.equal(LINT_RULES.InvalidBaseImagePlatform.url, undefined);
});

test('names look secret by their words, not by parts of words', () => {
  const names = [
    'TOKEN',
    'github_token',
    'DB_PASSWORD',
    'auth',
    'KEYBOARD',
    'tokens',
    'PUBLIC_KEY',
    'TOKEN_FILE',
    'SECRET_VERSION',
    'author',
  ];
  assert.deepEqual(names.filter(looksSecret), ['TOKEN', 'github_token', 'DB_PASSWORD', 'auth']);
});

test('of two fixes that touch one waits: it may have been written for the text that was there', () => {
  const at = (column: number): { line: number; column: number } => ({ line: 1, column });
  const edit = (start: number, end: number, text: string): Diagnostic => {
    const range = { start: at(start), end: at(end) };
    return { rule: 'r', severity: 'warning', message: '', range, fix: { title: '', edits: [{ range, text }] } };
  };
  for (const second of [edit(3, 3, 'x'), edit(0, 0, 'x'), edit(1, 2, 'x'), edit(3, 4, 'x')]) {
    const { text, cured } = applyFixes('abcd', [edit(0, 3, '-'), second]);
    assert.deepEqual([text, cured.length], ['-d', 1]);
  }
  assert.equal(applyFixes('abcd', [edit(0, 1, '-'), edit(3, 3, '+')]).text, '-bc+d');
});

test('fixes are applied until nothing is left to fix', () => {
  let text = 'from scratch As Foo\nENV a=b \\\n\n  c=d\nMaintainer me\nCOPY --from=foo a b\n';
  for (let round = 0; round < 3; round += 1) {
    const found: Diagnostic[] = [];
    lintDockerfile(parseDockerfile(text), new Linter(DEFAULT_LINT, (finding) => found.push(finding)));
    text = applyFixes(text, found).text;
  }
  assert.equal(text, 'FROM scratch AS foo\nENV a=b \\\n  c=d\nLABEL org.opencontainers.image.authors="me"\nCOPY --from=foo a b\n');
  const misspelt = parseDockerfile('FORM scratch\nCOPY --fron=a b c\nRUN <<EOF\n EOF\n');
  assert.equal(applyFixes(misspelt.source.text, misspelt.diagnostics).text, 'FROM scratch\nCOPY --from=a b c\nRUN <<EOF\nEOF\n');
});

test('every rule has a page', () => {
  for (const { name, url } of Object.values(LINT_RULES)) {
    const kebab = url?.split('/').at(-2) ?? 'invalid-base-image-platform';
    const page = readFileSync(join(import.meta.dirname, `../../docs/rules/${kebab}.md`), 'utf8');
    assert.ok(page.startsWith(`# ${name}\n`), kebab);
  }
});
