// Names of what is built, and the platforms that it is built for.

import { isSlipwayError } from '../base/index.ts';
import { familiarName } from '../build/index.ts';
import { wrongValue } from './fields.ts';
import type { Surroundings } from './surroundings.ts';

/** One `--tag`, refused before anything is asked of a registry. */
export function readTag(tag: string): string {
  try {
    familiarName(tag);
    return tag;
  } catch (error) {
    if (!isSlipwayError(error, 'REFERENCE_INVALID')) throw error;
    throw wrongValue(`invalid value for --tag: ${error.message}`, error.hint);
  }
}

/** Lists of platforms; undefined are those of `DOCKER_DEFAULT_PLATFORM`, and in the answer this machine's. */
export function readPlatforms(written: readonly string[] | undefined, { env }: Surroundings): string[] | undefined {
  const usual = env['DOCKER_DEFAULT_PLATFORM'];
  const platforms = (written ?? (usual ? [usual] : [])).flatMap((entry) => entry.split(','));
  if (platforms.includes('')) throw wrongValue('invalid value "" for --platform', 'write it as linux/arm64, or leave it out');
  return platforms.length === 0 ? undefined : platforms;
}
