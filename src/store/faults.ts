// What the disk refused, in words.

import { errnoOf, SlipwayError } from '../base/index.ts';

/**
 * The error for a failed write below the store: `STORE_FULL`, `STORE_READ_ONLY`, else the error itself.
 * `doing` completes "the store is full while …".
 */
export function storeFault(error: unknown, root: string, doing: string): unknown {
  if (error instanceof SlipwayError) return error;
  const code = errnoOf(error);
  const facts = { root, doing };
  switch (code) {
    case 'ENOSPC':
      return new SlipwayError('STORE_FULL', `no space left in the store at ${root} while ${doing}`, {
        hint: 'free some with `slipway prune`, or put the store on a larger disk with --root',
        facts,
        cause: error,
      });
    case 'EDQUOT':
      return new SlipwayError('STORE_FULL', `the disk quota is used up for the store at ${root} while ${doing}`, {
        hint: 'free some with `slipway prune`, or put the store elsewhere with --root',
        facts,
        cause: error,
      });
    case 'EROFS':
      return new SlipwayError(
        'STORE_READ_ONLY',
        `the store at ${root} cannot be written while ${doing}: its disk is mounted to be read only (EROFS)`,
        {
          hint: 'mount it to be written, or name another store with --root',
          facts,
          cause: error,
        },
      );
    case 'EACCES':
    case 'EPERM':
      return new SlipwayError('STORE_READ_ONLY', `the store at ${root} cannot be written while ${doing} (${code})`, {
        hint: 'name a folder that you own with --root; without it, the store of an ordinary user is below HOME',
        facts,
        cause: error,
      });
    default:
      return error;
  }
}

/** Runs `work`; what the disk refuses comes out in words. */
export function inStore<T>(root: string, doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storeFault(error, root, doing);
  }
}
