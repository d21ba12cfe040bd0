// A stage while a graph is made: what the file says of it, what it starts from, and what its instructions made so far.

import type { SourceRange } from '../base/index.ts';
import type { Stage, StageInstruction } from '../dockerfile/index.ts';
import type { ImageConfig, Platform } from '../oci/index.ts';
import { type ConfigDraft, emptyDraft } from './config-draft.ts';
import { Environment } from './environment.ts';
import type { GraphEdge } from './op-spec.ts';
import type { StageOutline } from './outline.ts';
import type { SeenVariables } from './seen-variables.ts';
import type { Step } from './step.ts';
import type { StepCounter } from './step-name.ts';

/** The name of the base that is empty. */
export const SCRATCH = 'scratch';

/** An instruction with the stages it takes files from. */
export interface StageCommand {
  readonly instruction: StageInstruction;
  /** COPY: one for `--from`. RUN: one per mount. Undefined: the build context, or nothing. */
  readonly sources: readonly (StageState | undefined)[];
  /** A trigger: its words are in another text. */
  readonly onbuild: boolean;
  /** Where it is blamed: its own place, or for a trigger the FROM that set it off. */
  readonly range: SourceRange;
}

/** Mutable, private to one evaluation for one platform. */
export interface StageState {
  /** Undefined: an image or context named by `--from` or `from=`. */
  readonly stage: Stage | undefined;
  /** Place in the file; -1 for what is not in it. */
  readonly index: number;
  /** Name in lower case, or `stage-N`; for what is not in the file, what `--from` says. */
  readonly name: string;
  /** Expanded base; a canonical reference once resolved. */
  base: string;
  /** As written after expansion, for messages. */
  readonly writtenBase: string;
  /** FROM, or the instruction that names it. */
  readonly range: SourceRange;
  readonly flagPlatform: Platform | undefined;
  readonly parent: StageState | undefined;
  /** A named context that stands for the whole stage. */
  readonly contextName: string | undefined;
  /** Stages it copies or mounts from, with what says so. */
  readonly deps: Map<StageState, { readonly range: SourceRange }>;
  commands: Step[];
  readonly steps: StepCounter;
  readonly ignoreCache: boolean;
  readonly outline: StageOutline;

  /** Its base is known. */
  resolved: boolean;
  triggersRead: boolean;
  /** Its file system is final: others may take files from it. */
  dispatched: boolean;
  /** A mistake ended its evaluation; what uses it is not evaluated either. */
  failed: boolean;

  platform: Platform;
  root: GraphEdge | undefined;
  draft: ConfigDraft;
  baseConfig: ImageConfig | undefined;
  /** The tree of `baseConfig`, where it is another build's result. */
  baseTree: GraphEdge | undefined;
  /** `baseConfig` is made up: the image could not be asked for. */
  baseUnknown: boolean;
  env: Environment;
  cwd: string;
  user: string;
  /** Declared ARGs in the order of their first declaration, with the value that the last one gave. */
  args: Map<string, string | undefined>;
  /** What `seenVariables` told last. */
  seen: SeenVariables | undefined;
  workdirSet: boolean;
  /** Places of the last CMD, ENTRYPOINT and HEALTHCHECK of this stage. */
  readonly once: { CMD?: SourceRange; ENTRYPOINT?: SourceRange; HEALTHCHECK?: SourceRange };
  /** Paths used of the build context. */
  readonly contextPaths: Set<string>;
  /** Paths used of what this stage starts from; shared with its parent. */
  paths: Set<string>;
  /** What made the tree that it starts from, where that tree has no history. */
  treeName: string | undefined;
  /** Asked for by `BUILDKIT_SBOM_SCAN_…`. */
  scanContext: boolean;
  scanStage: boolean;
}

/** What must be known of a stage when it is entered. */
export type StageEntry = Pick<
  StageState,
  'stage' | 'index' | 'name' | 'base' | 'range' | 'flagPlatform' | 'parent' | 'contextName' | 'steps' | 'ignoreCache' | 'outline'
>;

/** Stand-ins until a stage's base is known; replaced then, never changed. */
const NO_ENVIRONMENT = new Environment();
/** Of a stage that declared none. */
export const NO_ARGS = new Map<string, string | undefined>();
const NO_DRAFT = emptyDraft({ os: '', architecture: '' });

/** A stage before anything of it is evaluated. (Files may have hundreds: nothing is made here that most never use.) */
export function stageState(entry: StageEntry, platform: Platform): StageState {
  const commands: Step[] = [];
  const once = {};
  return {
    stage: entry.stage,
    index: entry.index,
    name: entry.name,
    base: entry.base,
    writtenBase: entry.base,
    range: entry.range,
    flagPlatform: entry.flagPlatform,
    parent: entry.parent,
    contextName: entry.contextName,
    steps: entry.steps,
    ignoreCache: entry.ignoreCache,
    outline: entry.outline,
    deps: new Map(),
    commands,
    resolved: false,
    triggersRead: false,
    dispatched: false,
    failed: false,
    platform: entry.flagPlatform ?? platform,
    root: undefined,
    draft: NO_DRAFT,
    baseConfig: undefined,
    baseTree: undefined,
    baseUnknown: false,
    env: NO_ENVIRONMENT,
    cwd: '/',
    user: '',
    args: NO_ARGS,
    seen: undefined,
    workdirSet: false,
    once,
    contextPaths: new Set(),
    paths: entry.parent?.paths ?? new Set(),
    treeName: undefined,
    scanContext: false,
    scanStage: false,
  };
}

/** All stages of a file, and what `--from` named beside them. */
export class StageTable {
  /** Those of the file, in order. */
  readonly stages: StageState[] = [];
  /** Images and contexts that instructions name, in the order they were met. */
  readonly others: StageState[] = [];
  readonly #byName = new Map<string, StageState>();

  /** Enters the next stage of the file. A name that is there already means the later one from now on. */
  add(state: StageState): void {
    this.stages.push(state);
    if (state.stage?.name !== undefined) this.#byName.set(state.stage.name, state);
  }

  /** What FROM names: an earlier stage by its exact name. */
  baseOf(name: string): StageState | undefined {
    return this.#byName.get(name);
  }

  /** What `--from`, `from=` and `--target` name: a stage by its name in any case. */
  find(name: string): StageState | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** Names for suggestions. */
  names(): string[] {
    return this.stages.map(({ name }) => name);
  }
}
