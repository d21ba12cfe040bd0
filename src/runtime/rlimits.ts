// Resource limits of processes (`--ulimit`), clamped to what this process may give.

import { SlipwayError } from '../base/index.ts';
import { getProcessLimit } from '../sys/index.ts';

/** Kernel numbers by Docker's names (asm-generic/resource.h; the same on x86-64 and arm64). */
export const RESOURCES = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const;

export type ResourceName = keyof typeof RESOURCES;

/** One `--ulimit`; -1 means unlimited. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** A limit as it will be set; -1 means unlimited. */
export interface ProcessLimit {
  readonly name: ResourceName;
  readonly soft: number;
  readonly hard: number;
}

/** Whether a text names a limit. */
function isResourceName(name: string): name is ResourceName {
  return Object.hasOwn(RESOURCES, name);
}

/**
 * The limits to set. Without CAP_SYS_RESOURCE none can be above our own hard limit (the runtime would fail): those are lowered, and
 * each is named in `notices`. Throws `ULIMIT_UNKNOWN`.
 */
export function clampLimits(
  ulimits: readonly Ulimit[],
  mayRaise: boolean,
): { readonly limits: readonly ProcessLimit[]; readonly notices: readonly string[] } {
  const notices: string[] = [];
  const limits = ulimits.map(({ name, soft, hard }): ProcessLimit => {
    const key = name.toLowerCase();
    if (!isResourceName(key)) {
      throw new SlipwayError('ULIMIT_UNKNOWN', `no such resource limit: ${name}`, {
        hint: `known ones: ${Object.keys(RESOURCES).join(', ')}`,
      });
    }
    if (mayRaise) return { name: key, soft, hard };
    const own = getProcessLimit(0, RESOURCES[key]).hard;
    const clamp = (value: number): number => (own !== Infinity && (value < 0 || value > own) ? own : value);
    const clamped = { name: key, soft: clamp(soft), hard: clamp(hard) };
    if (clamped.hard !== hard || clamped.soft !== soft) {
      notices.push(`ulimit ${key}=${soft}:${hard} is above what this host allows; ${clamped.soft}:${clamped.hard} is used`);
    }
    return clamped;
  });
  return { limits, notices };
}
