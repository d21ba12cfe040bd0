#!/usr/bin/env node
// `SECONDS=600 npx tsx test/soak/fuzz-tar.ts`: archives made of odd pieces, for as long as wanted. As root it also compares folders with
// indices.

import { dice } from '../rig/dice.ts';
import { makeArchive, TarArena } from '../rig/fuzz-tar.ts';
import { soak } from '../rig/soak.ts';

const isRoot = process.getuid?.() === 0;
using arena = new TarArena();
await soak('archives', (seed) => arena.check(makeArchive(dice(seed)), dice(seed), isRoot && seed % 8 === 0));
