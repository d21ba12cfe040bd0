// The pages that list things of the code list all of them.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LINT_RULES, OWN_RULES } from './build/index.ts';
import { CACHE_TYPES, knownCacheAttributes } from './build/parts.ts';

const DOCS = join(import.meta.dirname, '../docs');
const CODE = /\b(?:SlipwayError|super|fail|refuse)\(\s*(?:\w+ \? '([A-Z][A-Z_]+)' : )?'([A-Z][A-Z_]+)'/g;

/** Codes of failures in the sources, each with a file that has it. */
function codesOfSources(): ReadonlyMap<string, string> {
  const codes = new Map<string, string>();
  for (const entry of readdirSync(import.meta.dirname, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || /(?:\.test|testing|fake-resolver)\.ts$/.test(entry.name)) continue;
    if (/\/(?:testing|testdata)(?:\/|$)/.test(entry.parentPath)) continue;
    const path = join(entry.parentPath, entry.name);
    for (const match of readFileSync(path, 'utf8').matchAll(CODE)) {
      for (const code of match.slice(1)) if (code !== undefined) codes.set(code, path.slice(import.meta.dirname.length + 1));
    }
  }
  return codes;
}

void test('docs/errors.md has every code, once, and no other', () => {
  const rows = [...readFileSync(join(DOCS, 'errors.md'), 'utf8').matchAll(/^\| `([A-Z_]+)` \|[^|\n]+\|[^|\n]+\|$/gm)].map(
    ([, code]) => code ?? '',
  );
  const codes = codesOfSources();
  const missing = [...codes].filter(([code]) => !rows.includes(code)).map(([code, path]) => `${code} (${path})`);
  assert.deepEqual(missing, [], 'write a row for each: code, meaning, way out');
  const stale = rows.filter((code) => !codes.has(code));
  assert.deepEqual(stale, [], 'nothing has these codes any more');
  assert.deepEqual(rows, [...new Set(rows)].sort(), 'rows are in the order of their codes');
});

void test('every rule has a page, and docs/rules/README.md names it', () => {
  const index = readFileSync(join(DOCS, 'rules/README.md'), 'utf8');
  const pages = readdirSync(join(DOCS, 'rules')).filter((name) => name !== 'README.md');
  const rules = [...Object.values(LINT_RULES), ...Object.values(OWN_RULES)].map(({ name }) => name);
  for (const name of rules) {
    const page = `${name.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '-').toLowerCase()}.md`;
    assert.ok(pages.includes(page), `docs/rules/${page} is missing`);
    assert.ok(index.includes(`[${name}](${page})`), `docs/rules/README.md does not link ${page}`);
  }
  assert.equal(pages.length, rules.length, 'there are pages of no rule');
});

void test('docs/advisories.md: each number is tried where the page says, or has no counterpart', () => {
  const page = readFileSync(join(DOCS, 'advisories.md'), 'utf8');
  const rows = [...page.matchAll(/^\| ((?:CVE|GHSA)-[^|]+) \| [^|]+ \| ([^|]+) \|$/gm)];
  assert.ok(rows.length > 50);
  const untried = rows.flatMap(([, numbers = '', here = '']) => {
    if (here.startsWith('none: ')) return [];
    const texts = [...here.matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => readFileSync(join(DOCS, path), 'utf8'));
    return numbers.split(', ').filter((number) => !texts.some((text) => text.includes(number)));
  });
  assert.deepEqual(untried, []);
});

void test('docs/caches.md has every type of cache, and every attribute', () => {
  const page = readFileSync(join(DOCS, 'caches.md'), 'utf8');
  for (const type of CACHE_TYPES) {
    assert.ok(page.includes(`| \`${type}\` |`), `there is no row for ${type}`);
    for (const name of knownCacheAttributes(type) ?? []) assert.match(page, new RegExp(`\`${name}[\`=]`), `${type}: ${name}`);
  }
});
