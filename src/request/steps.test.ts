// What the flags about steps take, and what is refused before anything is built.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { readCache } from './results.ts';
import { readHosts, readResources, readSecret, readSsh, readUlimits } from './steps.ts';
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

test('of several limits for one resource the last counts: a runtime cannot raise what it has lowered', () => {
  assert.deepEqual(readUlimits(['nofile=100', 'core=0', 'nofile=300:400']), [
    { name: 'nofile', soft: 300, hard: 400 },
    { name: 'core', soft: 0, hard: 0 },
  ]);
});

test('one --add-host may name several hosts, or none; names are lower-cased', () => {
  assert.deepEqual(readHosts(['Db.Local:10.0.0.1,cache=::1', '', 'a:[::2]']), [
    { host: 'db.local', ip: '10.0.0.1' },
    { host: 'cache', ip: '::1' },
    { host: 'a', ip: '::2' },
  ]);
});

test('swap may be unlimited, memory not', () => {
  assert.deepEqual(readResources({ 'memory-swap': '-1' }), { memorySwap: -1 });
  assert.throws(() => readResources({ memory: '-1' }), /invalid size "-1"/);
});

test('a value that is a variable which is not set is as if not written, or refused', () => {
  const withFile: Surroundings = { ...around, cwd: '/proc/self', env: { EV: 'v' } };
  assert.deepEqual(readSecret('id=status,src=,env=', withFile), { id: 'status', kind: 'file', path: '/proc/self/status' });
  assert.deepEqual(readSecret('id=EV,src=', withFile), { id: 'EV', kind: 'env', variable: 'EV', value: 'v' });
  for (const [flag, entry, problem] of [
    ['--cache-from', 'type=local,src=', /--cache-from: type=local needs src=/],
    ['--cache-from', 'type=local', /--cache-from: type=local needs src=/],
    ['--cache-from', 'type=registry,ref=', /--cache-from: type=registry needs ref=/],
  ] as const)
    assert.throws(() => readCache(flag, entry, around), problem, entry);
  assert.deepEqual(readCache('--cache-to', 'type=local,dest=', around), [{ type: 'local', attributes: { dest: '' } }]);
});
