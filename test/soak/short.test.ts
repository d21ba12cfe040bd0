// Every program of this folder for a moment: that it starts, ends and finds nothing. `npm run soak` runs them for long, with inputs that
// nobody has tried yet; here they are the same each time, on fast machines and on slow ones, so that a change is judged by what it changes.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const programs = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && !/\.(test|d)\.ts$/.test(name));

for (const name of programs) {
  void test(name, { timeout: 300_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', join(import.meta.dirname, name)], {
      cwd: join(import.meta.dirname, '../..'),
      env: { ...process.env, SECONDS: '0', INPUTS: '150', FUZZ_SEED: '1' },
    });
    assert.notEqual(stdout.trim(), '', 'it says what it did');
  });
}
