// A few seconds of the fuzzer, the same inputs every time; FUZZ_SEED asks for others.

import { test } from 'node:test';

import { dice } from '../../test/rig/dice.ts';
import { checkDockerfile, checkPatterns, corpus, mutate } from '../../test/rig/fuzz-dockerfile.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);

test(`mutated Dockerfiles never throw and print back (seed ${SEED})`, () => {
  const texts = corpus();
  for (let round = 0; round < 800; round += 1) {
    const seed = SEED + round;
    run(seed, () => checkDockerfile(mutate(texts, dice(seed)), dice(seed)));
  }
});

test(`made-up ignore patterns match as regular expressions do (seed ${SEED})`, () => {
  for (let round = 0; round < 5000; round += 1) run(SEED + round, () => checkPatterns(dice(SEED + round)));
});

function run(seed: number, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new Error(`with seed ${seed}`, { cause: error });
  }
}
