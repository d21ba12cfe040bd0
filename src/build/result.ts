// What a build gives back.

import type { Digest, StepReason } from '../base/index.ts';
import type { Report, ReportFlow, ReportImage, ReportStage, TestSuite } from '../insight/index.ts';
import type { Descriptor, ImageConfig } from '../oci/index.ts';

/** Outcome of one build. */
export interface BuildResult {
  /** Id of the build in this store's history. */
  readonly id: string;
  /** Digest of what was exported: the manifest, or the index of several platforms. Undefined when nothing was exported as an image. */
  readonly digest?: Digest;
  /** Descriptor of it. */
  readonly descriptor?: Descriptor;
  /** What `--iidfile` and `-q` give: the config digest of a single manifest, else the index digest. */
  readonly imageId?: Digest;
  readonly platforms: readonly PlatformResult[];
  readonly stages: readonly StageFacts[];
  readonly steps: readonly StepFacts[];
  /** Keys and values for `--metadata-file`, as `docker buildx build` writes them, and `slipway.steps`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Test results found in gate stages. */
  readonly tests: readonly TestSuite[];
  /** When it was asked for. */
  readonly report?: Report;
}

/** What can be told of a build that failed, beside its error. */
export interface BuildFailure {
  /** Id of the build in this store's history. */
  readonly id: string;
  /** Test results: of failed steps, and of gate stages as far as they came. */
  readonly tests: readonly TestSuite[];
  /** Keys and values for `--metadata-file`: `slipway.error`, `slipway.tests`, `slipway.steps`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** When it was asked for. */
  readonly report?: Report;
}

/** What a build leaves for its report: read off the graph while the session was open. */
export interface ReportFacts {
  readonly filename: string;
  readonly stages: readonly ReportStage[];
  readonly flows: readonly ReportFlow[];
  /** Bytes that steps made, by their vertex. */
  readonly bytes: ReadonlyMap<string, number>;
  /** Of the checks, when they were made. */
  readonly checkMilliseconds?: number;
  /** The images in full, when a report was asked for. */
  readonly images?: readonly ReportImage[];
}

/** What was known when a build failed. */
export interface FailureFacts {
  readonly facts: ReportFacts;
  readonly steps: readonly StepFacts[];
  readonly tests: readonly TestSuite[];
}

/** A result before it is a report's. */
export interface BuiltResult extends BuildResult {
  readonly facts: ReportFacts;
}

export interface PlatformResult {
  /** `linux/amd64`. */
  readonly platform: string;
  readonly config: ImageConfig;
  /** Digest of the image config as exported. */
  readonly configDigest?: Digest;
  readonly manifestDigest?: Digest;
}

/** What a stage took and gave. */
export interface StageFacts {
  readonly name: string;
  readonly index: number;
  readonly platform: string;
  readonly base: string;
  /** Milliseconds of its executed steps. */
  readonly milliseconds: number;
  /** Bytes of the files of its own layers; with the base's in `totalBytes` when known. */
  readonly bytes: number;
  readonly totalBytes?: number;
}

/** What became of one step. */
export interface StepFacts {
  readonly stage: string;
  readonly line: number;
  readonly instruction: string;
  readonly platform: string;
  readonly state: 'executed' | 'cached' | 'adopted' | 'canceled';
  readonly reason: StepReason | undefined;
  readonly milliseconds: number;
}
