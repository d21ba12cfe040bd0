// The runtime room: runs one process in a root filesystem, as isolated as the machine allows.

export { type Account, resolveAccount } from './accounts.ts';
export { CacheMounts, type CacheMount, type CacheMountRequest, type KeptCache } from './cache-mounts.ts';
export type { ExecFacts } from './exec-error.ts';
export { type ExecutorOptions, openExecutor } from './executor.ts';
export { describeNetwork } from './networks.ts';
export { DEFAULT_HOSTNAME, type ExtraHost, HOST_GATEWAY, hostAddress } from './network-files.ts';
export { Redactor } from './output-filter.ts';
export type {
  BindMount,
  DeviceRequest,
  Executor,
  ExecutorFacts,
  MountPoint,
  ProcessControl,
  ProcessLimits,
  ProcessMount,
  ProcessSpec,
  ProcessStreams,
  RunResult,
  SecretMount,
  SignalName,
  SshMount,
  TmpfsMount,
} from './process-spec.ts';
export { findProgram, findRuntime, installHint, type OciRuntime } from './programs.ts';
export { mapIds, planReexec, reexec, type ReexecPlan } from './reexec.ts';
export type { Ulimit } from './rlimits.ts';
export {
  chooseRung,
  describeRungs,
  hasMounts,
  type HostView,
  needsReexec,
  requireRung,
  type Rung,
  RUNG_TITLES,
  type RungReport,
  viewHost,
} from './rungs.ts';
