// What `docker images NAME` and `--filter` list: whoever removes it all must not remove more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageFacts } from '../backend.ts';
import { filterImages } from './image-filter.ts';

const image = (names: readonly string[], labels: Readonly<Record<string, string>> = {}): ImageFacts =>
  ({ names, config: { config: { Labels: labels } } }) as unknown as ImageFacts;

const IMAGES = [image(['app:1', 'app:latest']), image(['team/app:1'], { stage: 'test', empty: '' }), image(['r.example:5000/app:2'])];

const listed = (filters: unknown): readonly string[] =>
  filterImages(IMAGES, filters === undefined ? null : JSON.stringify(filters)).flatMap(({ names }) => names);

void test('images are listed by reference as Docker matches it, by label, and none dangles', () => {
  assert.equal(listed(undefined).length, 4);
  assert.equal(listed({}).length, 4);
  assert.deepEqual(listed({ reference: { app: true } }), ['app:1', 'app:latest']);
  assert.deepEqual(listed({ reference: ['app:1'] }), ['app:1']);
  assert.deepEqual(listed({ reference: { '*/app': true } }), ['team/app:1', 'r.example:5000/app:2']);
  assert.deepEqual(listed({ reference: { 'app:l*': true, 'team/*': true } }), ['app:latest', 'team/app:1']);
  assert.deepEqual(listed({ reference: { nothing: true } }), []);
  assert.deepEqual(listed({ label: { 'stage=test': true } }), ['team/app:1']);
  assert.deepEqual(listed({ label: { empty: true } }), ['team/app:1']);
  assert.deepEqual(listed({ label: { 'stage=': true } }), []);
  assert.deepEqual(listed({ label: { constructor: true } }), []);
  assert.deepEqual(listed({ dangling: { true: true } }), []);
  assert.equal(listed({ dangling: { false: true } }).length, 4);
});

void test('a filter that is not understood is refused', () => {
  assert.throws(() => listed({ before: { app: true } }), /invalid filter 'before': there are reference, dangling, label/);
  assert.throws(() => listed({ reference: { '[': true } }), /no pattern/);
  assert.throws(() => filterImages(IMAGES, '{'), /no JSON/);
});
