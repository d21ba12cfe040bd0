// Flags of the server: BuildKit's are taken, misspelt ones are not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readServerConfig, readServerFlags } from './config.ts';

const read = (...args: readonly string[]): ReturnType<typeof readServerConfig> => readServerConfig(readServerFlags(args), {});

test('switches stand alone or have a value; flags of a worker that mean nothing here have no effect', () => {
  assert.equal(read('--debug').debug, true);
  assert.equal(read('--debug=false').debug, false);
  assert.equal(read('--oci-worker-gc=false').gc.disabled, true);
  assert.equal(read('--oci-worker-gc', '--debug').gc.disabled, undefined);
  const { listen } = read('--containerd-worker', 'auto', '--oci-worker-snapshotter=native', '--root', '/r', '--addr', 'tcp://127.0.0.1:1');
  assert.deepEqual(
    listen.map(({ address }) => address),
    ['tcp://127.0.0.1:1'],
  );
});

test('a group is named as buildkitd takes it, an entitlement that there is not is refused, and flags beat the file', () => {
  const groups = (...args: readonly string[]): readonly unknown[] => read('--addr', '/s', ...args).listen.map(({ group }) => group);
  assert.deepEqual(groups('--group', '7'), [7]);
  assert.deepEqual(groups('--group=root'), [0]);
  assert.throws(() => groups('--group', 'nobody has it'), /there is no group nobody has it for --group/);
  assert.throws(() => read('--allow-insecure-entitlement', 'network.hots'), /unknown entitlement network\.hots/);
  const file = { grpc: { gid: 5 }, worker: { oci: { 'max-parallelism': 5 } } };
  const both = readServerConfig(readServerFlags(['--addr', '/s', '--group', '7', '--oci-max-parallelism', '7']), file);
  assert.deepEqual([both.listen[0]?.group, both.maxProcesses], [7, 7]);
  const { listen, maxProcesses } = readServerConfig(readServerFlags(['--addr', '/s']), file);
  assert.deepEqual([listen[0]?.group, maxProcesses], [5, 5]);
});

test('a flag that nobody has is refused, with the nearest one', () => {
  assert.throws(() => read('--adr', 'unix:///x'), /^SlipwayError: unknown flag: --adr \(did you mean --addr\?\)$/);
  assert.throws(() => read('--frobnicate'), /^SlipwayError: unknown flag: --frobnicate$/);
  assert.throws(() => read('--root'), /^SlipwayError: flag needs a value: --root$/);
});
