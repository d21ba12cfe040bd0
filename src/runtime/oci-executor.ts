// The executor of the rungs that can mount: each process in a container of an OCI runtime (crun, else runc).

import { chmodSync, closeSync, constants, mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { AsyncDisposableStack, type JobContext, SlipwayError } from '../base/index.ts';
import { type Account, resolveAccount } from './accounts.ts';
import { startContainer } from './container.ts';
import { configText, containerConfig, type NetworkNamespace } from './container-config.ts';
import { deviceEdits } from './devices.ts';
import { cgroupLayout, type CgroupLayout, type Enclosure, presentCgroup2 } from './enclosure.ts';
import { mountPointsOf, makeMountStubs } from './mount-stubs.ts';
import { DEFAULT_HOSTNAME, hostResolvConf, hostsFile, resolvConf } from './network-files.ts';
import { openNetworks, type StageNetworks } from './networks.ts';
import { mountPoint, prepareMounts } from './private-mounts.ts';
import type { Executor, ExecutorFacts, ProcessSpec, RunResult } from './process-spec.ts';
import { findRuntime, needProgram, type OciRuntime } from './programs.ts';
import { clampLimits } from './rlimits.ts';
import { rungWarning } from './rung-hints.ts';
import type { SeccompFilter } from './seccomp.ts';
import { openSealedRuntime } from './sealed-runtime.ts';
import { seccompCache } from './seccomp-program.ts';
import { makeTerminalRaw } from '../sys/index.ts';
import { environment, execute, explainTimeout, type LimitsHit, makeWorkingDirectory, outcome, type StepEnd } from './step.ts';
import { cgroupName, hasLimits, openStepCgroup, type StepCgroup, sweepCgroups } from './step-cgroup.ts';

/** How containers are run. */
export interface OciExecutorOptions {
  readonly enclosure: Enclosure;
  /** Folder of the store where small things are remembered between builds. */
  readonly workDir: string;
  /** Text of PATH. */
  readonly searchPath: string;
  readonly runtime?: 'crun' | 'runc';
  readonly noNewPrivileges?: boolean;
  /** What `default` networks are; `own` falls back to the host's where it cannot be had. */
  readonly network?: 'own' | 'host';
}

/** Opens the executor. Throws `RUNTIME_MISSING`. */
export function openOciExecutor(options: OciExecutorOptions): Executor {
  const runtime = findRuntime(options.searchPath, options.runtime);
  const layout = cgroupLayout();
  // Reached through a descriptor: on hybrid hosts the path itself is about to show something else.
  const hierarchy = layout === 'none' ? undefined : openSync('/sys/fs/cgroup', constants.O_RDONLY | constants.O_DIRECTORY);
  const view = presentCgroup2(runtime.name === 'crun' ? layout : layout === 'v2' ? 'v2' : 'none');
  const hierarchyPath = `/proc/${process.pid}/fd/${hierarchy}`;
  const sealed = openSealedRuntime(runtime, options.enclosure);
  const swept = new Set<string | undefined>();
  const sandbox: Sandbox = {
    ...options,
    runtime,
    sealed: () => sealed.path(),
    layout,
    hierarchy: hierarchyPath,
    sweep: (parent) => {
      if (hierarchy !== undefined && !swept.has(parent)) sweepCgroups(hierarchyPath, layout, parent);
      swept.add(parent);
    },
    cgroup2: view.isV2,
    networks: openNetworks(options.enclosure, options.searchPath, options.network),
    unshare: runtime.name === 'runc' ? needProgram('unshare', options.searchPath, 'runc needs it') : '',
    seccompProgram: runtime.name === 'crun' ? seccompCache(join(options.workDir, 'seccomp'), versionOf(runtime)) : () => undefined,
  };
  return {
    get facts(): ExecutorFacts {
      const reason = sandbox.networks.hostReason;
      return reason === undefined
        ? { runtime: runtime.name, network: 'own' }
        : { runtime: runtime.name, network: 'host', networkReason: reason };
    },
    run: (spec, job) => runContainer(sandbox, spec, job),
    mountPoints: (spec) => mountPointsOf((spec.mounts ?? []).map(mountPoint)),
    prepareNetwork: (key) => sandbox.networks.prepare(key),
    [Symbol.asyncDispose]: async () => {
      await sandbox.networks[Symbol.asyncDispose]();
      view[Symbol.dispose]();
      sealed[Symbol.dispose]();
      if (hierarchy !== undefined) closeSync(hierarchy);
    },
  };
}

interface Sandbox extends Omit<OciExecutorOptions, 'runtime' | 'network'> {
  readonly runtime: OciRuntime;
  readonly sealed: () => string | undefined;
  readonly layout: CgroupLayout;
  readonly hierarchy: string;
  readonly cgroup2: boolean;
  readonly networks: StageNetworks;
  readonly unshare: string;
  readonly seccompProgram: (filter: SeccompFilter) => Buffer | undefined;
  /** Takes away what builders left that were killed, once for each place. */
  readonly sweep: (parent: string | undefined) => void;
}

/** The runtime and libseccomp come from one distribution: when one was replaced, so may have been the other. */
function versionOf(runtime: OciRuntime): string {
  const stat = statSync(runtime.path);
  return `${runtime.path} ${stat.mtimeMs} ${stat.size}`;
}

/** Started in this process, by whichever executor: they share a run folder. */
let containers = 0;

async function runContainer(sandbox: Sandbox, spec: ProcessSpec, job: JobContext): Promise<RunResult> {
  job.signal.throwIfAborted();
  const { enclosure, runtime } = sandbox;
  const account = resolveAccount(spec.root, spec.user);
  const warned = rungWarning(enclosure.rung, spec.args);
  refuseUnmapped(enclosure, account, spec.user);
  await using stack = new AsyncDisposableStack();
  const id = cgroupName((containers += 1));
  const bundle = join(enclosure.runDir, id);
  mkdirSync(bundle, { mode: 0o700 });
  stack.defer(() => rmSync(bundle, { recursive: true, force: true }));
  const network = await chooseNetwork(sandbox, spec);
  const { limits, notices } = clampLimits(
    spec.ulimits ?? [],
    enclosure.rights.effective.has('CAP_SYS_RESOURCE') && !enclosure.userNamespace,
  );
  const cgroup = openCgroup(sandbox, spec, id, stack);
  const mounts = await prepareMounts(spec.mounts ?? [], spec.root, bundle, stack);
  const points = mountPointsOf((spec.mounts ?? []).map(mountPoint));
  const devices = deviceEdits(spec.devices ?? [], spec.security === 'insecure' && !enclosure.userNamespace);
  // Undone after the process ended and before the caller looks at the layer.
  stack.use(makeMountStubs(spec.root, [...points, ...devices.mounts.map((mount) => ({ path: mount.destination, kind: 'file' as const }))]));
  makeWorkingDirectory(spec, account);
  const terminal = hasTerminal(spec);
  const config = containerConfig({
    spec,
    account,
    env: environment([...spec.env, ...devices.env], account),
    hostsPath: writeFile(bundle, 'hosts', hostsFile(spec.hostname ?? DEFAULT_HOSTNAME, spec.extraHosts ?? [], network.kind)),
    resolvConfPath: writeFile(bundle, 'resolv.conf', resolverText(network)),
    mounts: [...mounts, ...devices.mounts],
    devices: devices.devices,
    limits,
    network,
    available: enclosure.rights.bounding,
    userNamespace: enclosure.userNamespace,
    singleId: enclosure.singleId,
    cgroup2: sandbox.cgroup2,
    noNewPrivileges: sandbox.noNewPrivileges === true,
    terminal,
    seccompProgram: sandbox.seccompProgram,
    ...(runtime.name === 'runc' && hasLimits(spec.resources)
      ? { cgroup: { path: join('/', spec.cgroupParent ?? '', id), resources: spec.resources } }
      : {}),
  });
  writeFile(bundle, 'config.json', configText(config));
  job.signal.throwIfAborted();
  const hit = (): LimitsHit => ({
    ...(cgroup?.outOfMemory() === true ? { outOfMemory: true } : {}),
    ...(cgroup?.outOfProcesses() === true ? { outOfProcesses: true } : {}),
  });
  let end: StepEnd;
  // While the step runs: it takes a millisecond or two.
  const beside = (): void => {
    job.onWaiting?.();
    setImmediate(() => sandbox.sweep(spec.cgroupParent));
  };
  try {
    end = await execute(spec, { ...job, onWaiting: beside }, (output) =>
      startContainer({
        enclosure,
        runtime,
        sealed: sandbox.sealed,
        unshare: sandbox.unshare,
        bundle,
        id,
        stdio: output === undefined ? ['inherit', 'inherit', 'inherit'] : [output.stdin ?? 'ignore', output.stdout, output.stderr],
        joinFiles: cgroup?.joinFiles ?? [],
        env: { PATH: sandbox.searchPath },
      }),
    );
  } catch (error) {
    throw explainTimeout(error, hit());
  }
  return { exitCode: outcome(spec, end, enclosure.rung, hit()), notices: warned === undefined ? notices : [...notices, warned] };
}

/** Whether the process gets a terminal. One of the caller's stands before it then, and must not change what passes. */
function hasTerminal({ stdio }: ProcessSpec): boolean {
  if (typeof stdio !== 'object') return stdio === 'inherit' && isatty(0) && isatty(1);
  if (stdio.terminal !== true) return false;
  makeTerminalRaw(stdio.stdin);
  return true;
}

function refuseUnmapped(enclosure: Enclosure, account: Account, user: string): void {
  if (!enclosure.singleId || (account.uid === 0 && account.gid === 0)) return;
  throw new SlipwayError('USER_UNMAPPED', `user ${user} cannot be had on the rung ${enclosure.rung}: only one id is mapped`, {
    hint: 'give yourself subordinate ids in /etc/subuid and /etc/subgid, or run the step as root',
  });
}

async function chooseNetwork(sandbox: Sandbox, spec: ProcessSpec): Promise<NetworkNamespace> {
  if (spec.network === 'default') return sandbox.networks.get(spec.networkKey ?? '');
  return { kind: spec.network };
}

function resolverText(network: NetworkNamespace): string {
  const place = network.kind === 'path' ? ({ kind: 'forwarded', server: network.dns } as const) : network;
  return resolvConf(hostResolvConf(), place);
}

function openCgroup(sandbox: Sandbox, spec: ProcessSpec, id: string, stack: AsyncDisposableStack): StepCgroup | undefined {
  if (sandbox.runtime.name === 'runc' || !hasLimits(spec.resources)) return undefined;
  return stack.use(openStepCgroup(sandbox.hierarchy, sandbox.layout, id, spec.resources, spec.cgroupParent));
}

function writeFile(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  // The step's user reads it, whatever our umask.
  chmodSync(path, 0o644);
  return path;
}
