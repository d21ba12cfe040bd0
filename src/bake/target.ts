// A target as it is to be built: every expression evaluated, everything inherited, every override applied. Plain data.

import type { SourceLocation } from '../base/index.ts';

/** Words are those of the flags of `docker buildx build`, in CSV form (`type=registry,ref=…`), as `--print` writes them. Absent: not set. */
export interface BakeTarget {
  readonly name: string;
  readonly description?: string;
  readonly annotations?: readonly string[];
  readonly args?: Readonly<Record<string, string>>;
  readonly attest?: readonly string[];
  readonly cacheFrom?: readonly Fields[];
  readonly cacheTo?: readonly Fields[];
  readonly call?: string;
  readonly context?: string;
  /** `target:NAME` is the result of another target of the plan. */
  readonly contexts?: Readonly<Record<string, string>>;
  readonly dockerfile?: string;
  readonly dockerfileInline?: string;
  readonly entitlements?: readonly string[];
  readonly extraHosts?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly network?: string;
  readonly noCache?: boolean;
  readonly noCacheFilter?: readonly string[];
  readonly outputs?: readonly Fields[];
  readonly platforms?: readonly string[];
  readonly policy?: readonly Fields[];
  readonly pull?: boolean;
  readonly resources?: Readonly<Record<string, string>>;
  readonly secrets?: readonly Fields[];
  readonly shmSize?: string;
  readonly ssh?: readonly Fields[];
  readonly tags?: readonly string[];
  readonly target?: string;
  readonly ulimits?: readonly string[];
  /** Where it is defined (the first of its blocks), for messages. */
  readonly location?: SourceLocation;
}

/** Attributes of one output, cache, secret or agent: an entry of a list. */
export type Fields = Readonly<Record<string, string>>;

/** What a call of Bake builds. */
export interface BakePlan {
  /** Groups that were asked for, or `default`: their members. */
  readonly groups: readonly { readonly name: string; readonly targets: readonly string[] }[];
  /** Everything that is built, dependencies (`target:NAME`) too, by name. */
  readonly targets: ReadonlyMap<string, BakeTarget>;
  /** Targets that are only the context of others: they export nothing. */
  readonly linked: ReadonlySet<string>;
}

/** One file. */
export interface BakeSource {
  /** As the user would name it. */
  readonly filename: string;
  readonly text: string;
  /** Its folder: relative paths of Compose projects start there. */
  readonly folder: string;
}

export interface BakeOptions {
  /** For variables, and what Compose projects interpolate. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--var`. */
  readonly variables: Readonly<Record<string, string>>;
  /** `BAKE_CMD_CONTEXT` and `BAKE_LOCAL_PLATFORM`, and the folders that functions tell of. */
  readonly commandContext: string;
  readonly localPlatform: string;
  readonly homeFolder: string;
  readonly now: () => Date;
  /** Text of a file beside a Compose project (`.env`, `env_file`, `extends`), undefined: it is not there. */
  readonly readFile: (path: string) => string | undefined;
}
