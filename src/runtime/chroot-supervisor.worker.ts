// The supervisor of one step on the chroot rungs: a process of its own that starts the step in its root, adopts whatever the step leaves
// behind, and ends it all when the step, or the builder, is over.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { type BytePath, toBytePath } from '../base/index.ts';
import {
  becomeSubreaper,
  chroot,
  getProcessLimit,
  holdInRoot,
  prctl,
  reapChild,
  setNoNewPrivileges,
  setProcessLimit,
  setThreadIds,
} from '../sys/index.ts';
import type { ChrootAnswer, ChrootRequest, ChrootStart } from './chroot-protocol.ts';
import type { SignalName } from './process-spec.ts';
import { wipeFile } from './wipe.ts';

const PR_CAPBSET_DROP = 24;
let main: ChildProcess | undefined;
/** Of the last step, until the builder says that it wiped them: what is wiped when the builder cannot do it any more. */
let secrets: { readonly root: BytePath; readonly files: readonly BytePath[] } | undefined;

// Later the working directory is the way back out of the chroot.
process.chdir('/');
// As in a container, whatever the builder's is.
process.umask(0o022);
becomeSubreaper();
process.on('message', (request: ChrootRequest) => {
  if (request.type === 'signal') stop(request.name);
  else if (request.type === 'wiped') secrets = undefined;
  else start(request);
});
// The builder is gone, however that came.
process.on('disconnect', () => void endAll().then(leave));
// Signals of the terminal are for the builder, who tells us.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {});

/** Nobody else will look after the secrets of a step: the builder may have ended between the step's end and its own wiping. */
function leave(): void {
  for (const file of secrets?.files ?? []) {
    try {
      using place = holdInRoot(secrets?.root ?? '', file);
      wipeFile([place.folder, ...place.names].join('/'));
    } catch {
      // The builder took the root away itself, the file with it.
    }
  }
  process.exit(0);
}

function answer(message: ChrootAnswer): void {
  // A builder that has just gone is no reason to die with its step's secrets in place: 'disconnect' comes next.
  if (process.connected) process.send?.(message, () => {});
}

function start(request: ChrootStart): void {
  let ended = false;
  const fail = (error: Error): void => {
    if (ended) return;
    ended = true;
    answer({ type: 'failed', message: error.message });
  };
  secrets = { root: toBytePath(request.root), files: request.doomed };
  try {
    for (const capability of request.dropped) dropCapability(capability);
    if (request.noNewPrivileges) setNoNewPrivileges();
    main = spawnInside(request);
    answer({ type: 'started' });
  } catch (error) {
    fail(error as Error);
    return;
  }
  main.once('error', fail);
  main.once('exit', (code, signal) => {
    ended = true;
    const status = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
    void endAll().then(() => answer({ type: 'ended', code: status }));
  });
}

/** Between two chroot calls this process is inside, as the step's user; nothing else runs in it meanwhile. */
function spawnInside(request: ChrootStart): ChildProcess {
  const { output } = request;
  // The ends of pipes: opened anew through the builder's /proc, since a channel of node cannot carry them.
  const open = (fd: number, how: 'r' | 'w'): number => openSync(`/proc/${process.ppid}/fd/${fd}`, how);
  const fds = output === undefined ? [] : [open(output.stdout, 'w'), open(output.stderr, 'w')];
  const input = output?.stdin === undefined ? undefined : open(output.stdin, 'r');
  if (input !== undefined) fds.push(input);
  const [program = '', ...args] = request.args;
  const env = Object.fromEntries(request.env.map((entry) => splitOnce(entry)));
  let child: ChildProcess;
  try {
    const restore = lowerSoftLimits(request);
    chroot(toBytePath(request.root));
    setThreadIds(request);
    try {
      const stdio = output === undefined ? ('inherit' as const) : ([input ?? 'ignore', fds[0], fds[1]] as const);
      child = spawn(program, args, {
        cwd: request.cwd,
        env,
        stdio: stdio === 'inherit' ? stdio : [...stdio],
        detached: output !== undefined,
      });
    } finally {
      setThreadIds({ uid: 0, gid: 0, groups: [0] });
      chroot('.');
      restore();
    }
  } finally {
    for (const fd of fds) closeSync(fd);
  }
  if (child.pid !== undefined) for (const { resource, soft, hard } of request.limits) setProcessLimit(child.pid, resource, soft, hard);
  return child;
}

/** Address space and data: below what this process uses already. */
const OWN_NEEDS = [2, 9];
const NOFILE = 7;
const OWN_FILES = 64;

/**
 * The child is born with soft limits that we take on for the moment. Hard ones could never be raised again, so the child gets them a moment
 * after its start, as it does those that this process itself would not survive.
 */
function lowerSoftLimits(request: ChrootStart): () => void {
  const before = request.limits
    .filter(({ resource, soft }) => !OWN_NEEDS.includes(resource) && !(resource === NOFILE && soft >= 0 && soft < OWN_FILES))
    .map((limit) => ({ ...limit, own: getProcessLimit(0, limit.resource) }));
  const value = (limit: number): number => (limit === Infinity ? -1 : limit);
  for (const { resource, soft, own } of before) {
    setProcessLimit(0, resource, soft < 0 ? value(own.hard) : Math.min(soft, own.hard), value(own.hard));
  }
  return () => {
    for (const { resource, own } of before) setProcessLimit(0, resource, value(own.soft), value(own.hard));
  };
}

function splitOnce(entry: string): readonly [string, string] {
  const at = entry.indexOf('=');
  return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
}

function dropCapability(capability: number): void {
  try {
    prctl(PR_CAPBSET_DROP, capability);
  } catch {
    // Not known to this kernel, or not ours to drop: then the container's own set limits the step.
  }
}

function stop(name: SignalName): void {
  if (name === 'KILL') void endAll();
  else if (main?.pid !== undefined) killQuietly(main.pid, `SIG${name}`);
}

/** Ends every descendant. Those are stopped before they are killed, so that a fork bomb cannot outrun us. */
async function endAll(): Promise<void> {
  for (;;) {
    const alive = descendants();
    if (alive.length === 0) return;
    for (const pid of alive) killQuietly(pid, 'SIGSTOP');
    for (const pid of alive) killQuietly(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (const pid of alive) if (pid !== main?.pid) reapChild(pid);
  }
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Already gone.
  }
}

/** Living processes below this one. The main child's zombie belongs to node. */
function descendants(): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(name);
    if (stat === undefined) continue;
    if (stat.state === 'Z') {
      if (stat.parent === process.pid && Number(name) !== main?.pid) reapChild(Number(name));
      continue;
    }
    parents.set(Number(name), stat.parent);
  }
  const below = (pid: number): boolean => {
    const seen = new Set<number>();
    for (let at = parents.get(pid); at !== undefined && !seen.has(at); at = parents.get(at)) {
      if (at === process.pid) return true;
      seen.add(at);
    }
    return false;
  };
  return [...parents.keys()].filter(below);
}

function readStat(pid: string): { readonly state: string; readonly parent: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may have anything in it.
    const [state = '', parent = '0'] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
