#!/usr/bin/env node
// `SECONDS=600 npx tsx test/soak/fuzz-registry.ts`: a registry that answers anything at all, asked everything that a build asks.

import { dice } from '../rig/dice.ts';
import { RegistryArena } from '../rig/fuzz-documents.ts';
import { soak } from '../rig/soak.ts';

await using arena = await RegistryArena.create();
await soak('registries', (seed) => arena.check(dice(seed)));
