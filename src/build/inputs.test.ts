import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isForeignSyntax } from './inputs.ts';

test('another language than the Dockerfile’s', () => {
  for (const own of [
    'docker/dockerfile:1',
    'docker/dockerfile-upstream:master',
    'registry.example.org/docker/dockerfile@sha256:0',
    'dockerfile.v0',
  ])
    assert.equal(isForeignSyntax(own), false, own);
  assert.equal(isForeignSyntax(undefined), false);
  for (const foreign of ['tonistiigi/hellofs', 'example.org/mopy:1', 'docker/dockerfiles:1'])
    assert.equal(isForeignSyntax(foreign), true, foreign);
});
