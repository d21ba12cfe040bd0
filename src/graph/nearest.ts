// "Did you mean" as BuildKit's lint messages have it.

import { editDistance } from '../base/index.ts';

/** The candidate that one or two edits turn into `word`, case counting; undefined also when `word` is one of them. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of candidates) {
    if (candidate === word) return undefined;
    const distance = Math.abs(candidate.length - word.length) < bestDistance ? editDistance(word, candidate) : bestDistance;
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}
