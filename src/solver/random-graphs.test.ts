// Thousands of random graphs under shuffled scheduling, against the sequential reference.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildErrors, type JobContext } from '../base/index.ts';
import { Solver, type VertexFacts } from './index.ts';
import { solveSequentially } from './testing/reference.ts';
import { partOf, random, type Spec, type Tree, verticesOf, World, WorldCache } from './testing/world.ts';

/** All flavours together. A longer shake: SLIPWAY_TEST_GRAPHS=100000, elsewhere: SLIPWAY_TEST_FROM=5000. */
const GRAPHS = Number(process.env['SLIPWAY_TEST_GRAPHS'] ?? 2400);
const FIRST_SEED = Number(process.env['SLIPWAY_TEST_SEED'] ?? process.env['SLIPWAY_TEST_FROM'] ?? 1);
const COUNT = process.env['SLIPWAY_TEST_SEED'] === undefined ? GRAPHS : 1;
const LIMITS = { process: 3, files: 2, network: 2 };

interface Flavor {
  readonly random: boolean;
  readonly fails: boolean;
}

function drawSpecs(draw: () => number, flavor: Flavor): Spec[] {
  const count = 2 + Math.floor(draw() * 10);
  return Array.from({ length: count }, (_, index): Spec => {
    const kind = index === 0 || draw() < 0.1 ? 'source' : draw() < 0.12 ? 'merge' : 'step';
    const inputCount = kind === 'source' ? 0 : Math.min(index, 1 + Math.floor(draw() * 2.5));
    const inputs = Array.from({ length: inputCount }, (_unused, position): Spec['inputs'][number] => ({
      index: Math.floor(draw() * index),
      use: kind === 'merge' || (position === 0 && draw() < 0.7) ? 'whole' : draw() < 0.5 ? 'a' : 'b',
    }));
    return {
      name: `v${index}`,
      kind,
      inputs,
      text: `t${Math.floor(draw() * 4)}${kind}`,
      random: flavor.random && kind === 'step' && draw() < 0.3,
      ignoreCache: kind === 'step' && draw() < 0.05,
      fails: flavor.fails && kind === 'step' && draw() < 0.12,
    };
  });
}

/** The next version of a Dockerfile: some texts changed. */
function edit(draw: () => number, specs: readonly Spec[]): Spec[] {
  return specs.map((spec) => (draw() < 0.15 ? { ...spec, text: `${spec.text}x` } : spec));
}

async function solveAll(
  solver: Solver<Tree>,
  specs: readonly Spec[],
  world: World,
  signal = new AbortController().signal,
): Promise<{ trees: readonly Tree[]; facts: readonly VertexFacts<Tree>[] }> {
  const vertices = verticesOf(specs, world);
  const roots = vertices.map((vertex) => ({ vertex, output: 0 }));
  const job: JobContext = { signal, progress: () => {}, now: () => new Date(world.time()) };
  const { outputs, facts } = await solver.solve(roots, job, { hasBytes: world.hasBytes });
  return { trees: outputs, facts };
}

/** Every result was made from what its inputs are in this build. */
function assertUnmixed(specs: readonly Spec[], trees: readonly Tree[]): void {
  for (const [index, spec] of specs.entries()) {
    const now = spec.inputs.map((input) => partOf(trees[input.index] as Tree, input.use));
    assert.deepEqual(trees[index]?.madeFrom, now, `${spec.name} was made from other runs of its inputs`);
  }
}

function assertOnce(world: World, before: number): void {
  const keys = world.executions.slice(before).map(({ key }) => key);
  assert.equal(new Set(keys).size, keys.length, 'a key was executed twice');
}

function assertQuiet(world: World): void {
  assert.equal(world.running, 0, 'something still runs');
  assert.equal(world.locks, 0, 'a lock is still held');
}

async function forSeeds(flavor: string, work: (draw: () => number) => Promise<void>): Promise<void> {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + COUNT / 4; seed += 1) {
    try {
      await work(random(seed));
    } catch (error) {
      throw new Error(`${flavor}: seed ${seed} (SLIPWAY_TEST_SEED=${seed} runs it alone): ${String(error)}`, { cause: error });
    }
  }
}

/** A world in which some versions of the graph were built, and then something was lost. */
async function agedWorld(draw: () => number, specs: readonly Spec[]): Promise<World> {
  const world = new World(draw);
  for (let round = 0; round < 2; round += 1) {
    const solver = new Solver(new WorldCache(world), LIMITS);
    const past = edit(draw, specs).map((spec) => ({ ...spec, fails: false }));
    await solveAll(solver, past, world);
    if (draw() < 0.8) world.lose(draw, draw());
  }
  return world;
}

