// From a process to the runtime's config.json: what Docker's containers get by default, and what a step asks for beyond it.

import { type BytePath, fromBytePath, type ResourceLimits } from '../base/index.ts';
import type { Account } from './accounts.ts';
import { CAPABILITIES, type Capability, DEFAULT_CAPABILITIES } from './capabilities.ts';
import type { OciConfig, OciDevice, OciMount, OciNamespace, OciResources } from './oci-config.ts';
import type { ProcessSpec } from './process-spec.ts';
import type { ProcessLimit } from './rlimits.ts';
import { defaultSeccomp, type SeccompFilter } from './seccomp.ts';

/** What the sandbox has found out and prepared for one process. */
export interface ContainerPlan {
  readonly spec: ProcessSpec;
  readonly account: Account;
  readonly env: readonly string[];
  /** Files of this machine for /etc/hosts and /etc/resolv.conf. */
  readonly hostsPath: string;
  readonly resolvConfPath: string;
  /** The step's own mounts, as the runtime takes them. */
  readonly mounts: readonly OciMount[];
  readonly devices: readonly OciDevice[];
  readonly limits: readonly ProcessLimit[];
  readonly network: NetworkNamespace;
  /** Capabilities that this process can give at all. */
  readonly available: ReadonlySet<Capability>;
  /** We are inside a user namespace: some mounts and devices need other ways. */
  readonly userNamespace: boolean;
  /** Only one id is mapped: groups cannot be set. */
  readonly singleId: boolean;
  /** Whether /sys/fs/cgroup is a version 2 hierarchy, so that a namespace and a view of it can be had. */
  readonly cgroup2: boolean;
  readonly noNewPrivileges: boolean;
  readonly terminal: boolean;
  /** The compiled form of a filter, for a runtime that takes one. */
  readonly seccompProgram: (filter: SeccompFilter) => Buffer | undefined;
  /** Limits and place for a runtime that makes cgroups itself. */
  readonly cgroup?: { readonly path: string; readonly resources: ResourceLimits };
}

/** The network namespace of a container: the host's, a new one with nothing but loopback, or one that exists at a path. */
export type NetworkNamespace =
  { readonly kind: 'host' } | { readonly kind: 'none' } | { readonly kind: 'path'; readonly path: string; readonly dns: string };

/** Hidden from a step: what tells about, or reaches into, the machine. */
const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const SHM_SIZE = 64 << 20;

/** The config.json for a plan. */
export function containerConfig(plan: ContainerPlan): OciConfig {
  const { spec, account } = plan;
  const insecure = spec.security === 'insecure';
  const capabilities = (insecure ? CAPABILITIES : DEFAULT_CAPABILITIES).filter((capability) => plan.available.has(capability));
  const kept = insecure ? capabilities : [];
  const cgroup = plan.cgroup;
  const seccomp = insecure ? undefined : defaultSeccomp(capabilities, process.arch);
  const program = seccomp === undefined ? undefined : plan.seccompProgram(seccomp);
  return {
    ociVersion: '1.0.2',
    // The filter itself stays in: a crun too old for the annotation still has it.
    ...(program === undefined ? {} : { annotations: { 'run.oci.seccomp_bpf_data': program.toString('base64') } }),
    process: {
      terminal: plan.terminal,
      user: { uid: account.uid, gid: account.gid, ...(plan.singleId ? {} : { additionalGids: account.groups }) },
      args: spec.args,
      env: plan.env,
      cwd: spec.cwd,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities, inheritable: kept, ambient: kept },
      ...(plan.limits.length === 0 ? {} : { rlimits: plan.limits.map(rlimit) }),
      noNewPrivileges: plan.noNewPrivileges,
    },
    root: { path: fromBytePath(spec.root), readonly: spec.readonlyRoot === true },
    hostname: spec.hostname ?? 'buildkitsandbox',
    mounts: [...systemMounts(plan, insecure), ...networkMounts(plan), ...plan.mounts],
    linux: {
      namespaces: namespaces(plan),
      resources: { devices: [{ allow: insecure, access: 'rwm' }], ...(cgroup === undefined ? {} : limits(cgroup.resources)) },
      ...(cgroup === undefined ? {} : { cgroupsPath: cgroup.path }),
      ...(plan.devices.length === 0 ? {} : { devices: plan.devices }),
      ...(seccomp === undefined ? {} : { seccomp, maskedPaths: MASKED, readonlyPaths: READONLY }),
    },
  };
}

