// Golden tests: testdata/*.txt are cases (`## title`) of files (`-- name --`), calls (`$ bake …`) and what each call answers. What is printed was
// compared with `docker buildx bake`. UPDATE_GOLDEN=1 writes the answers anew.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { answer, parseCall } from './testing/run-call.ts';

const CASES = fileURLToPath(new URL('testdata', import.meta.url));

for (const name of readdirSync(CASES)) {
  void test(`bake: ${name}`, () => {
    const path = join(CASES, name);
    const text = readFileSync(path, 'utf8');
    const now = text
      .split(/^(?=## )/m)
      .map(replay)
      .join('');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, now);
    assert.equal(now, readFileSync(path, 'utf8'));
  });
}

/** A case with the answers that its calls have now. */
function replay(text: string): string {
  const [head = '', ...calls] = text.split(/^\$ /m);
  const parts = head.split(/^-- (.+) --\n/m);
  const files = new Map<string, string>();
  for (let at = 1; at < parts.length; at += 2) files.set(parts[at] as string, parts[at + 1] as string);
  return head + calls.map((call) => again(call.slice(0, call.indexOf('\n')), files)).join('');
}

function again(line: string, files: ReadonlyMap<string, string>): string {
  return `$ ${line}\n${answer(parseCall(line), files)}`;
}
