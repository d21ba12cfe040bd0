import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { mapIds } from './reexec.ts';
import type { HostView } from './rungs.ts';

const MAPPING = { uid: ['0', '1000', '1'], gid: ['0', '1000', '1'] };

test('ids are mapped once the process is in its namespace, however long that takes, or is gone', async () => {
  for (const [before, then] of [
    [700, ''],
    [0, undefined],
  ] as const) {
    let looks = 0;
    const host = {
      read: () => ((looks += 1) > before ? then : '0 0 4294967295\n'),
      find: () => '/bin/true',
    } as unknown as HostView;
    await mapIds(1, MAPPING, host);
    assert.equal(looks, before + 1);
  }
});

test('a program that maps ids and cannot be started, or refuses, is told', async () => {
  for (const [program, said] of [
    ['/nowhere/newuidmap', /newuidmap failed: .*ENOENT/],
    ['/bin/false', /newuidmap failed: exit code 1$/],
  ] as const) {
    const host = { read: () => '', find: () => program } as unknown as HostView;
    await assert.rejects(mapIds(1, MAPPING, host), (error) => isSlipwayError(error, 'ROOTLESS_MAPPING') && said.test(error.message));
  }
});
