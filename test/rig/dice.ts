// Chance that can be repeated.

/** Numbers below a bound; the same seed gives the same numbers. */
export interface Dice {
  below(bound: number): number;
  pick<T>(items: readonly T[]): T;
}

/** Mulberry32. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const below = (bound: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
  return { below, pick: <T>(items: readonly T[]): T => items[below(items.length)] as T };
}
