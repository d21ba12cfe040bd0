#!/usr/bin/env node
// `SECONDS=600 npx tsx test/soak/fuzz-tar.ts`: the fuzzer of archives for as long as wanted. Each input has one second of processor time and the process a
// bounded memory; the seed of a failing input is printed. As root it also compares folders with indices.

import { dice } from '../rig/fuzz-dockerfile.ts';
import { makeArchive, TarArena } from '../rig/fuzz-tar.ts';

const INPUT_MS = 1000;
const MEMORY_BYTES = 1024 * 1024 * 1024;

const seconds = Number(process.env['SECONDS'] ?? process.argv[2] ?? 600);
const first = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1e9);
const isRoot = process.getuid?.() === 0;
const end = performance.now() + seconds * 1000;
let seed = first;
let slowest = 0;
console.log(`fuzzing for ${seconds} s from seed ${first}`);
using arena = new TarArena();
for (; performance.now() < end; seed += 1) {
  const started = process.cpuUsage();
  try {
    arena.check(makeArchive(dice(seed)), dice(seed), isRoot && seed % 8 === 0);
  } catch (error) {
    console.error(`failed with seed ${seed}`, error);
    process.exitCode = 1;
    break;
  }
  const { user, system } = process.cpuUsage(started);
  const took = (user + system) / 1000; // processor time: others may be using the machine
  slowest = Math.max(slowest, took);
  if (took > INPUT_MS || process.memoryUsage().rss > MEMORY_BYTES) {
    console.error(`seed ${seed} took ${took.toFixed(0)} ms, memory is ${process.memoryUsage().rss} bytes`);
    process.exitCode = 1;
    break;
  }
}
console.log(`${seed - first} inputs, slowest ${slowest.toFixed(0)} ms`);
