// The engine's contract in its simplest form: one vertex after the other, and from the start again when bytes are missing.

import { NeedsBytes } from '../index.ts';
import { keep, type Spec, type Tree, type World } from './world.ts';

/** Results of all specs, in order. Throws what the first failing step throws. */
export function solveSequentially(specs: readonly Spec[], world: World): readonly Tree[] {
  const executed = new Map<string, Tree>();
  const forced = new Set<number>();
  for (;;) {
    try {
      return attempt(specs, world, executed, forced);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      for (const index of new Set(error.producers)) {
        if (forced.has(index)) throw new Error(`reference: ${specs[index]?.name ?? ''} was executed and has no bytes`);
        forced.add(index);
      }
    }
  }
}

class Missing extends Error {
  readonly producers: readonly number[];

  constructor(producers: readonly number[]) {
    super('missing');
    this.producers = producers;
  }
}

function attempt(specs: readonly Spec[], world: World, executed: Map<string, Tree>, forced: ReadonlySet<number>): readonly Tree[] {
  const results: Tree[] = [];
  for (const [index, spec] of specs.entries()) {
    const inputs = spec.inputs.map((input) => results[input.index] as Tree);
    try {
      results.push(solveOne(spec, inputs, world, executed, forced.has(index)));
    } catch (error) {
      if (!(error instanceof NeedsBytes)) throw error;
      throw new Missing(lackingBelow(specs, spec.inputs[error.input]?.index ?? -1, results, world));
    }
  }
  return results;
}

function solveOne(spec: Spec, inputs: readonly Tree[], world: World, executed: Map<string, Tree>, forced: boolean): Tree {
  if (spec.kind !== 'step') return world.make(spec, inputs);
  const key = world.keyOf(spec, inputs);
  const done = executed.get(key);
  if (done !== undefined) return done;
  const hit = spec.ignoreCache ? undefined : world.results.get(key)?.[0]?.outputs[0];
  if (hit !== undefined && (!forced || world.hasBytes(hit))) return hit;
  const made = world.make(spec, inputs);
  if (spec.fails) throw new Error(`${spec.name} fails`);
  const [kept] = keep(world, key, [made], spec.ignoreCache);
  executed.set(key, kept as Tree);
  return kept as Tree;
}

/** Through merges, the steps whose bytes are absent. */
function lackingBelow(specs: readonly Spec[], index: number, results: readonly Tree[], world: World): number[] {
  const spec = specs[index];
  if (spec === undefined) throw new Error('reference: no such input');
  if (spec.kind !== 'merge') return [index];
  return spec.inputs
    .filter((input) => !world.hasBytes(results[input.index] as Tree))
    .flatMap((input) => lackingBelow(specs, input.index, results, world));
}
