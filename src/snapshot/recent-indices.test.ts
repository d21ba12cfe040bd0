import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../base/index.ts';
import type { Entry, LayerIndex } from '../layer/index.ts';
import { RecentIndices } from './recent-indices.ts';

const indexOf = (entries: number): LayerIndex => ({
  entries: Array.from({ length: entries }, () => ({}) as Entry),
  contentDigest: digestOf(`${entries}`),
});

test('indices are kept up to a number of entries, and what was asked for longest ago goes first', () => {
  const recent = new RecentIndices(10);
  const kept = (): string => ['a', 'b', 'c', 'd'].filter((id) => recent.get(id) !== undefined).join('');
  recent.set('a', indexOf(4));
  recent.set('b', indexOf(4));
  assert.equal(kept(), 'ab');
  recent.get('a');
  recent.set('c', indexOf(4));
  assert.equal(kept(), 'ac');
  recent.set('c', indexOf(6));
  assert.equal(kept(), 'ac', 'another in its place counts for itself alone');
  recent.delete('a');
  recent.set('b', indexOf(4));
  assert.equal(kept(), 'bc');
  recent.set('d', indexOf(99));
  assert.equal(kept(), 'd', 'one that is larger than all may be is used as long as it is the last');
  recent.set('a', indexOf(1));
  assert.equal(kept(), 'a');
});
