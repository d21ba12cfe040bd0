// The part of the OCI runtime spec (config.json, version 1.0.2) that we write.

import type { SeccompFilter } from './seccomp.ts';

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface OciDevice {
  readonly path: string;
  readonly type: 'c' | 'b' | 'p';
  readonly major: number;
  readonly minor: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface OciNamespace {
  readonly type: 'pid' | 'ipc' | 'uts' | 'mount' | 'cgroup' | 'network' | 'user';
  readonly path?: string;
}

export interface OciResources {
  readonly memory?: { readonly limit?: number; readonly swap?: number };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly devices?: readonly { readonly allow: boolean; readonly access: string }[];
}

export interface OciConfig {
  readonly ociVersion: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly process: {
    readonly terminal: boolean;
    readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids?: readonly number[] };
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly capabilities: Readonly<Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', readonly string[]>>;
    readonly rlimits?: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
    readonly noNewPrivileges: boolean;
  };
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly mounts: readonly OciMount[];
  readonly linux: {
    readonly namespaces: readonly OciNamespace[];
    readonly resources?: OciResources;
    readonly cgroupsPath?: string;
    readonly devices?: readonly OciDevice[];
    readonly seccomp?: SeccompFilter;
    readonly maskedPaths?: readonly string[];
    readonly readonlyPaths?: readonly string[];
  };
}
