// What the sandbox is asked: one process in one root filesystem. Plain data with host paths; who calls it resolved everything else.

import type { BytePath, JobContext, ResourceLimits } from '../base/index.ts';
import type { ExtraHost } from './network-files.ts';
import type { Ulimit } from './rlimits.ts';

/** A process to run. */
export interface ProcessSpec {
  /** Id of the vertex that output belongs to in progress events. */
  readonly id: string;
  /** Root folder on this machine, absolute. Made by the snapshot room; writes stay in it. */
  readonly root: BytePath;
  readonly readonlyRoot?: boolean;
  readonly args: readonly string[];
  /** `NAME=value`. HOME and PATH are added when absent. */
  readonly env: readonly string[];
  /** Absolute in the root; made (owned by the user) when it does not exist. */
  readonly cwd: string;
  /** As written after USER; `''` is root. */
  readonly user: string;
  /** Default `buildkitsandbox`. */
  readonly hostname?: string;
  /** `default` is a network of its own where this machine can have one, else the host's (`Executor.facts.network` says which). */
  readonly network: 'default' | 'none' | 'host';
  /** Steps with the same key share their `default` network: a stage. */
  readonly networkKey?: string;
  readonly security: 'sandbox' | 'insecure';
  readonly extraHosts?: readonly ExtraHost[];
  readonly ulimits?: readonly Ulimit[];
  /** Bytes of /dev/shm; default 64 MiB. */
  readonly shmSize?: number;
  /** Cgroup below which the step's is made, when limits are set. */
  readonly cgroupParent?: string;
  readonly resources?: ResourceLimits;
  readonly devices?: readonly DeviceRequest[];
  /** In order; a later one may lie inside an earlier one. */
  readonly mounts?: readonly ProcessMount[];
  readonly limits?: ProcessLimits;
  /** Exit codes that count as success; default only 0. */
  readonly validExitCodes?: readonly number[];
  /** Values that must not appear in the output: replaced by `****`. */
  readonly redact?: readonly Uint8Array[];
  /** `capture` (default): output becomes log events. `inherit`: the terminal of this process, for `slipway run`. Else the caller's own. */
  readonly stdio?: 'capture' | 'inherit' | ProcessStreams;
}

/** Descriptors of a process that somebody talks to. Who opened them closes them, once `started` was called or the run settled. */
export interface ProcessStreams {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** All three are one terminal, which the process shall have as its own. */
  readonly terminal?: boolean;
  /** The process has its own of them now, and takes signals. */
  readonly started: (control: ProcessControl) => void;
}

/** What can be told to a running process. Each resolves once it is delivered or the process is over. */
export interface ProcessControl {
  signal(name: SignalName): Promise<void>;
  /** The caller's terminal has this size now. */
  resized(size: TerminalSize): Promise<void>;
}

/** In characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Signals that can be passed on. */
export type SignalName = 'HUP' | 'INT' | 'QUIT' | 'KILL' | 'USR1' | 'USR2' | 'TERM' | 'CONT' | 'STOP' | 'WINCH';

/** Something mounted for the time of the process. `dest` is absolute in the root, symlinks followed inside it. */
export type ProcessMount = BindMount | TmpfsMount | SecretMount | SshMount;

/** A folder or file of this machine. `source` must be safe to follow: made by the snapshot room or by `CacheMounts`. */
export interface BindMount {
  readonly type: 'bind';
  readonly source: BytePath;
  readonly dest: BytePath;
  readonly readonly: boolean;
}

/** Empty, in memory. `size` in bytes. */
export interface TmpfsMount {
  readonly type: 'tmpfs';
  readonly dest: BytePath;
  readonly size?: number;
  readonly readonly?: boolean;
}

/** A file in memory, read-only. */
export interface SecretMount {
  readonly type: 'secret';
  readonly dest: BytePath;
  readonly data: Uint8Array;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** A socket that leads to the agent listening at `socket` on this machine. */
export interface SshMount {
  readonly type: 'ssh';
  readonly dest: BytePath;
  readonly socket: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** A device by path (`/dev/fuse`) or CDI name (`vendor.com/class=name`). */
export interface DeviceRequest {
  readonly name: string;
  readonly optional: boolean;
}

/** Limits of time and output. */
export interface ProcessLimits {
  readonly timeoutMs?: number;
  /** Between SIGTERM and SIGKILL on cancellation or time-out. */
  readonly graceMs?: number;
  /** Bytes of each stream that become events; default 2 MiB; -1: all. */
  readonly logBytes?: number;
  /** Bytes of each stream per second; default 200 KiB; -1: any. */
  readonly logBytesPerSecond?: number;
}

/** A process that ended as it should. */
export interface RunResult {
  readonly exitCode: number;
  /** What the user may want to know: a limit that was lowered, a secret that had to be on disk. */
  readonly notices: readonly string[];
}

/** Runs processes. One per builder; any number of runs at a time. */
export interface Executor extends AsyncDisposable {
  readonly facts: ExecutorFacts;
  /**
   * Runs to the end. Rejects with `EXEC_EXIT` (facts: argv, exitCode, signal, outputTail) for an exit code that is not valid,
   * `EXEC_START` when the process could not be started, `EXEC_TIMEOUT`, or `job.signal.reason`. Whatever the outcome, no process,
   * mount or file of the run is left when it settles.
   */
  run(spec: ProcessSpec, job: JobContext): Promise<RunResult>;
  /** Paths the run mounts on, so that the root can be made with them and the layer stays free of stubs. */
  mountPoints(spec: Pick<ProcessSpec, 'mounts' | 'cwd'>): readonly MountPoint[];
  /** Starts making the `default` network of a stage ahead of its first step. Errors show up in that step. */
  prepareNetwork(networkKey: string): void;
}

/** Where something will be mounted. */
export interface MountPoint {
  readonly path: BytePath;
  readonly kind: 'dir' | 'file';
  /** Of a folder that has to be made: a tmpfs takes it on (1777, as /tmp). Default 0755. */
  readonly mode?: number;
  /** A root that lacks it has it in its layer after the run: BuildKit leaves these so. */
  readonly lasting?: boolean;
}

/** What this machine gives. */
export interface ExecutorFacts {
  /** `crun`, `runc` or `chroot`. */
  readonly runtime: string;
  /** What `default` means here. */
  readonly network: 'own' | 'host';
  /** Why `default` is the host's network, when it is. */
  readonly networkReason?: string;
}
