// The script part of every recipe in docs/ci works as it is, and the recipes call that script.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command, Rig } from '../rig/rig.ts';

const RECIPES = join(import.meta.dirname, '../../docs/ci');

test('build.sh builds, gates, pushes and fills the cache; a second machine finds everything cached', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile:
      'FROM busybox AS build\nRUN echo program > /program\nFROM build AS test\nRUN grep program /program\nFROM scratch\nCOPY --from=build /program /program\n',
  });
  const run = (store: string): ReturnType<typeof command> =>
    command('sh', [join(RECIPES, 'build.sh')], {
      cwd: rig.folder,
      env: {
        PATH: process.env['PATH'],
        SLIPWAY: `${process.execPath} ${join(import.meta.dirname, '../../bin/slipway.js')}`,
        SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'],
        SLIPWAY_ROOT: rig.path(store),
        IMAGE: `${rig.registry}/ci-${process.pid}/app:1`,
        CACHE: `${rig.registry}/ci-${process.pid}/app:cache`,
        CONTEXT: context,
        GATE: 'test',
      },
    });
  const first = await run('first');
  assert.equal(first.code, 0, first.stderr);
  const second = await run('second');
  assert.equal(second.code, 0, second.stderr);
  const { 'slipway.steps': steps } = JSON.parse(readFileSync(rig.path('metadata.json'), 'utf8')) as {
    'slipway.steps': { state: string; instruction: string }[];
  };
  assert.deepEqual(
    steps.filter(({ state }) => state === 'executed'),
    [],
  );
});

test('every recipe calls the script that is tested', () => {
  const recipes = readdirSync(RECIPES).filter((name) => !/^(README\.md|build\.sh)$/.test(name));
  assert.equal(recipes.length, 6);
  for (const name of recipes) assert.match(readFileSync(join(RECIPES, name), 'utf8'), /docs\/ci\/build\.sh/, name);
});
