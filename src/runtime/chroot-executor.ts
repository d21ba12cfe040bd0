// The executor of the rungs that can neither mount nor make namespaces: chroot, with a supervisor for each step.

import { type ChildProcess, spawn } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AsyncDisposableStack, fromBytePath, fsPath, type JobContext, SlipwayError, workerUrl } from '../base/index.ts';
import { resolveAccount } from './accounts.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from './capabilities.ts';
import type { ChrootAnswer, ChrootRequest, ChrootStart } from './chroot-protocol.ts';
import { placeMounts } from './chroot-placement.ts';
import type { Container, ContainerEnd } from './container.ts';
import type { Enclosure } from './enclosure.ts';
import { mountPointsOf } from './mount-stubs.ts';
import { DEFAULT_HOSTNAME, hostResolvConf, hostsFile } from './network-files.ts';
import { environment, execute, makeWorkingDirectory, outcome } from './step.ts';
import { mountPoint } from './private-mounts.ts';
import type { Executor, ProcessSpec, RunResult } from './process-spec.ts';
import { clampLimits, RESOURCES } from './rlimits.ts';
import { hasLimits } from './step-cgroup.ts';

export interface ChrootExecutorOptions {
  readonly enclosure: Enclosure;
  readonly noNewPrivileges?: boolean;
}

const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

/** Opens the executor. The first supervisor starts at once: node takes a moment. */
export function openChrootExecutor(options: ChrootExecutorOptions): Executor {
  const supervisors = new Supervisors();
  return {
    facts: { runtime: 'chroot', network: 'host', networkReason: 'this rung has no namespaces' },
    run: (spec, job) => runChroot(options, supervisors, spec, job),
    mountPoints: (spec) => mountPointsOf((spec.mounts ?? []).map(mountPoint)),
    prepareNetwork: () => {},
    [Symbol.asyncDispose]: () => supervisors[Symbol.asyncDispose](),
  };
}

/**
 * One supervisor for each running step: what it adopts belongs to that step. When the step is over nothing of it is left, and the
 * supervisor serves the next one, unless it has kept rights that an ordinary step must not have.
 */
class Supervisors implements AsyncDisposable {
  readonly #idle: ChildProcess[] = [startSupervisor()];

  take(security: ProcessSpec['security']): ChildProcess {
    return (security === 'sandbox' ? this.#idle.pop() : undefined) ?? startSupervisor();
  }

  /** Called when nothing of the step is left in its root. */
  async giveBack(supervisor: ChildProcess, security: ProcessSpec['security'], clean: boolean): Promise<void> {
    if (supervisor.connected) supervisor.send({ type: 'wiped' } satisfies ChrootRequest, () => {}); // it may have ended
    if (clean && security === 'sandbox' && supervisor.connected) this.#idle.push(supervisor);
    else await dismiss(supervisor);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(dismiss));
  }
}

