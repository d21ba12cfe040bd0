// What the flags about steps take, and what is refused before anything is built.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { readSecret, readSsh } from './steps.ts';
import type { Surroundings } from './surroundings.ts';

const around: Surroundings = { env: {}, cwd: '/', home: '/nowhere', note: () => {} };

test('a path of --ssh that cannot be a socket or a key is refused before the build, as in BuildKit', () => {
  assert.deepEqual(readSsh('k=/proc/self/status', around), { id: 'k', paths: ['/proc/self/status'] });
  for (const [given, why] of [
    ['k=/nowhere/key', /\/nowhere\/key for --ssh k: no such file/],
    ['k=~/key', /\/nowhere\/key/],
    ['k=/proc/self/status,/nowhere/second', /\/nowhere\/second/],
    ['k=/proc', /\/proc for --ssh k: it is a directory/],
  ] as const) {
    assert.throws(
      () => readSsh(given, around),
      (error) => isSlipwayError(error, 'SSH_KEY_UNREADABLE') && why.test(error.message),
    );
  }
});

test('names that every object has are names like others, and no variables', () => {
  assert.deepEqual(readSecret('id=x,env=valueOf', around), { id: 'x', kind: 'env', variable: 'valueOf', value: undefined });
  assert.throws(() => readSecret('id=constructor', around), { code: 'SECRET_NOT_FOUND' });
  assert.throws(() => readSecret('id=x,__proto__=y', around), /unexpected key '__proto__'/);
});
