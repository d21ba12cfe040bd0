#!/usr/bin/env node
// `SECONDS=600 npx tsx test/soak/fuzz-dockerfile.ts`: the fuzzer for as long as wanted.

import { dice } from '../rig/dice.ts';
import { checkDockerfile, checkPatterns, corpus, mutate } from '../rig/fuzz-dockerfile.ts';
import { soak } from '../rig/soak.ts';

const texts = corpus();
await soak(`Dockerfiles made of ${texts.length}`, (seed) => {
  checkDockerfile(mutate(texts, dice(seed)), dice(seed));
  for (let round = 0; round < 5; round += 1) checkPatterns(dice(seed * 5 + round));
});
