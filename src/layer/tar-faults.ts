// How an archive is refused.

import { SlipwayError } from '../base/index.ts';

/** A failure of the archive itself. */
export function broken(what: string): SlipwayError {
  return new SlipwayError('TAR_BROKEN', `not a sound tar archive: ${what}`);
}

/** A failure of our patience. */
export function overLimit(what: string, limit: number): SlipwayError {
  return new SlipwayError('TAR_LIMIT', `the archive asks for too much: ${what} (limit ${limit})`, { facts: { limit } });
}
