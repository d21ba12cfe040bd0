// Where the store is when nobody says it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultRoot, withoutVaguePlaces } from './default-root.ts';

test('the store is root’s, or below the home of the user; without one in a folder that no other user takes for theirs', () => {
  assert.equal(defaultRoot(0, { HOME: '/home/a' }), '/var/lib/slipway');
  assert.equal(defaultRoot(7, { HOME: '/home/a' }), '/home/a/.local/share/slipway');
  assert.equal(defaultRoot(7, { HOME: '/home/a', XDG_DATA_HOME: '/d' }), '/d/slipway');
  assert.equal(defaultRoot(7, {}), '/tmp/slipway-7');
});

test('an empty or relative place is none: nothing is kept in the folder that happens to be the current one', () => {
  assert.equal(defaultRoot(7, { HOME: '' }), '/tmp/slipway-7');
  assert.equal(defaultRoot(7, { HOME: '/h', XDG_DATA_HOME: '' }), '/h/.local/share/slipway');
  assert.equal(defaultRoot(7, { HOME: 'h' }), '/tmp/slipway-7');
  assert.equal(defaultRoot(7, { HOME: '/h', XDG_DATA_HOME: './d' }), '/h/.local/share/slipway');
  assert.deepEqual({ ...withoutVaguePlaces({ XDG_CONFIG_HOME: 'c', DOCKER_CONFIG: 'd' }) }, { DOCKER_CONFIG: 'd' });
  assert.deepEqual(
    { ...withoutVaguePlaces({ HOME: '', DOCKER_CONFIG: '', SLIPWAY_ROOT: '/s', OTHER: '' }) },
    { SLIPWAY_ROOT: '/s', OTHER: '' },
  );
});

test('what every object has is no variable', () => {
  for (const name of ['constructor', 'toString', '__proto__']) assert.equal(withoutVaguePlaces({ A: 'a' })[name], undefined);
});
