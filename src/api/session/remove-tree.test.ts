import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { removeFolder } from './remove-tree.ts';

test('a folder as deep as paths can be goes, and what its links lead to stays', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-remove-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const kept = join(folder, 'kept');
  writeFileSync(kept, 'kept');
  const top = join(folder, 'top');
  const deep = join(top, 'd/'.repeat((4000 - top.length) >> 1));
  mkdirSync(deep, { recursive: true });
  symlinkSync(kept, join(deep, 'f'));
  symlinkSync(folder, join(top, 'link'));
  for (let count = 0; count < 20; count += 1) mkdirSync(join(top, `folder-${count}`, 'inside'), { recursive: true });
  removeFolder(top);
  assert.equal(existsSync(top), false);
  assert.equal(existsSync(kept), true);
  removeFolder(top);
  removeFolder(kept);
  assert.equal(existsSync(kept), false);
});
