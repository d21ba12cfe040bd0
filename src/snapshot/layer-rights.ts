// What this process may put on disk, from its own capabilities and user namespace.

import { readFileSync } from 'node:fs';
import type { FolderRights } from '../layer/index.ts';

const CAP_CHOWN = 0n;
const CAP_SYS_ADMIN = 21n;
const CAP_MKNOD = 27n;

/** Looks at this process. Outside Linux nothing is allowed. */
export function ownRights(): FolderRights {
  let status: string;
  let map: string;
  try {
    status = readFileSync('/proc/self/status', 'latin1');
    map = readFileSync('/proc/self/uid_map', 'latin1');
  } catch {
    return { overlay: 'user', owners: false, devices: false };
  }
  return rightsOf(BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`), map);
}

/** `capabilities` is CapEff, `map` the text of uid_map. */
export function rightsOf(capabilities: bigint, map: string): FolderRights {
  const has = (capability: bigint): boolean => (capabilities & (1n << capability)) !== 0n;
  const ranges = map
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const ids = ranges.reduce((sum, [, , length]) => sum + (length ?? 0), 0);
  const initial = ids >= 0xffff_ffff;
  return {
    overlay: initial && has(CAP_SYS_ADMIN) ? 'trusted' : 'user',
    // Images name owners up to 65534 at least.
    owners: has(CAP_CHOWN) && ids >= 65_536,
    devices: initial && has(CAP_MKNOD),
  };
}

/** What the names of folder forms begin with. */
export const FORM_PREFIX = 'fs-';

/** Name of the folder form that these rights make: forms of other rights are not mixed up with it. */
export function formName(rights: FolderRights): string {
  return `${FORM_PREFIX}${rights.overlay}${rights.owners ? '' : '-noted'}${rights.devices || rights.overlay === 'user' ? '' : '-nodev'}`;
}
