// The library's `readBake()` and `listBake()`: what `slipway bake` does between its flags and its builds, for programs.

import type { ProgressSink, Diagnostic, SourceText } from '../../base/index.ts';
import type { BakeFile, BakeGroup, BakeListed, BakeTarget, BakeVariable } from '../../bake/index.ts';
import { readRemoteFiles, type Settings } from '../../build/index.ts';
import type { Surroundings } from '../surroundings.ts';
import { repositoryLogin } from './elsewhere.ts';
import { type BakeText, readBakeFiles } from './files.ts';
import { openBake } from './open-bake.ts';
import { type BakeRequests, requestsOf } from './requests.ts';
import { type BakeRights, checkReadable, grant } from './rights.ts';

/** Options of `listBake()`: where the files are, and what they may ask. */
export interface ListBakeOptions {
  /** Where files are looked for, and where relative paths in them start. Default: the working directory. */
  readonly folder?: string;
  /**
   * Paths, or texts, in the order in which they add to each other. Default: those of the folder that have the usual names (`compose.yaml`,
   * `docker-bake.json`, `docker-bake.hcl`, `docker-bake.override.hcl`, …).
   */
  readonly files?: readonly (string | BakeText)[];
  /** The files are at this address: a git repository, an archive, or a file itself. Those named `cwd://PATH` are in the folder. */
  readonly url?: string;
  /** `--var`: values of variables. */
  readonly variables?: Readonly<Record<string, string>>;
  /**
   * What the files may ask of the environment: variables, secrets, credentials of caches, `BUILDX_BAKE_FILE_RELATIVE_PATHS` and its relatives.
   * Default: nothing. `process.env` gives them what `slipway bake` gives.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What the files are allowed. Default: to read and write below the folder. */
  readonly allow?: BakeRights;
  /** Aborting it gives up what is fetched from `url`. */
  readonly signal?: AbortSignal;
  /** What fetching from `url` does. */
  readonly onProgress?: ProgressSink;
  /** Where what is fetched from `url` is kept, as for `build()`. */
  readonly root?: string;
  /** How `url` is reached, as for `build()`. */
  readonly settings?: Settings;
}

/** Options of `readBake()`. */
export interface ReadBakeOptions extends ListBakeOptions {
  /** Targets, groups and patterns (`test-*`). Default: the group or target `default`. */
  readonly targets?: readonly string[];
  /** `--set`: `TARGET.KEY=VALUE`, where the target may be a pattern; `+=` adds. What it names is allowed by that. */
  readonly set?: readonly string[];
}

/** What files define. */
export interface BakeList {
  /** Targets and groups by name; those whose name starts with `_` are meant to be inherited only. */
  readonly defined: readonly BakeListed[];
  readonly variables: readonly BakeVariable[];
  /** Doubts: attributes that nobody reads. Each with its file; `renderFrame()` shows it. */
  readonly warnings: readonly BakeWarning[];
}

export interface BakeWarning {
  readonly diagnostic: Diagnostic;
  readonly source: SourceText;
}

/** What is to be built, in three forms: as it is written, for `buildTogether()`, and for `callDockerfile()`. */
export interface Bake extends BakeList, BakeRequests {
  /** Groups that were asked for, those within them, and `default` with all names that were asked for. */
  readonly groups: readonly BakeGroup[];
  /** Targets by name as the files have them: evaluated, inherited, overridden. Those that others stand on (`target:NAME`) are among them. */
  readonly targets: Readonly<Record<string, BakeTarget>>;
  /** What was passed over, in words. */
  readonly notes: readonly string[];
}

/** Where a call comes from: what the package's door knows of the process. */
export interface Caller extends Omit<Surroundings, 'note'> {
  readonly now: () => Date;
}

/** See `ReadBakeOptions`; the door has its documentation. */
export async function readBake(options: ReadBakeOptions, caller: Caller): Promise<Bake> {
  const notes: string[] = [];
  const around = { ...caller, note: (text: string) => void notes.push(text) };
  const { targets: names = [], set = [], allow = {} } = options;
  const file = await open(options, around);
  const plan = file.plan(names, set);
  const requests = requestsOf(plan, allow, around);
  return { ...listOf(file), ...requests, groups: plan.groups, targets: Object.fromEntries(plan.targets), notes };
}

/** See `ListBakeOptions`; the door has its documentation. */
export async function listBake(options: ListBakeOptions, caller: Caller): Promise<BakeList> {
  return listOf(await open(options, { ...caller, note: () => {} }));
}

function listOf({ targets: defined, variables, warnings }: BakeFile): BakeList {
  return { defined, variables, warnings };
}

/** A Compose project is told what it may read of this machine before it reads it; that its secrets are no better is checked with the targets. */
async function open(options: ListBakeOptions, around: Surroundings & Caller): Promise<BakeFile> {
  const { files: named = [], url, variables = {}, allow = {}, signal, onProgress, root, settings } = options;
  signal?.throwIfAborted();
  const fetching = {
    ...repositoryLogin(around),
    ...(root === undefined ? {} : { root }),
    ...(settings === undefined ? {} : { settings }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  const elsewhere = url === undefined ? undefined : { url, read: (names: readonly string[]) => readRemoteFiles(url, names, fetching) };
  const files = await readBakeFiles(named, elsewhere, around);
  const granted = grant(allow, undefined, around);
  return openBake(files, { variables, now: around.now, mayRead: (path) => checkReadable(path, granted, around) }, around);
}
