// "Did you mean": the nearest of a few known words.

import { editDistance } from './edit-distance.ts';

/** The candidate nearest to `word` by edit distance (case does not count), if it is near enough to be a typing mistake; or one cut short. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let longer: string | undefined;
  let best: string | undefined;
  // Of three letters, two others make another word.
  let bestDistance = (word.length <= 3 ? 1 : Math.max(2, Math.floor(word.length / 3))) + 1;
  for (const candidate of candidates) {
    if (longer === undefined && wanted.length >= 3 && candidate.toLowerCase().startsWith(wanted)) longer = candidate;
    const distance = editDistance(wanted, candidate.toLowerCase(), { swaps: true });
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? longer;
}
