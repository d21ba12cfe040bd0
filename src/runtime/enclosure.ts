// What separates the builder's own process from the machine: a mount namespace of its own, and a PID namespace for all it starts, whose
// init ends with us. Entered only when something has to execute: on root's way it costs two system calls and one small process.

import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AsyncDisposableStack, errnoOf, SlipwayError, toBytePath } from '../base/index.ts';
import { joinNamespace, mount, MountFlag, Namespace, openPipe, type SpawnRequest, spawnProcess, unmount, unshare } from '../sys/index.ts';
import { processRights, type ProcessRights } from './capabilities.ts';
import { needProgram } from './programs.ts';
import { hasMounts, type Rung } from './rungs.ts';
import { canStartLightly, startedByNode, type StartedProcess, watchExit } from './started-process.ts';

/** The surroundings in which steps run. */
export interface Enclosure extends AsyncDisposable {
  readonly rung: Rung;
  readonly rights: ProcessRights;
  /** Mounts can be made: every rung but the chroot ones. */
  readonly mounts: boolean;
  /** We are root only inside a user namespace. */
  readonly userNamespace: boolean;
  /** Only one id is mapped into it. */
  readonly singleId: boolean;
  /** Folder for bundles, secrets and sockets: in memory, and seen by nobody else. The chroot rungs have no use for one. */
  readonly runDir: string;
  /** Starts a program that cannot outlive this process. */
  spawn(program: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  /** The same for a program that talks by its descriptors alone: cheap for us. Throws what keeps it from starting. */
  start(request: SpawnRequest): StartedProcess;
}

export interface EnclosureOptions {
  readonly rung: Rung;
  /** Folder of the store for mount points. Shared by all builders. */
  readonly workDir: string;
  /** Text of PATH. */
  readonly searchPath: string;
}

let mountNamespace = false;

/**
 * Moves the main thread, and all that is started from it later, into a mount namespace of its own from which nothing leaks out. Threads
 * that exist already stay outside: what looks at mounts made here must be synchronous, or in a worker started afterwards. Does nothing the second time.
 */
function enterMountNamespace(): void {
  if (mountNamespace) return;
  try {
    unshare(Namespace.mount);
    mount(undefined, '/', undefined, MountFlag.recursive | MountFlag.private);
  } catch (cause) {
    throw new SlipwayError('ENCLOSURE_REFUSED', 'this machine refuses a mount namespace', {
      cause,
      hint: 'a seccomp or AppArmor profile may forbid it: take --rung container-chroot',
    });
  }
  mountNamespace = true;
}

/** Enters the enclosure of a rung. A rootless rung must have been re-executed before. Throws `ENCLOSURE_REFUSED`. */
export async function openEnclosure(options: EnclosureOptions): Promise<Enclosure> {
  const { rung } = options;
  await using stack = new AsyncDisposableStack();
  const chrooted = !hasMounts(rung);
  const ids = idMap();
  if (rung.startsWith('rootless') && ids.initial) {
    throw new SlipwayError(
      'ENCLOSURE_REFUSED',
      `steps cannot run in this process: ${rung} needs a user namespace, which a process enters when it starts`,
      {
        hint: 'programs: leave `process: "own"` away, so that the build gets a process of its own',
      },
    );
  }
  if (!chrooted) enterMountNamespace();
  const runDir = chrooted ? options.workDir : mountRunFolder(options.workDir, stack);
  const inside = chrooted ? { spawn, start: startForked(spawn) } : await openPidNamespace(options, ids.initial, stack);
  const owned = stack.move();
  return {
    rung,
    rights: processRights(),
    mounts: !chrooted,
    userNamespace: !ids.initial,
    singleId: ids.single,
    runDir,
    spawn: (program, args, spawnOptions) => inside.spawn(program, args, spawnOptions),
    start: (request) => inside.start(request),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

type Spawn = Enclosure['spawn'];

/** Ways into a PID namespace. */
type Inside = Pick<Enclosure, 'spawn' | 'start'>;

/** By node's own means. */
function startForked(spawnInside: Spawn): Inside['start'] {
  return ({ path, argv, env, cwd, stdio }) => {
    const variables = env.map((variable) => [variable.slice(0, variable.indexOf('=')), variable.slice(variable.indexOf('=') + 1)]);
    const child = spawnInside(path, argv.slice(1), {
      argv0: argv[0],
      cwd,
      env: Object.fromEntries(variables) as Record<string, string>,
      stdio: [...stdio],
    });
    return startedByNode(child);
  };
}

/** Whether we are in the first user namespace, and whether only one id is known in ours. */
export function idMap(): { readonly initial: boolean; readonly single: boolean } {
  const lines = readFileSync('/proc/self/uid_map', 'latin1').trim().split('\n');
  const [inside, outside, count] = (lines[0] ?? '').trim().split(/\s+/).map(Number);
  return { initial: inside === 0 && outside === 0 && count === 0xffff_ffff, single: lines.length === 1 && count === 1 };
}

/** Run folders that are mounted in this process, with how many enclosures use each. */
const mountedRuns = new Map<string, number>();

/** A tmpfs over one shared, empty folder: every process sees its own, and nothing is left when the namespace ends. */
function mountRunFolder(workDir: string, stack: AsyncDisposableStack): string {
  const path = join(workDir, 'run');
  const users = mountedRuns.get(path) ?? 0;
  if (users === 0) {
    mkdirSync(path, { recursive: true });
    // nosuid and nodev also where a step's mount would forget them.
    mount('tmpfs', toBytePath(path), 'tmpfs', MountFlag.nosuid | MountFlag.nodev, 'mode=0711');
  }
  mountedRuns.set(path, users + 1);
  stack.defer(() => {
    const left = (mountedRuns.get(path) ?? 1) - 1;
    mountedRuns.set(path, left);
    if (left === 0) unmount(toBytePath(path), true);
  });
  return path;
}

/**
 * A PID namespace whose init is `cat` on a pipe that this process holds. However we end, the pipe closes, `cat` ends, and the kernel ends
 * everything else in the namespace. Returns how to start programs in it.
 */
async function openPidNamespace(options: EnclosureOptions, initialUser: boolean, stack: AsyncDisposableStack): Promise<Inside> {
  const cat = needProgram('cat', options.searchPath, 'it keeps the processes of steps from outliving the builder');
  if (initialUser) return joinedPidNamespace(cat, stack);
  const spawnInside = await enteredPidNamespace(cat, options.searchPath, stack);
  return { spawn: spawnInside, start: startForked(spawnInside) };
}

/**
 * Root's way: between two setns calls this thread's children are born in the namespace. Outside them it must not be set, since
 * a thread whose children would be in another PID namespace cannot start threads (clone(2), EINVAL).
 */
function joinedPidNamespace(cat: string, stack: AsyncDisposableStack): Inside {
  const own = openSync('/proc/thread-self/ns/pid', 'r');
  stack.defer(() => closeSync(own));
  let inside = newPidNamespace(cat, own);
  stack.defer(() => inside.end());
  const joined = <T>(work: () => T): T => {
    joinNamespace(inside.fd, Namespace.pid);
    try {
      return work();
    } finally {
      joinNamespace(own, Namespace.pid);
    }
  };
  const inNamespace = <T>(work: () => T): T => {
    try {
      return joined(work);
    } catch (error) {
      // What the kernel says when the namespace's init is gone: somebody killed it, and with it all that ran there.
      if (errnoOf(error) !== 'ENOMEM' || isRunning(inside.init)) throw error;
    }
    const dead = inside;
    inside = newPidNamespace(cat, own);
    void dead.end();
    return joined(work);
  };
  const spawnInside: Spawn = (program, args, options) => inNamespace(() => spawn(program, args, options));
  const forked = startForked(spawnInside);
  return {
    spawn: spawnInside,
    start: (request) => (canStartLightly() ? watchExit(inNamespace(() => spawnProcess(request))) : forked(request)),
  };
}

/** A PID namespace with its init; `own` is this process's. */
interface PidNamespace {
  readonly fd: number;
  /** Its init, by its number outside. */
  readonly init: number;
  readonly end: () => Promise<void>;
}

function newPidNamespace(cat: string, own: number): PidNamespace {
  unshare(Namespace.pid);
  try {
    const init = startInit(cat);
    const fd = openSync('/proc/thread-self/ns/pid_for_children', 'r');
    const end = async (): Promise<void> => {
      closeSync(fd);
      await init.end();
    };
    return { fd, init: init.pid, end };
  } finally {
    joinNamespace(own, Namespace.pid);
  }
}

/** Whether a process is there and has not ended. */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** In a user namespace the way back out would be forbidden: a helper makes the PID namespace, and `nsenter` enters it for each program. */
async function enteredPidNamespace(cat: string, searchPath: string, stack: AsyncDisposableStack): Promise<Spawn> {
  const why = 'it keeps the processes of steps from outliving the builder';
  const unshareProgram = needProgram('unshare', searchPath, why);
  const nsenter = needProgram('nsenter', searchPath, why);
  let helper = await startHelper(unshareProgram, cat);
  let over = false;
  /** Whoever kills it ends the steps that run; those that come later get another. */
  const renew = async (): Promise<void> => {
    if (over) return;
    helper = await startHelper(unshareProgram, cat);
    if (over) await endInit(helper);
    else watch();
  };
  const watch = (): void => void helper.once('exit', () => void renew().catch(() => {}));
  watch();
  stack.defer(() => {
    over = true;
    return endInit(helper);
  });
  return (program, programArgs, options) => {
    // Its number may be another process's by now.
    if (hasEnded(helper)) throw new SlipwayError('ENCLOSURE_REFUSED', 'the process that holds the PID namespace of the steps was killed');
    return spawn(nsenter, [`--pid=/proc/${helper.pid}/ns/pid_for_children`, '--', program, ...programArgs], options);
  };
}

/** A process that has made a PID namespace whose init is running. */
async function startHelper(unshareProgram: string, cat: string): Promise<ChildProcess> {
  const args = ['--pid', '--fork', '--kill-child', '--', '/bin/sh', '-c', 'echo; exec "$0" >/dev/null', cat];
  const helper = spawn(unshareProgram, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {} });
  await new Promise<void>((resolve, reject) => {
    helper.once('error', reject);
    helper.once('exit', (code) => reject(new SlipwayError('ENCLOSURE_REFUSED', `no PID namespace: unshare ended with ${code}`)));
    helper.stdout.once('data', () => resolve());
  });
  return helper;
}

/** Starts `cat` on a pipe; `end` closes the pipe and waits for its end. */
function startInit(cat: string): { readonly pid: number; readonly end: () => Promise<void> } {
  if (!canStartLightly()) {
    const init = spawn(cat, [], { stdio: ['pipe', 'ignore', 'ignore'], env: {} });
    return { pid: init.pid ?? 0, end: () => endInit(init) };
  }
  const { read, write } = openPipe();
  const { pid, ended } = watchExit(spawnProcess({ path: cat, argv: [cat], env: [], cwd: '/', stdio: [read, 'ignore', 'ignore'] }));
  closeSync(read);
  const end = async (): Promise<void> => {
    closeSync(write);
    await ended;
  };
  return { pid, end };
}

/** Whether a child's end was seen. */
export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function endInit(init: ChildProcess): Promise<void> {
  if (hasEnded(init)) return;
  const ended = new Promise((resolve) => init.once('exit', resolve));
  init.stdin?.destroy();
  await ended;
}

/** What kind of cgroup hierarchy a path shows. */
export type CgroupLayout = 'v2' | 'hybrid' | 'v1' | 'none';

/** The host's layout at /sys/fs/cgroup, by what lies there. */
export function cgroupLayout(root = '/sys/fs/cgroup'): CgroupLayout {
  if (existsSync(join(root, 'cgroup.controllers'))) return 'v2';
  if (existsSync(join(root, 'unified', 'cgroup.controllers'))) return 'hybrid';
  try {
    return readFileSync('/proc/self/mounts', 'latin1').includes(` ${root} tmpfs`) ? 'v1' : 'none';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'none';
    throw error;
  }
}

/** What /sys/fs/cgroup shows to the programs that we start; disposing takes a view of ours away again. */
export interface CgroupView extends Disposable {
  readonly isV2: boolean;
}

/** On hybrid hosts crun refuses to run at all: it is shown the version 2 hierarchy in place of the mixture, in our namespace only. */
export function presentCgroup2(layout: CgroupLayout): CgroupView {
  if (layout !== 'hybrid') return { isV2: layout === 'v2', [Symbol.dispose]: () => {} };
  mount('/sys/fs/cgroup/unified', '/sys/fs/cgroup', undefined, MountFlag.bind | MountFlag.recursive);
  let shown = true;
  return {
    isV2: true,
    [Symbol.dispose]: () => {
      // Once: a second time it would be the machine's own that goes.
      if (shown) unmount('/sys/fs/cgroup', true);
      shown = false;
    },
  };
}
