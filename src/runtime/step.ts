// What all executors do around a process: its environment and directory, its output, its end.

import { closeSync, constants, fchmodSync, fchownSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { type BytePath, fsPath, isSlipwayError, type JobContext, SlipwayError, toBytePath } from '../base/index.ts';
import { holdInRoot } from '../sys/index.ts';
import type { Account } from './accounts.ts';
import type { Container, ContainerEnd } from './container.ts';
import { exitCodeOfStart, exitError, OUT_OF_PROCESSES, signalOfExit } from './exec-error.ts';
import { DEFAULT_OUTPUT_LIMITS } from './output-filter.ts';
import { openOutputPump } from './output-pump.ts';
import type { ProcessLimits, ProcessSpec } from './process-spec.ts';
import type { Rung } from './rungs.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const GRACE_MS = 300;
const NO_ROOM_BYTES = 1 << 20;

/** HOME from the account and PATH by default, unless the image or the step set them. */
export function environment(env: readonly string[], account: Account): readonly string[] {
  const has = (name: string): boolean => env.some((entry) => entry.startsWith(`${name}=`) && entry.length > name.length + 1);
  const home = has('HOME') ? [] : [`HOME=${account.home}`];
  return [...(has('PATH') ? [] : [`PATH=${PATH}`]), ...env.filter((entry) => entry !== 'HOME='), ...home];
}

/** Makes the working directory, and what is missing above it, owned by the user of the process. */
export function makeWorkingDirectory(spec: ProcessSpec, account: Account): void {
  using place = holdInRoot(spec.root, toBytePath(spec.cwd));
  if (place.there && place.names.length < 2) return;
  let { folder } = place;
  const open: number[] = [];
  try {
    for (const name of place.names) {
      const fd = makeFolder(`${folder}/${name}`, account);
      open.push(fd);
      folder = `/proc/self/fd/${fd}`;
    }
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

/** The folder, open. */
function makeFolder(folder: BytePath, account: Account): number {
  mkdirSync(fsPath(folder), { mode: 0o755 });
  const fd = openSync(fsPath(folder), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    // The umask may have taken bits away.
    fchmodSync(fd, 0o755);
    fchownSync(fd, account.uid, account.gid);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** How a process ended, with the end of what it printed. */
export interface StepEnd {
  readonly container: ContainerEnd;
  readonly outputTail: string;
}

/** Where a process's streams lead; without stdin it reads nothing. */
export interface OutputEnds {
  readonly stdin?: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** Starts the process with its output captured (or the terminal inherited: no `output`) and waits until it and its output are over. */
export async function execute(spec: ProcessSpec, job: JobContext, start: (output?: OutputEnds) => Container): Promise<StepEnd> {
  const limits = spec.limits ?? {};
  if (spec.stdio === 'inherit') return { container: await watch(start(), limits, job), outputTail: '' };
  if (typeof spec.stdio === 'object') {
    const { started, terminal: _, ...ends } = spec.stdio;
    const container = start(ends);
    container.ended.catch(() => {});
    await container.started;
    started(container);
    return { container: await watch(container, limits, job), outputTail: '' };
  }
  const { logBytes, logBytesPerSecond } = limits;
  const outputLimits = {
    bytes: logBytes ?? DEFAULT_OUTPUT_LIMITS.bytes,
    bytesPerSecond: logBytesPerSecond ?? DEFAULT_OUTPUT_LIMITS.bytesPerSecond,
  };
  using pump = openOutputPump(spec.id, outputLimits, spec.redact ?? [], job);
  const container = start(pump);
  // Noted now: it may end before anybody waits for it.
  container.ended.catch(() => {});
  await container.started;
  pump.childStarted();
  job.onWaiting?.();
  const end = await watch(container, limits, job);
  await pump.ended;
  if (end.state === 'failed' || !isValid(spec, end.code)) pump.flushClipped();
  return { container: end, outputTail: pump.tail() };
}

/** On cancellation and after the time-out: SIGTERM, a moment of grace, SIGKILL; rejects only once the process is gone. */
async function watch(container: Container, limits: ProcessLimits, job: JobContext): Promise<ContainerEnd> {
  let cut: { readonly reason: unknown } | undefined;
  let grace: NodeJS.Timeout | undefined;
  let killing: Promise<void> = Promise.resolve();
  const stop = (reason: unknown): void => {
    if (cut !== undefined) return;
    cut = { reason };
    killing = container.signal('TERM');
    grace = setTimeout(() => {
      killing = container.signal('KILL');
    }, limits.graceMs ?? GRACE_MS);
  };
  const onAbort = (): void => stop(job.signal.reason);
  const { timeoutMs } = limits;
  let over = false;
  // Its end may have come in time, and we were too busy to hear of it: that is heard before this.
  const onLate = (limit: number): unknown => setImmediate(() => over || stop(timeoutError(limit)));
  const late = timeoutMs === undefined ? undefined : setTimeout(onLate, timeoutMs, timeoutMs);
  job.signal.addEventListener('abort', onAbort, { once: true });
  if (job.signal.aborted) onAbort();
  try {
    const end = await container.ended;
    clearTimeout(grace);
    await killing;
    if (cut !== undefined) throw cut.reason;
    return end;
  } finally {
    over = true;
    clearTimeout(late);
    clearTimeout(grace);
    job.signal.removeEventListener('abort', onAbort);
  }
}

function timeoutError(timeoutMs: number): SlipwayError {
  return new SlipwayError('EXEC_TIMEOUT', `the step took longer than its limit of ${timeoutMs / 1000} s`, {
    hint: 'raise it (--step-timeout), or find what the step waits for',
  });
}

/** Limits that the kernel enforced on a step. */
export interface LimitsHit {
  readonly outOfMemory?: true;
  readonly outOfProcesses?: true;
}

/** A time-out of a step that had run into a limit says so. */
export function explainTimeout(error: unknown, { outOfProcesses }: LimitsHit): unknown {
  if (!isSlipwayError(error, 'EXEC_TIMEOUT') || outOfProcesses !== true) return error;
  return new SlipwayError(error.code, error.message, { cause: error, hint: OUT_OF_PROCESSES });
}

/** What to do about a program that is not there: most often it is the shell, of a stage that began empty. */
function startHint([program = '', ...rest]: readonly string[], message: string): { readonly hint?: string } {
  if (/permission denied/i.test(message)) {
    return { hint: `${program} is there and may not be executed: COPY --chmod=755, or chmod +x in front of the build, gives it the mode` };
  }
  if (!/no such file|not found/i.test(message)) return {};
  if (/\/proc\/sys\b/.test(message)) {
    return { hint: 'the runtime needs /proc/sys as the kernel shows it, and here something is mounted over it: take that away' };
  }
  if (rest.length > 0 && rest.at(-1) === '') return { hint: 'there is no command behind RUN' };
  if (/(?:^|\/)(?:bash|ash|dash|zsh)$/.test(program)) {
    return { hint: `${program} is not in this stage: install it in an earlier step, or use the shell that is there (often /bin/sh)` };
  }
  if (!/(?:^|\/)sh$/.test(program)) return { hint: `${program} is not in this stage, or what it needs to start is not` };
  return {
    hint: 'this stage has no shell: begin with an image that has one, or write a program that is there as RUN ["/program", "argument"]',
  };
}

/** The exit code, if it is a valid one; else throws `EXEC_EXIT` or `EXEC_START`. */
export function outcome(spec: ProcessSpec, end: StepEnd, rung: Rung, hit: LimitsHit = {}): number {
  const { container, outputTail } = end;
  if (container.state === 'failed') {
    const exitCode = exitCodeOfStart(container.message);
    throw new SlipwayError('EXEC_START', `process "${spec.args.join(' ')}" could not be started: ${container.message}`, {
      facts: { argv: spec.args, outputTail, ...(exitCode === undefined ? {} : { exitCode }) },
      ...startHint(spec.args, container.message),
    });
  }
  if (isValid(spec, container.code)) return container.code;
  const signal = signalOfExit(container.code);
  const facts = {
    argv: spec.args,
    exitCode: container.code,
    outputTail,
    ...(signal === undefined ? {} : { signal }),
    ...hit,
    ...(isFull(spec.root) ? { diskFull: true } : {}),
  };
  throw exitError(facts, rung, spec);
}

function isFull(root: BytePath): boolean {
  const { bavail, bsize } = statfsSync(fsPath(root));
  return bavail * bsize < NO_ROOM_BYTES;
}

function isValid(spec: ProcessSpec, code: number): boolean {
  return (spec.validExitCodes ?? [0]).includes(code);
}
