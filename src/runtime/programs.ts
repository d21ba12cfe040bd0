// Programs of the machine: where they are, and what to install when they are not.

import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { SlipwayError } from '../base/index.ts';

/** The first executable file of that name on `searchPath` (the text of PATH), or undefined. */
export function findProgram(name: string, searchPath: string): string | undefined {
  // Tools of the administrator are not on every user's PATH, but may be run by all.
  const folders = new Set([...searchPath.split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']);
  for (const folder of folders) {
    if (!folder.startsWith('/')) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not there, or not for us: look on.
    }
  }
  return undefined;
}

/** Packages by program, named alike in Debian, Ubuntu, Fedora and Alpine unless said otherwise. */
const PACKAGES: Readonly<Record<string, string>> = {
  crun: 'crun',
  runc: 'runc',
  slirp4netns: 'slirp4netns',
  newuidmap: 'uidmap',
  newgidmap: 'uidmap',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  cat: 'coreutils',
};

/** The sentence that tells how to get a program. */
export function installHint(program: string): string {
  return `install it: apt-get install ${PACKAGES[program] ?? program}`;
}

/** Like `findProgram`, but throws `PROGRAM_MISSING`. */
export function needProgram(name: string, searchPath: string, why: string): string {
  const path = findProgram(name, searchPath);
  if (path !== undefined) return path;
  throw new SlipwayError('PROGRAM_MISSING', `${name} is not on PATH: ${why}`, { hint: installHint(name), facts: { program: name } });
}

/** An OCI runtime. */
export interface OciRuntime {
  readonly name: 'crun' | 'runc';
  readonly path: string;
}

/** The OCI runtime to use: crun (three times as fast), else runc; or the one asked for. Throws `RUNTIME_MISSING`. */
export function findRuntime(searchPath: string, wanted?: 'crun' | 'runc'): OciRuntime {
  for (const name of wanted === undefined ? (['crun', 'runc'] as const) : [wanted]) {
    const path = findProgram(name, searchPath);
    if (path !== undefined) return { name, path };
  }
  throw new SlipwayError('RUNTIME_MISSING', `no OCI runtime on PATH: a RUN needs ${wanted ?? 'crun (or runc)'}`, {
    hint: installHint(wanted ?? 'crun'),
    facts: { program: wanted ?? 'crun' },
  });
}
