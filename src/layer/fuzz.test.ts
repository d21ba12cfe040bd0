import { test } from 'node:test';
import { dice } from '../../test/rig/dice.ts';
import { makeArchive, TarArena } from '../../test/rig/fuzz-tar.ts';

const isRoot = process.getuid?.() === 0;

test('damaged and hostile archives are read the same in any pieces, or refused', () => {
  using arena = new TarArena();
  for (let seed = 1; seed <= 400; seed += 1) {
    try {
      arena.check(makeArchive(dice(seed)), dice(seed), isRoot && seed % 4 === 0);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).stack}`, { cause: error });
    }
  }
});