test('deterministic graphs: the same results as the reference, each key executed at most once', () =>
  forSeeds('deterministic', async (draw) => {
    const specs = drawSpecs(draw, { random: false, fails: false });
    const world = await agedWorld(draw, specs);
    const reference = solveSequentially(specs, world.copy(draw));
    const before = world.executions.length;
    const { trees } = await solveAll(new Solver(new WorldCache(world), LIMITS), specs, world);
    assert.deepEqual(
      trees.map(({ identity }) => identity),
      reference.map(({ identity }) => identity),
    );
    assertUnmixed(specs, trees);
    assertOnce(world, before);
    assertQuiet(world);
    // And again: nothing runs but what must.
    const again = world.executions.length;
    const second = await solveAll(new Solver(new WorldCache(world), LIMITS), specs, world);
    assert.deepEqual(
      second.trees.map(({ identity }) => identity),
      reference.map(({ identity }) => identity),
    );
    const must = new Set(specs.filter(({ ignoreCache }) => ignoreCache).map(({ name }) => name));
    if (must.size === 0) assert.deepEqual(world.executions.slice(again), []);
  }));

test('graphs that are not deterministic: an image never mixes two runs', () =>
  forSeeds('random', async (draw) => {
    const specs = drawSpecs(draw, { random: true, fails: false });
    const world = await agedWorld(draw, specs);
    const before = world.executions.length;
    const { trees } = await solveAll(new Solver(new WorldCache(world), LIMITS), specs, world);
    assertUnmixed(specs, trees);
    assertOnce(world, before);
    assertQuiet(world);
  }));

test('failures: what must fail fails, nothing runs twice, nothing is left running', () =>
  forSeeds('failing', async (draw) => {
    const specs = drawSpecs(draw, { random: false, fails: true });
    const world = await agedWorld(draw, specs);
    let expected: unknown;
    try {
      solveSequentially(specs, world.copy(draw));
    } catch (error) {
      expected = error;
    }
    const before = world.executions.length;
    let actual: unknown;
    try {
      await solveAll(new Solver(new WorldCache(world), LIMITS), specs, world);
    } catch (error) {
      actual = error;
    }
    assert.equal(actual === undefined, expected === undefined, `expected ${String(expected)}, got ${String(actual)}`);
    const causes = actual instanceof BuildErrors ? actual.errors : actual === undefined ? [] : [actual as Error];
    const failing = new Set(specs.filter(({ fails }) => fails).map(({ name }) => `${name} fails`));
    for (const { message } of causes) assert.ok(failing.has(message), message);
    assertOnce(world, before);
    assertQuiet(world);
  }));

test('several builds at once, some cancelled: the others get their results, nothing runs twice', () =>
  forSeeds('simultaneous', async (draw) => {
    const specs = drawSpecs(draw, { random: false, fails: false }).map((spec) => ({ ...spec, ignoreCache: false }));
    const world = await agedWorld(draw, specs);
    const variants = [specs, edit(draw, specs), specs];
    const cache = new WorldCache(world);
    const solvers = draw() < 0.5 ? [new Solver(cache, LIMITS)] : [new Solver(cache, LIMITS), new Solver(cache, LIMITS)];
    const references = variants.map((variant) => solveSequentially(variant, world.copy(draw)).map(({ identity }) => identity));
    const before = world.executions.length;
    const cancels = variants.map(() => new AbortController());
    const victim = draw() < 0.5 ? cancels[Math.floor(draw() * 3)] : undefined;
    const outcomes = variants.map((variant, index) =>
      solveAll(solvers[index % solvers.length] as Solver<Tree>, variant, world, (cancels[index] as AbortController).signal),
    );
    if (victim !== undefined) {
      for (let turns = Math.floor(draw() * 25); turns > 0; turns -= 1) await world.shuffler.turn();
      victim.abort(new Error('cancelled by the user'));
    }
    const settled = await Promise.allSettled(outcomes);
    for (const [index, outcome] of settled.entries()) {
      if (outcome.status === 'fulfilled') {
        assert.deepEqual(
          outcome.value.trees.map(({ identity }) => identity),
          references[index],
        );
        assertUnmixed(variants[index] as Spec[], outcome.value.trees);
      } else {
        assert.equal((outcome.reason as Error).message, 'cancelled by the user');
        assert.equal(cancels[index], victim);
      }
    }
    // An execution that was given up with its build may be begun again by another one.
    if (victim === undefined) assertOnce(world, before);
    assertQuiet(world);
  }));
