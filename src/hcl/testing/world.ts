// The world of the tests: always the same time, home and dice.

import { functions, type HclFunction } from '../index.ts';

export function testFunctions(): ReadonlyMap<string, HclFunction> {
  return functions({
    now: () => new Date('2026-11-30T08:00:00.123Z'),
    homeFolder: () => '/home/somebody',
    random: (bytes) => Uint8Array.from({ length: bytes }, (_, at) => (at * 37 + 11) & 0xff),
  });
}
