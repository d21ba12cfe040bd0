// A copy of crun in memory. Lest a container write to the runtime's own program (CVE-2019-5736), crun starts itself a second time at each
// start, from a place that nobody can write to; from a memory file with all its seals it has no need to: 2 of 4 ms.

import { closeSync, existsSync, readFileSync } from 'node:fs';
import { SlipwayError, errnoOf } from '../base/index.ts';
import { sealedCopy } from '../sys/index.ts';
import type { Enclosure } from './enclosure.ts';
import type { OciRuntime } from './programs.ts';

/** The copy, made when it is first asked for. */
export interface SealedRuntime extends Disposable {
  /** Where to start it; undefined: this machine or this runtime has no use for it. */
  path(): string | undefined;
}

/** Opens it for one executor. */
export function openSealedRuntime(runtime: OciRuntime, enclosure: Enclosure): SealedRuntime {
  let fd: number | undefined;
  let tried = false;
  return {
    path: () => {
      if (!tried) fd = isUseful(runtime, enclosure) ? copyOf(runtime.path) : undefined;
      tried = true;
      return fd === undefined ? undefined : `/proc/${process.pid}/fd/${fd}`;
    },
    [Symbol.dispose]: () => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

/** Rules of SELinux and AppArmor go by the program's file: where one may count, the file is what is started. */
function isUseful({ name }: OciRuntime, { userNamespace }: Enclosure): boolean {
  return name === 'crun' && !userNamespace && !existsSync('/sys/fs/selinux/enforce');
}

function copyOf(path: string): number | undefined {
  try {
    return sealedCopy('crun', readFileSync(path));
  } catch (error) {
    // Programs in memory may be forbidden (vm.memfd_noexec); the file serves.
    if (errnoOf(error) === undefined && !(error instanceof SlipwayError)) throw error;
    return undefined;
  }
}
