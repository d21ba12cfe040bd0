// Build arguments that BuildKit gives a meaning, as far as they can be wrong.

import { SlipwayError } from '../base/index.ts';
import { parseGoBool } from '../dockerfile/index.ts';

/** Refuses what cannot be meant: throws `BUILD_ARG_INVALID`. `platforms` is how many are built for. */
export function checkBuildArgs(buildArgs: Readonly<Record<string, string>>, platforms: number): void {
  const several = buildArgs['BUILDKIT_MULTI_PLATFORM'] ?? '';
  const multi = parseGoBool(several);
  if (several !== '' && multi === undefined) {
    throw invalid(`invalid boolean value for multi-platform: ${several}`, 'write BUILDKIT_MULTI_PLATFORM=true or false');
  }
  if (multi === false && platforms > 1) {
    const message = 'conflicting config: returning multiple target platforms is not allowed';
    throw invalid(message, `BUILDKIT_MULTI_PLATFORM=${several} forbids the ${platforms} platforms that are asked for`);
  }
  if (parseGoBool(buildArgs['BUILDKIT_DISABLE_FILEOP'] ?? '') === true) {
    const message = 'support for "BUILDKIT_DISABLE_FILEOP" build-arg was removed in BuildKit 0.11';
    throw invalid(message, 'leave it out: COPY and ADD need no helper image');
  }
}

function invalid(message: string, hint: string): SlipwayError {
  return new SlipwayError('BUILD_ARG_INVALID', message, { hint });
}
