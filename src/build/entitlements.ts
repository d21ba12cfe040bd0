// What a step may do beyond the ordinary is granted by the command, never by the Dockerfile.

import { SlipwayError } from '../base/index.ts';
import type { GraphVertex } from '../graph/index.ts';

/** Throws `ENTITLEMENT_MISSING` at the first step that needs what `--allow` does not name. */
export function checkEntitlements(vertices: readonly GraphVertex[], granted: readonly string[]): void {
  for (const vertex of vertices) {
    const missing = neededBy(vertex).find((name) => !granted.includes(name) && !granted.includes(name.split('=', 1)[0] as string));
    if (missing === undefined) continue;
    throw new SlipwayError('ENTITLEMENT_MISSING', `${missing} is not allowed`, {
      hint: `add --allow ${missing} to the command if you trust this step with it`,
      ...(vertex.about.location === undefined ? {} : { location: vertex.about.location }),
    });
  }
}

function neededBy({ op }: GraphVertex): readonly string[] {
  if (op.type !== 'exec') return [];
  return [
    ...(op.security === 'insecure' ? ['security.insecure'] : []),
    ...(op.network === 'host' ? ['network.host'] : []),
    ...(op.devices ?? []).filter(({ optional }) => !optional).map(({ name }) => `device=${name}`),
  ];
}
