// What can be asked of a build: plain data, resolved once at the edge. The command, the API server and programs fill in the same.

import type { ProgressSink, ResourceLimits } from '../base/index.ts';
import type { TrustPolicy } from '../trust/index.ts';
import type { BuildFailure } from './result.ts';

/** Options of `build()`. Names follow `docker buildx build`. */
export interface BuildOptions extends BuildRequest {
  /** Where results are kept. Default: `SLIPWAY_ROOT`, else `/var/lib/slipway` for root, else `$XDG_DATA_HOME/slipway`. */
  readonly root?: string;
  /** Registries, limits, garbage collection: what the configuration file may say. */
  readonly settings?: Settings;
  /** Aborting cancels the build; finished steps stay in the cache. */
  readonly signal?: AbortSignal;
  /** Everything that happens. */
  readonly onProgress?: ProgressSink;
  /** Told once what a failed build left behind (test results, a report), before the promise rejects. */
  readonly onFailure?: (failure: BuildFailure) => void;
}

/** One build. */
export interface BuildRequest {
  /** The build context. Default: empty. */
  readonly context?: ContextInput;
  /** The Dockerfile. Default: `Dockerfile` (else `dockerfile`) in the context. */
  readonly dockerfile?: DockerfileInput;
  /** Stage to build; default: the last one. */
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** `os/arch[/variant]`; default: this machine's. Several give an image index. */
  readonly platforms?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: readonly string[];
  /** `--build-context`: a folder, `docker-image://…`, `oci-layout://…`, git or http URL by name. */
  readonly namedContexts?: Readonly<Record<string, string>>;
  /** True: no step uses a known result; names or numbers: the steps of those stages. */
  readonly noCache?: boolean | readonly string[];
  /** Ask the registry for every base though one is known. */
  readonly pull?: boolean;
  /** Names of the result. */
  readonly tags?: readonly string[];
  readonly outputs?: readonly OutputRequest[];
  readonly cacheFrom?: readonly CacheRequest[];
  readonly cacheTo?: readonly CacheRequest[];
  readonly attests?: readonly AttestRequest[];
  readonly secrets?: readonly SecretInput[];
  readonly ssh?: readonly SshInput[];
  readonly network?: 'default' | 'none' | 'host';
  /** `ip`: an address, or `host-gateway`, the machine that the steps run on. */
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[];
  /** Devices of every RUN: CDI names or paths. Each needs the entitlement `device`. */
  readonly devices?: readonly { readonly name: string; readonly optional: boolean }[];
  /** Bytes of /dev/shm in a RUN. */
  readonly shmSize?: number;
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly cgroupParent?: string;
  readonly hostname?: string;
  readonly resources?: ResourceLimits;
  readonly limits?: StepLimits;
  /** `network.host`, `security.insecure`, `device`, … */
  readonly entitlements?: readonly string[];
  /** Classic builder: every stage up to the target. */
  readonly allStages?: boolean;
  /** Stages (names, numbers or globs) that must succeed before anything is exported. */
  readonly gates?: readonly string[];
  /** Seconds since the epoch for everything this build dates. */
  readonly sourceDateEpoch?: number;
  /** Proxy variables for RUN, from the client's configuration. */
  readonly proxyEnv?: Readonly<Record<string, string>>;
  /** Standard output is a terminal: archives are not written to it. */
  readonly stdoutIsTerminal?: boolean;
  /** Name kept in the history. */
  readonly name?: string;
  /** Give a report of the build with its result: every file is listed and checked. */
  readonly report?: boolean;
}

/** Where the context comes from. `path` is a folder; `url` a git or http address; `archive` a tar (any compression) file. */
export type ContextInput =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'archive'; readonly path: string }
  | { readonly kind: 'empty' };

/** Where the Dockerfile comes from. A relative `path` is inside the context when that is an archive or URL. */
export type DockerfileInput =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'text'; readonly text: string; readonly filename: string }
  | { readonly kind: 'url'; readonly url: string };

