// What of a cache mount counts in the key of a RUN.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExecSpec, GraphVertex, MountSpec } from '../graph/index.ts';
import { execKey } from './exec-key.ts';

const VERTEX = {
  digest: 'v',
  inputs: [],
  platform: { os: 'linux', architecture: 'amd64' },
  about: { name: 'RUN' },
} as unknown as GraphVertex;
const ROOT: MountSpec = { type: 'bind', input: 0, selector: '', dest: '/', output: 0, readonly: false };

function keyWith(cache: MountSpec['cache']): string {
  const mount: MountSpec = { type: 'cache', input: -1, selector: '', dest: '/c', output: -1, readonly: false, ...(cache && { cache }) };
  const spec = { args: ['x'], env: [], cwd: '/', user: '', network: 'default', security: 'sandbox', mounts: [ROOT, mount] };
  return execKey(VERTEX, spec as unknown as ExecSpec, [], 'step', []).key;
}

test('id and sharing of a cache mount do not count, only whether they are left as they are', () => {
  const plain = keyWith({ id: '//c', sharing: 'shared' });
  const named = keyWith({ id: '/x', sharing: 'shared' });
  assert.notEqual(named, plain);
  assert.equal(keyWith({ id: '/y', sharing: 'private' }), named);
  assert.equal(keyWith({ id: '//c', sharing: 'locked' }), named);
  assert.notEqual(keyWith({ id: 'space//c', sharing: 'shared' }), plain);
  assert.equal(keyWith({ id: 'space//x', sharing: 'shared' }), named);
});
