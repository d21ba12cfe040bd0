import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { toBytePath } from '../base/index.ts';
import { outlast, scanBeforeChanges, writeDifference } from './copy-diff.ts';

test('a file that changes right after the look is seen, also where the clock of the kernel ticks slowly', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-diff-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (let round = 0; round < 20; round += 1) {
    const [root, upper] = ['root', 'upper'].map((name) => join(folder, `${name}${round}`)) as [string, string];
    for (const path of [root, upper]) mkdirSync(path);
    writeFileSync(join(root, 'f'), 'one');
    const state = scanBeforeChanges(toBytePath(root), toBytePath(`${root}.clock`));
    writeFileSync(join(root, 'f'), 'two');
    writeDifference(toBytePath(root), state, toBytePath(upper), 'trusted');
    assert.deepEqual(readdirSync(upper), ['f'], `round ${round}`);
  }
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.clock')),
    [],
  );
});

test('a tick of the clock is waited for, and not for ever where there is none', () => {
  const times = [5n, 5n, 5n, 6n];
  let pauses = 0;
  const pause = (): void => void (pauses += 1);
  outlast(5n, () => times.shift() ?? assert.fail('asked again'), pause);
  assert.equal(pauses, 3);
  outlast(4n, () => 6n, pause);
  assert.equal(pauses, 3, 'the tick is over already');
  outlast(7n, () => 7n, pause);
});