/** One `-o`: type and attributes as `docker buildx build` names them. */
export interface OutputRequest {
  readonly type: 'image' | 'registry' | 'oci' | 'docker' | 'tar' | 'local' | 'cacheonly';
  readonly attributes: Readonly<Record<string, string>>;
}

/** One `--cache-from` or `--cache-to`. */
export interface CacheRequest {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** One `--attest`, `--sbom` or `--provenance`. */
export interface AttestRequest {
  readonly type: 'sbom' | 'provenance';
  readonly disabled?: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

/** A secret by id. The value is read when a step asks for it; absent: the step fails or goes without. */
export type SecretInput =
  | { readonly id: string; readonly kind: 'file'; readonly path: string }
  | { readonly id: string; readonly kind: 'env'; readonly variable: string; readonly value: string | undefined }
  | { readonly id: string; readonly kind: 'value'; readonly value: Uint8Array };

/** An SSH agent socket, or keys, by id. */
export interface SshInput {
  readonly id: string;
  readonly paths: readonly string[];
}

/** Limits of a step's time and output. */
export interface StepLimits {
  /** Milliseconds a RUN may take. */
  readonly timeoutMs?: number;
  /** Bytes of output kept of one RUN; -1: all. */
  readonly logBytes?: number;
  /** Bytes of output per second; -1: any. */
  readonly logBytesPerSecond?: number;
}

/** What the configuration file and the machine say; the same for every build of a builder. */
export interface Settings {
  /** Registry host (`docker.io`) → how it is reached; keys of `buildkitd.toml`. */
  readonly registries?: Readonly<Record<string, RegistrySettings>>;
  /** Docker's `config.json`, parsed; read by the edge. */
  readonly dockerConfig?: DockerConfig;
  /** More certificates (PEM files): `SSL_CERT_FILE`. */
  readonly certificateFiles?: readonly string[];
  /** `HTTP_PROXY` and its relatives for our own requests. */
  readonly proxies?: { readonly http?: string; readonly https?: string; readonly no?: string };
  /** Forced place on the ladder of isolation; undefined: the best one. */
  readonly rung?: string;
  /** RUN processes at a time; default: four for each processor, at least 16. */
  readonly maxProcesses?: number;
  readonly maxDownloads?: number;
  readonly maxUploads?: number;
  /** Variables the engine's helper programs (git, credential helpers, ssh) see, and PATH to find them. Default in a helper process: its own. */
  readonly programEnv?: Readonly<Record<string, string>>;
  /** What is asked of images that come from registries; undefined: nothing. */
  readonly trust?: TrustPolicy;
  /** `no_new_privs` for every RUN. */
  readonly noNewPrivileges?: boolean;
  /** Automatic garbage collection; absent: 25 % of the disk, 30 days. */
  readonly gc?: {
    readonly maxBytes?: number;
    readonly minFreeBytes?: number;
    /** What the store may always have, however full the disk is. */
    readonly reservedBytes?: number;
    readonly maxAgeMs?: number;
    readonly disabled?: boolean;
  };
  /** How this program names itself to servers. */
  readonly userAgent?: string;
}

export interface RegistrySettings {
  readonly mirrors?: readonly string[];
  /** Plain http. */
  readonly http?: boolean;
  /** TLS without verification. */
  readonly insecure?: boolean;
  readonly ca?: readonly string[];
  readonly keypair?: readonly { readonly key: string; readonly cert: string }[];
}

/** The parts of Docker's client configuration that we use. */
export interface DockerConfig {
  readonly auths?: Readonly<
    Record<
      string,
      {
        readonly auth?: string;
        readonly identitytoken?: string;
        readonly username?: string;
        readonly password?: string;
        readonly registrytoken?: string;
      }
    >
  >;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly HttpHeaders?: Readonly<Record<string, string>>;
  readonly proxies?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}
