// A target as it is to be built: every expression evaluated, everything inherited, every override applied. Plain data.

import type { Diagnostic, SourceLocation, SourceText } from '../base/index.ts';

/** What a target says of how it is built. Absent: it does not say. Lists are never empty in a plan. */
export interface BakeTarget {
  readonly name: string;
  readonly description?: string;
  readonly annotations?: readonly string[];
  readonly args?: Readonly<Record<string, string>>;
  /** `disabled` is `true` where it is there at all. */
  readonly attest?: readonly Fields[];
  readonly cacheFrom?: readonly Fields[];
  readonly cacheTo?: readonly Fields[];
  readonly call?: string;
  /** As it is written: `cwd://…` is a folder of the caller's even where the file came from elsewhere. */
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
  readonly policy?: readonly BakePolicy[];
  readonly pull?: boolean;
  /** By the names of `--resource`: `memory`, `cpu-shares`, … */
  readonly resources?: Readonly<Record<string, string>>;
  /** `id`, `src`, `env`. */
  readonly secrets?: readonly Fields[];
  readonly shmSize?: string;
  readonly ssh?: readonly BakeAgent[];
  readonly tags?: readonly string[];
  readonly target?: string;
  readonly ulimits?: readonly string[];
  /** Where it is defined (the first of its blocks), for messages. */
  readonly location?: SourceLocation;
}

/** Attributes of one output, cache, secret or attestation, an entry of a list. `csvOf` writes them as the flags of `build` take them. */
export type Fields = Readonly<Record<string, string>>;

/** An agent or keys for `RUN --mount=type=ssh`. */
export interface BakeAgent {
  readonly id: string;
  readonly paths: readonly string[];
}

/** Policy files for a build, and how they are evaluated. */
export interface BakePolicy {
  readonly files: readonly string[];
  readonly reset: boolean;
  readonly disabled: boolean;
  readonly strict?: boolean;
  readonly logLevel?: string;
}

/** What a call of Bake builds. */
export interface BakePlan {
  /** Groups that were asked for, those within them, and `default` with all names of the call; by name. */
  readonly groups: readonly BakeGroup[];
  /** Everything that is built, dependencies (`target:NAME`) too, by name. */
  readonly targets: ReadonlyMap<string, BakeTarget>;
  /** Targets that are only the context of others: they export nothing. */
  readonly linked: ReadonlySet<string>;
  /** What `--set` itself names: whoever calls allows it by that. */
  readonly allowed: BakeAllowed;
}

export interface BakeGroup {
  readonly name: string;
  readonly description?: string;
  /** Names of targets and groups; undefined where a Compose project has nothing to build. */
  readonly targets: readonly string[] | undefined;
  readonly location?: SourceLocation;
}

/** Rights that overrides of the command line grant (`--allow fs.read=…` and so on need not). */
export interface BakeAllowed {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly networkHost: boolean;
  readonly securityInsecure: boolean;
}

/** Definitions of all files, merged. */
export interface BakeFile {
  /** All targets and groups by name, those with a leading `_` too; `list` leaves them away. */
  readonly targets: readonly BakeListed[];
  readonly variables: readonly BakeVariable[];
  /** Doubts: attributes that nobody reads. Each with its file. */
  readonly warnings: readonly { readonly diagnostic: Diagnostic; readonly source: SourceText }[];
  /**
   * What `names` (targets, groups and patterns; none: `default`) mean, with overrides as `--set` has them (`app.args.X=1`, `*.tags+=a`).
   * Throws `BAKE_TARGET_UNKNOWN`, and `BAKE_INVALID` for an override or a target that cannot be.
   */
  plan(names: readonly string[], overrides?: readonly string[]): BakePlan;
}

/** A line of `--list targets`. */
export interface BakeListed {
  readonly name: string;
  readonly description?: string;
  /** Members, where it is a group. */
  readonly group?: readonly string[];
}

/** A line of `--list variables`. */
export interface BakeVariable {
  readonly name: string;
  readonly description?: string;
  /** As people say it: `list of string`. Only where the file says a type. */
  readonly type?: string;
  /** Text, or JSON of what is not text; absent: null. */
  readonly value?: string;
}

/** One file. */
export interface BakeSource {
  /** As the user would name it; its ending says what it is. */
  readonly filename: string;
  readonly text: string;
  /** Its folder, for `BUILDX_BAKE_FILE_RELATIVE_PATHS`; undefined: from elsewhere, or standard input. */
  readonly folder?: string;
}

export interface BakeOptions {
  /** For variables, and what Compose projects interpolate. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--var`. */
  readonly variables?: Readonly<Record<string, string>>;
  /** `BAKE_CMD_CONTEXT` and `BAKE_LOCAL_PLATFORM`, and the folder, clock and dice that functions use. */
  readonly commandContext: string;
  readonly localPlatform: string;
  readonly homeFolder: string;
  readonly now: () => Date;
  readonly random: (bytes: number) => Uint8Array;
  /**
   * Text of a file that a Compose project names (`.env`, `env_file`, `extends`, `include`), from the working directory where the path is
   * relative; undefined: it is not there.
   */
  readonly readFile: (path: string) => string | undefined;
}
