// What the flags about steps take, and what is refused before anything is built.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../../base/index.ts';
import type { World } from '../world.ts';
import { ParsedFlags } from '../flags.ts';
import { readBuildArgs, readSecret, readSsh } from './steps.ts';

const world = { env: { HOME: '/nowhere' }, cwd: '/' } as unknown as World;

test('a path of --ssh that cannot be a socket or a key is refused before the build, as in BuildKit', () => {
  assert.deepEqual(readSsh('k=/proc/self/status', world), { id: 'k', paths: ['/proc/self/status'] });
  for (const [given, why] of [
    ['k=/nowhere/key', /\/nowhere\/key for --ssh k: no such file/],
    ['k=~/key', /\/nowhere\/key/],
    ['k=/proc/self/status,/nowhere/second', /\/nowhere\/second/],
    ['k=/proc', /\/proc for --ssh k: it is a directory/],
  ] as const) {
    assert.throws(
      () => readSsh(given, world),
      (error) => isSlipwayError(error, 'SSH_KEY_UNREADABLE') && why.test(error.message),
    );
  }
});

test('names that every object has are names like others, and no variables', () => {
  const flags = new ParsedFlags(new Map([['build-arg', ['__proto__=p', 'constructor=c', 'toString', 'HOME', 'a=1', 'a']]]), []);
  assert.deepEqual(Object.entries(readBuildArgs(flags, world)), [
    ['__proto__', 'p'],
    ['constructor', 'c'],
    ['HOME', '/nowhere'],
  ]);
  assert.deepEqual(readSecret('id=x,env=valueOf', world), { id: 'x', kind: 'env', variable: 'valueOf', value: undefined });
  assert.throws(() => readSecret('id=constructor', world), { code: 'SECRET_NOT_FOUND' });
  assert.throws(() => readSecret('id=x,__proto__=y', world), /unexpected key '__proto__'/);
});
