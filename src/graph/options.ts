// What a graph is made from beside the Dockerfile: the build's options, as far as they change what is done.

import type { Diagnostic } from '../base/index.ts';
import type { Platform } from '../oci/index.ts';
import type { ExecSpec, GraphEdge, SourceSpec } from './op-spec.ts';

/** A tree that another part provides: a source to be made a vertex, or an output of another graph. `undefined` output: the empty tree. */
export type TreeInput =
  | {
      readonly source: SourceSpec['source'];
      /** Vertex name for people. */
      readonly name?: string;
    }
  | { readonly output: GraphEdge | undefined };

/** Options of `buildGraph`. All but `buildPlatform` may be left out. */
export interface GraphOptions {
  /** Stage to build, by name in any case or by number; default: the last one. */
  readonly target?: string;
  /** One graph per entry, normalised by the caller. Empty: `buildPlatform`, where an image of another platform says otherwise for itself. */
  readonly platforms?: readonly Platform[];
  /** What this machine runs: `BUILDPLATFORM`. */
  readonly buildPlatform: Platform;
  /** Step names say the platform, as for several platforms. Default: more than one platform. */
  readonly multiPlatform?: boolean;
  /** `--build-arg`, `BUILDKIT_*` ones included. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** `--label`: put into the target's config last. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Every stage up to the target is a root (classic builder); without a target every stage. */
  readonly allStages?: boolean;
  /** Stages (names, numbers, or globs) that must succeed though nothing copies from them. */
  readonly gates?: readonly string[];
  /** True: no step uses a known result. Else stage names (any case) or numbers whose steps do not. */
  readonly noCache?: boolean | readonly string[];
  /** Names of `--build-context`, plain or `name::os/arch`; what they are the resolver knows. */
  readonly namedContexts?: readonly string[];
  /** How `FROM` images are asked for. */
  readonly resolveMode?: 'default' | 'pull' | 'local';
  /** The build context. Default: the local folder `context`, with `ignore`. */
  readonly context?: TreeInput;
  /** The remote source behind a `context` that is an output: `SOURCE_DATE_EPOCH=context` asks for its time. */
  readonly contextSource?: SourceSpec['source'];
  /** `.dockerignore` patterns of the build context when it is a local folder. */
  readonly ignore?: readonly string[];
  /** Whether a path is in the local build context; for rules of our own. Left out: nobody knows. */
  readonly contextHas?: (path: string) => boolean;
  /** Also report what our own rules say (`OWN_RULES`). BuildKit has none of them. */
  readonly ownRules?: boolean;
  readonly hostname?: string;
  readonly extraHosts?: ExecSpec['extraHosts'];
  /** Bytes of /dev/shm; undefined or 0: the runtime's default. */
  readonly shmSize?: number;
  readonly ulimits?: ExecSpec['ulimits'];
  readonly cgroupParent?: string;
  readonly network?: ExecSpec['network'];
  readonly resources?: ExecSpec['resources'];
  readonly devices?: ExecSpec['devices'];
  /** Proxy variables for RUN beside those among the build args. */
  readonly proxyEnv?: Readonly<Record<string, string>>;
  /** Seconds since the epoch; a `SOURCE_DATE_EPOCH` build arg or global ARG is read first. */
  readonly sourceDateEpoch?: number;
  /** Prefix of cache mount ids; default: the build arg `BUILDKIT_CACHE_MOUNT_NS`. */
  readonly cacheMountNamespace?: string;
  /** Gets every finding as it is made (`GraphResult.diagnostics` has them too), also when the graph then fails. */
  readonly report?: (diagnostic: Diagnostic) => void;
}
