import assert from 'node:assert/strict';
import fs, { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolders } from './make-folders.ts';

test('a folder whose parent somebody else makes between two calls is made all the same', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-folders-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const calls = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
  const original = calls['mkdirSync'] as (...args: unknown[]) => unknown;
  let others = 0;
  calls['mkdirSync'] = (...args) => {
    try {
      return original(...args);
    } finally {
      if ((others += 1) === 1) original(join(folder, 'a'));
    }
  };
  syncBuiltinESMExports();
  try {
    makeFolders(join(folder, 'a/b'));
  } finally {
    calls['mkdirSync'] = original;
    syncBuiltinESMExports();
  }
  assert.ok(existsSync(join(folder, 'a/b')));
});
