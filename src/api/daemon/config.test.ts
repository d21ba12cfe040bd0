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

test('a flag that nobody has is refused, with the nearest one', () => {
  assert.throws(() => read('--adr', 'unix:///x'), /^SlipwayError: unknown flag: --adr \(did you mean --addr\?\)$/);
  assert.throws(() => read('--frobnicate'), /^SlipwayError: unknown flag: --frobnicate$/);
  assert.throws(() => read('--root'), /^SlipwayError: flag needs a value: --root$/);
});
