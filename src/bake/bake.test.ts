// Golden tests: every line of testdata/<case>/calls.txt is a call for the files beside it; answers.txt has what each answers. What is printed was
// compared with `docker buildx bake`. UPDATE_GOLDEN=1 writes the answers anew.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { answer, parseCall } from './run-call.ts';

const CASES = fileURLToPath(new URL('testdata', import.meta.url));

for (const name of readdirSync(CASES)) {
  void test(`bake: ${name}`, () => {
    const folder = join(CASES, name);
    const lines = readFileSync(join(folder, 'calls.txt'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    const text = lines.map((line) => `$ ${line}\n${answer(parseCall(line), folder)}\n`).join('');
    const golden = join(folder, 'answers.txt');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text);
    assert.equal(text, readFileSync(golden, 'utf8'));
  });
}
