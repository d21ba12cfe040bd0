// Starting programs by posix_spawn(3): the child borrows this process's memory until it runs the program. node:child_process forks, which
// copies page tables (1 to 5 ms of a build's main thread for each step, and a page fault for everything written afterwards).

import { sysError } from './errno.ts';
import { type ForeignFunction, libcFunction } from './library.ts';

/** A program to start. Strings must not have NULs. */
export interface SpawnRequest {
  /** Its file. */
  readonly path: string;
  /** Its arguments, its own name first. */
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** What its descriptors 0, 1, 2 are: one of ours, or nothing to read and nowhere to write. */
  readonly stdio: readonly (number | 'ignore')[];
}

/** Larger than what any libc needs for its two structures (80 and 336 bytes). */
const STRUCTURE = 512;
const SET_SIGNAL_DEFAULTS_AND_MASK = 0x04 | 0x08;
const O_RDWR = 2;

const EVERY_SIGNAL = Buffer.alloc(128, 0xff);
const NO_SIGNAL = Buffer.alloc(128);

interface Libc {
  readonly initActions: ForeignFunction;
  readonly open: ForeignFunction;
  readonly duplicate: ForeignFunction;
  readonly changeFolder: ForeignFunction;
  readonly destroyActions: ForeignFunction;
  readonly attributes: Buffer;
  readonly spawn: ForeignFunction;
}

let libc: Libc | undefined;

/**
 * Starts a program and returns its process number; throws what keeps it from starting (ENOENT, EACCES, ...), as exec(2) says it. It is a child
 * that node knows nothing of: `takeExit` has to be asked for it. All signals have their defaults; descriptors beyond 2 are closed as they are
 * marked (all that node opens are). The child is born where this thread's children are.
 */
export function spawnProcess({ path, argv, env, cwd, stdio }: SpawnRequest): number {
  const { initActions, open, duplicate, changeFolder, destroyActions, attributes, spawn } = (libc ??= openLibc());
  const actions = Buffer.allocUnsafeSlow(STRUCTURE);
  check(initActions(actions), path);
  try {
    for (const [target, fd] of stdio.entries()) {
      // Onto itself: the mark to close it goes.
      check(fd === 'ignore' ? open(actions, target, '/dev/null', O_RDWR, 0) : duplicate(actions, fd, target), path);
    }
    check(changeFolder(actions, cwd), path);
    const pid = Buffer.allocUnsafeSlow(4);
    check(spawn(pid, path, actions, attributes, [...argv, null], [...env, null]), path);
    return pid.readInt32LE(0);
  } finally {
    destroyActions(actions);
  }
}

function openLibc(): Libc {
  const attributes = Buffer.allocUnsafeSlow(STRUCTURE);
  const setting = (name: string, parameter: string, value: unknown): void =>
    check(libcFunction(`int posix_spawnattr_${name}(void *attributes, ${parameter})`)(attributes, value), name);
  check(libcFunction('int posix_spawnattr_init(void *attributes)')(attributes), 'init');
  setting('setsigdefault', 'void *signals', EVERY_SIGNAL);
  setting('setsigmask', 'void *signals', NO_SIGNAL);
  setting('setflags', 'short flags', SET_SIGNAL_DEFAULTS_AND_MASK);
  return {
    attributes,
    initActions: libcFunction('int posix_spawn_file_actions_init(void *actions)'),
    open: libcFunction('int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)'),
    duplicate: libcFunction('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)'),
    // The name before POSIX took it up (glibc 2.29, musl 1.1.24).
    changeFolder: libcFunction('int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)'),
    destroyActions: libcFunction('int posix_spawn_file_actions_destroy(void *actions)'),
    spawn: libcFunction(
      'int posix_spawn(void *pid, const char *path, void *actions, void *attributes, const char **argv, const char **env)',
    ),
  };
}

/** These functions return the number of the error. */
function check(result: unknown, path: string): void {
  if (result !== 0) throw sysError(result as number, 'posix_spawn', path);
}
