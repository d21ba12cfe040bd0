// Every feature on every rung: it works, or it is refused with a code and a reason. docs/rungs.md is what this test saw;
// `UPDATE_GOLDEN=1 node scripts/test.mjs features/rung-table` writes it anew.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { rungHint } from '../../src/runtime/rung-hints.ts';
import { FeatureSite, makeFeatureContext, Refused } from '../rig/feature-site.ts';
import { copyProduct, openPlace, type Place, PLACES, type PlaceName } from '../rig/places.ts';
import { type Feature, FEATURES } from '../rig/rung-features.ts';
import { type Cell, rungPage } from '../rig/rung-page.ts';
import { makeStepTool } from '../rig/step-tool.ts';

const PAGE = join(import.meta.dirname, '../../docs/rungs.md');
const seen = new Map<PlaceName, ReadonlyMap<Feature, Cell>>();
let below = '';
let product = '';
let context = '';

before(() => {
  below = mkdtempSync('/tmp/slipway-rungs-');
  chmodSync(below, 0o755);
  product = copyProduct(join(below, 'product'));
  context = makeFeatureContext(join(below, 'context'), makeStepTool(join(below, 'tool')));
});
after(() => rmSync(below, { recursive: true, force: true }));

for (const name of PLACES) {
  test(`every feature on ${name}`, async () => {
    await using place = openPlace(name, product, below);
    const info = await place.slipway(['info']);
    assert.match(info.stdout, new RegExp(`^ \\* ${name}: `, 'm'), info.stdout + info.stderr);
    const cells = new Map<Feature, Cell>();
    const waiting = [...FEATURES.entries()];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        cells.set(next[1], await tryFeature(place, next[1], next[0]));
    };
    await Promise.all([work(), work()]);
    seen.set(name, cells);
    const refused = FEATURES.filter((feature) => cells.get(feature)?.state !== 'works').map((feature) => feature.name);
    if (name === 'root-overlay') assert.deepEqual(refused, []);
    // No kernel lets a user namespace make device nodes.
    if (name === 'rootless-subid') assert.deepEqual(refused, ['device nodes that a step makes']);
  });
}

test('docs/rungs.md says what was seen', () => {
  const page = rungPage(FEATURES, seen);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(PAGE, page);
  assert.equal(readFileSync(PAGE, 'utf8'), page);
});

test('an ordinary user whose cgroups are not delegated is told so', async () => {
  await using place = openPlace('rootless-subid', product, below, { delegate: false });
  const site = new FeatureSite(place, 'undelegated', context);
  const { code, hint } = await site.failure('FROM busybox\nRUN true\n', ['--memory', '64m']);
  assert.equal(code, 'RESOURCES_REFUSED');
  assert.match(hint ?? '', /Delegate=yes/);
});

async function tryFeature(place: Place, feature: Feature, index: number): Promise<Cell> {
  const site = new FeatureSite(place, `feature-${index}`, context);
  try {
    await feature.check(site);
    return { state: 'works', notes: [...site.notes] };
  } catch (error) {
    if (!(error instanceof Refused)) throw new Error(`${feature.name} on ${place.name}`, { cause: error });
    assert.notEqual(error.code, '', `${feature.name}: no code\n${error.log}`);
    // A step that failed on its own must have been told why it cannot work here.
    if (error.code === 'EXEC_EXIT') assert.equal(error.hint, rungHint(place.name, error.log), `${feature.name}\n${error.log}`);
    assert.ok(error.hint !== undefined, `${feature.name}: no way out\n${error.log}`);
    return { state: 'refused', code: error.code, reason: error.code === 'EXEC_EXIT' ? '' : error.reason, hint: error.hint };
  }
}