function startSupervisor(): ChildProcess {
  const child = spawn(process.execPath, programOf(workerUrl(import.meta.url, 'chroot-supervisor')), {
    env: {},
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  child.unref();
  child.channel?.unref();
  return child;
}

/** In a checkout the worker's URL is a program that loads it. */
function programOf(url: URL): readonly string[] {
  if (url.protocol === 'file:') return [fileURLToPath(url)];
  return ['--input-type=module', '--eval', decodeURIComponent(url.pathname.slice(url.pathname.indexOf(',') + 1))];
}

async function dismiss(supervisor: ChildProcess): Promise<void> {
  if (supervisor.exitCode !== null || supervisor.signalCode !== null) return;
  const ended = new Promise((resolve) => supervisor.once('exit', resolve));
  supervisor.ref();
  if (supervisor.connected) supervisor.disconnect();
  await ended;
}

async function runChroot(options: ChrootExecutorOptions, supervisors: Supervisors, spec: ProcessSpec, job: JobContext): Promise<RunResult> {
  job.signal.throwIfAborted();
  refuseUnsupported(spec, options.enclosure.rung);
  const account = resolveAccount(spec.root, spec.user);
  const { limits, notices } = clampLimits(spec.ulimits ?? [], options.enclosure.rights.effective.has('CAP_SYS_RESOURCE'));
  await using stack = new AsyncDisposableStack();
  makeWorkingDirectory(spec, account);
  const files = [
    { path: '/etc/hosts', text: hostsFile(spec.hostname ?? DEFAULT_HOSTNAME, spec.extraHosts ?? [], 'host') },
    { path: '/etc/resolv.conf', text: hostResolvConf() },
  ];
  const supervisor = supervisors.take(spec.security);
  let clean = false;
  // Below the mounts in the stack: until the secrets are wiped, the supervisor is there to do it in our place.
  stack.defer(() => supervisors.giveBack(supervisor, spec.security, clean));
  const placed = await placeMounts(spec.root, files, spec.mounts ?? [], isInMemory(spec.root), stack);
  const request = {
    type: 'start',
    root: fromBytePath(spec.root),
    args: spec.args,
    env: environment(spec.env, account),
    cwd: spec.cwd,
    uid: account.uid,
    gid: account.gid,
    groups: account.groups,
    limits: limits.map(({ name, soft, hard }) => ({ resource: RESOURCES[name], soft, hard })),
    doomed: placed.secretFiles,
    noNewPrivileges: options.noNewPrivileges === true,
    dropped: spec.security === 'insecure' ? [] : CAPABILITIES.flatMap((name, bit) => (DEFAULT_CAPABILITIES.includes(name) ? [] : [bit])),
  } as const;
  const end = await execute(spec, job, (output) => startChroot(supervisor, output === undefined ? request : { ...request, output }));
  clean = true;
  return { exitCode: outcome(spec, end, options.enclosure.rung), notices: [...notices, ...placed.notices] };
}

function refuseUnsupported(spec: ProcessSpec, rung: string): void {
  const refuse = (code: string, what: string, hint: string): SlipwayError =>
    new SlipwayError(code, `${what} cannot be had on the rung ${rung}`, { hint });
  if (spec.network === 'none')
    throw refuse('NETWORK_UNSUPPORTED', 'a step without network', 'leave --network=none away, or give the container CAP_SYS_ADMIN');
  if (hasLimits(spec.resources))
    throw refuse('RESOURCES_REFUSED', 'limits of memory, processors and processes', 'limit the container that slipway runs in');
  const device = spec.devices?.find((each) => !each.optional);
  if (device !== undefined) throw refuse('DEVICE_UNKNOWN', `the device ${device.name}`, 'give the container CAP_SYS_ADMIN');
}

function isInMemory(path: string): boolean {
  const { type } = statfsSync(fsPath(path));
  return type === TMPFS_MAGIC || type === RAMFS_MAGIC;
}

function startChroot(supervisor: ChildProcess, request: ChrootStart): Container {
  const send = (message: ChrootRequest): void => {
    if (supervisor.connected) supervisor.send(message);
  };
  let begun: () => void = () => {};
  const started = new Promise<void>((resolve) => (begun = resolve));
  const ended = new Promise<ContainerEnd>((resolve, reject) => {
    const onExit = (): void => settle(() => reject(new SlipwayError('EXEC_START', 'the supervisor of the step ended unexpectedly')));
    const onError = (error: Error): void => settle(() => reject(error));
    const onMessage = (answer: ChrootAnswer): void => {
      begun();
      if (answer.type === 'ended') settle(() => resolve({ state: 'exited', code: answer.code }));
      if (answer.type === 'failed') settle(() => resolve({ state: 'failed', message: answer.message }));
    };
    const settle = (work: () => void): void => {
      supervisor.off('exit', onExit).off('error', onError).off('message', onMessage).unref();
      supervisor.channel?.unref();
      begun();
      work();
    };
    supervisor.on('exit', onExit).on('error', onError).on('message', onMessage).ref();
    supervisor.channel?.ref();
    if (!supervisor.connected) onExit();
  });
  send(request);
  return {
    started,
    ended,
    signal: (name) => {
      send({ type: 'signal', name });
      return Promise.resolve();
    },
    // It has the terminal itself, though not as its controlling one.
    resized: () => {
      send({ type: 'signal', name: 'WINCH' });
      return Promise.resolve();
    },
  };
}
