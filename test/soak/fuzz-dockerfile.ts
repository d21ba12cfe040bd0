#!/usr/bin/env node
// `SECONDS=600 npx tsx test/soak/fuzz-dockerfile.ts`: the fuzzer for as long as wanted. Each input has one second of processor time and the
// process a bounded memory; the seed of a failing input is printed.

import { dice } from '../rig/dice.ts';
import { checkDockerfile, checkPatterns, corpus, mutate } from '../rig/fuzz-dockerfile.ts';

const INPUT_MS = 1000;
const MEMORY_BYTES = 1024 * 1024 * 1024;

const seconds = Number(process.env['SECONDS'] ?? process.argv[2] ?? 600);
const first = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1e9);
const texts = corpus();
const end = performance.now() + seconds * 1000;
let seed = first;
let slowest = 0;
console.log(`fuzzing for ${seconds} s from seed ${first}, ${texts.length} files`);
for (; performance.now() < end; seed += 1) {
  const started = process.cpuUsage();
  try {
    checkDockerfile(mutate(texts, dice(seed)), dice(seed));
    for (let round = 0; round < 5; round += 1) checkPatterns(dice(seed * 5 + round));
  } catch (error) {
    console.error(`failed with seed ${seed}`, error);
    process.exit(1);
  }
  const { user, system } = process.cpuUsage(started);
  const took = (user + system) / 1000; // processor time: others may be using the machine
  slowest = Math.max(slowest, took);
  if (took > INPUT_MS) {
    console.error(`seed ${seed} took ${took.toFixed(0)} ms`);
    process.exit(1);
  }
  if (seed % 1000 === 0 && process.memoryUsage().rss > MEMORY_BYTES) {
    console.error(`memory is ${process.memoryUsage().rss} bytes after seed ${seed}`);
    process.exit(1);
  }
}
console.log(`${seed - first} inputs, slowest ${slowest.toFixed(0)} ms`);
