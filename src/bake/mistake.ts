// What files say wrong, and names that nobody defined.

import { editDistance, locate, SlipwayError, type SourceLocation, suggest } from '../base/index.ts';

interface MistakeOptions {
  /** How to cure it, one line. */
  readonly hint?: string | undefined;
  readonly location?: SourceLocation | undefined;
}

export function mistake(message: string, { hint, location }: MistakeOptions = {}): SlipwayError {
  return new SlipwayError('BAKE_INVALID', message, {
    ...(hint === undefined ? {} : { hint }),
    ...(location === undefined ? {} : { location }),
  });
}

/** Runs `work`; what goes wrong in it gets the place, unless it has one. */
export function at<T>(location: SourceLocation | undefined, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw locate(error, location);
  }
}

/** The known word that somebody may have meant. One that shares no letter with it is none. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const near = suggest(
    word,
    [...known].filter((name) => name !== word),
  );
  return near === undefined || editDistance(word.toLowerCase(), near.toLowerCase(), { swaps: true }) >= Math.max(word.length, near.length)
    ? undefined
    : near;
}

/** A hint that names what is near, else what there is. */
export function nearHint(word: string, known: Iterable<string>, say: (name: string) => string = (name) => name): string | undefined {
  const names = [...known].filter((name) => name !== word);
  const near = nearest(word, names);
  if (near !== undefined) return `did you mean ${say(near)}?`;
  return names.length === 0 ? undefined : `there are ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}`;
}