/** The text of config.json. Unlimited is 2^64-1 there, which no double holds: -1 stands for it until here. */
export function configText(config: OciConfig): string {
  // Inside a JSON string every quote is escaped, so this matches nothing that a user wrote.
  return JSON.stringify(config).replace(/"(soft|hard)":-1\b/g, '"$1":18446744073709551615');
}

function rlimit(limit: ProcessLimit): { readonly type: string; readonly soft: number; readonly hard: number } {
  return { type: `RLIMIT_${limit.name.toUpperCase()}`, soft: Math.max(-1, limit.soft), hard: Math.max(-1, limit.hard) };
}

function namespaces(plan: ContainerPlan): readonly OciNamespace[] {
  const own: OciNamespace[] = [{ type: 'pid' }, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }];
  if (plan.cgroup2) own.push({ type: 'cgroup' });
  if (plan.network.kind === 'none') own.push({ type: 'network' });
  if (plan.network.kind === 'path') own.push({ type: 'network', path: plan.network.path });
  return own;
}

function systemMounts(plan: ContainerPlan, insecure: boolean): readonly OciMount[] {
  const strict = ['nosuid', 'noexec', 'nodev'];
  const access = insecure ? 'rw' : 'ro';
  // sysfs shows the network namespace's devices, so only who owns that namespace may mount it.
  const boundSys = plan.userNamespace && plan.network.kind === 'host';
  const ttyGroup = plan.singleId ? [] : ['gid=5'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: strict },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...ttyGroup],
    },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...strict, 'mode=1777', `size=${plan.spec.shmSize ?? SHM_SIZE}`] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: strict },
    boundSys
      ? { destination: '/sys', type: 'bind', source: '/sys', options: [...strict, 'rbind', 'ro'] }
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...strict, access] },
    ...(plan.cgroup2
      ? [{ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...strict, 'relatime', access] }]
      : []),
  ];
}

function networkMounts(plan: ContainerPlan): readonly OciMount[] {
  const options = ['nosuid', 'noexec', 'nodev', 'rbind', 'ro'];
  return [
    { destination: '/etc/resolv.conf', type: 'bind', source: plan.resolvConfPath, options },
    { destination: '/etc/hosts', type: 'bind', source: plan.hostsPath, options },
  ];
}

/** A bind mount for the runtime. */
export function bindMount(source: BytePath, dest: BytePath, readonly: boolean, ...options: readonly string[]): OciMount {
  return {
    destination: fromBytePath(dest),
    type: 'bind',
    source: fromBytePath(source),
    options: ['rbind', readonly ? 'ro' : 'rw', ...options],
  };
}

function limits(resources: ResourceLimits): OciResources {
  const { memory, memorySwap, cpuShares, cpuQuota, cpuPeriod, cpusetCpus, cpusetMems, pids } = resources;
  return {
    memory: { ...(memory === undefined ? {} : { limit: memory }), ...(memorySwap === undefined ? {} : { swap: memorySwap }) },
    cpu: {
      ...(cpuShares === undefined ? {} : { shares: cpuShares }),
      ...(cpuQuota === undefined ? {} : { quota: cpuQuota }),
      ...(cpuPeriod === undefined ? {} : { period: cpuPeriod }),
      ...(cpusetCpus === undefined ? {} : { cpus: cpusetCpus }),
      ...(cpusetMems === undefined ? {} : { mems: cpusetMems }),
    },
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  };
}
