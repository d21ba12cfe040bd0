// What a graph is: roots, configs and facts, as plain data.

import type { Diagnostic, SourceLocation } from '../base/index.ts';
import type { HistoryEntry, ImageConfig, Platform } from '../oci/index.ts';
import type { GraphEdge, GraphVertex } from './op-spec.ts';
import type { Outline } from './outline.ts';

/** The graphs of all platforms asked for; vertices are shared. */
export interface GraphResult {
  readonly platforms: readonly PlatformGraph[];
  /** Its image is an index: several platforms were asked for, or `BUILDKIT_MULTI_PLATFORM` says so for one. */
  readonly multiPlatform: boolean;
  /** All vertices, inputs before their users; also those that only gates or extra stages need. */
  readonly vertices: readonly GraphVertex[];
  /** All findings: the text's own, then evaluation's (by the first platform). */
  readonly diagnostics: readonly Diagnostic[];
}

/** What one platform's image is made of. */
export interface PlatformGraph {
  readonly platform: Platform;
  /** The target's file system; undefined: empty. */
  readonly root: GraphEdge | undefined;
  /** The image's config: `rootfs` is the base's (to be replaced), `history` the same as `history` below. */
  readonly config: ImageConfig;
  /** The history with what made each layer. */
  readonly history: readonly GraphHistory[];
  /** The history does not say what made each layer (it came from a frontend elsewhere): the first so many layers are the base image's. */
  readonly countedFrom?: number;
  /** Config of the base image the target's chain of stages starts from, untouched. */
  readonly baseConfig?: ImageConfig;
  /** The tree of `baseConfig`, where it is another build's result: then that config lists the layers of the image below it alone. */
  readonly baseTree?: GraphEdge;
  /** What made the tree that the target's chain of stages starts from, where that tree has no history: a folder. */
  readonly treeName?: string;
  /** Stages evaluated for this platform, in the order of the file. */
  readonly stages: readonly StageFacts[];
  /** Outputs of gate stages. */
  readonly gates: readonly StageRoot[];
  /** Outputs of all other stages that `allStages` asks for. */
  readonly extraStages: readonly StageRoot[];
  /** Paths of the build context that steps read, relative; undefined: all of it. */
  readonly contextPaths: readonly string[] | undefined;
  /** The same for named contexts that are folders. */
  readonly namedContextPaths: ReadonlyMap<string, readonly string[] | undefined>;
  /** What `BUILDKIT_SBOM_SCAN_CONTEXT` and `BUILDKIT_SBOM_SCAN_STAGE` ask to be scanned beside the target. */
  readonly sbom: { readonly context: GraphEdge | undefined; readonly stages: readonly StageRoot[] };
  /** Seconds since the epoch, when `SOURCE_DATE_EPOCH` says so. */
  readonly epoch?: number;
  readonly outline: Outline;
}

/** One history entry. */
export interface GraphHistory {
  readonly entry: HistoryEntry;
  /** `base`: from the base image, layer or not. Else the file system after the instruction; undefined: it made no layer. */
  readonly output: GraphEdge | 'base' | undefined;
}

/** A stage's file system. */
export interface StageRoot {
  /** Name as in the file, or `stage-N`. */
  readonly name: string;
  readonly index: number;
  /** Undefined: empty. */
  readonly output: GraphEdge | undefined;
}

/** A stage as it was evaluated. */
export interface StageFacts {
  /** Name in lower case, or `stage-N`. */
  readonly name: string;
  readonly index: number;
  /** What it starts from: an expanded reference, a stage's name, or `scratch`. */
  readonly base: string;
  /** Index of the stage it starts from. */
  readonly baseStage: number | undefined;
  readonly platform: Platform;
  readonly output: GraphEdge | undefined;
  /** Config at its end, without rootfs. */
  readonly config: ImageConfig;
  readonly instructions: readonly InstructionFacts[];
  /** Indexes of the stages it copies or mounts from. */
  readonly uses: readonly number[];
  readonly location: SourceLocation;
}

/** An instruction as it was evaluated. */
export interface InstructionFacts {
  /** `COPY`, `RUN`, … */
  readonly kind: string;
  /** As written, continuations joined. */
  readonly text: string;
  readonly location: SourceLocation;
  readonly onbuild: boolean;
  /** Vertices it made, inputs before their users (sources of ADD, inline files, the step itself). Empty for metadata. */
  readonly vertices: readonly GraphVertex[];
}
