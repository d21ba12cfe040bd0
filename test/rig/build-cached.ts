// A build that uses shared caches, and what it had to do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Rig } from './rig.ts';

/** Builds, with caches none of which may fail: what ran, and the image's digest. */
export async function buildCached(
  rig: Rig,
  context: string,
  flags: readonly string[],
  output: readonly string[] = ['-o', `type=oci,dest=${rig.path('image.tar')}`],
): Promise<{ readonly ran: readonly string[]; readonly digest: string }> {
  const metadata = rig.path('metadata.json');
  const outcome = await rig.slipway(['build', '--metadata-file', metadata, ...output, ...flags, context]);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.doesNotMatch(outcome.stderr, /cache.* failed/);
  const facts = JSON.parse(readFileSync(metadata, 'utf8')) as {
    readonly 'slipway.steps': readonly { readonly instruction: string; readonly state: string }[];
    readonly 'containerimage.digest': string;
  };
  const ran = facts['slipway.steps'].filter(({ state }) => state === 'executed').map(({ instruction }) => instruction);
  return { ran, digest: facts['containerimage.digest'] };
}
