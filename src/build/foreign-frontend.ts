// Frontends that are shipped as images (`# syntax=IMAGE`, `BUILDKIT_SYNTAX`): their programs turn a file of any language into a graph. They
// speak BuildKit's protocol, which the room above knows; whoever starts a build hands in what speaks with them.

import type { ProgressSink, SourceRange, SourceText } from '../base/index.ts';
import { detectSyntax } from '../dockerfile/index.ts';
import type { Attestation } from '../export/index.ts';
import type { GraphEdge, GraphVertex, PlatformGraph } from '../graph/index.ts';
import { formatReference, type ImageConfig, parseReference, type Platform, withDefaultTag } from '../oci/index.ts';
import type { Engine } from './engine.ts';
import type { ImageSources } from './image-sources.ts';
import type { BuildSession } from './session.ts';

/** The frontend that a file, or `BUILDKIT_SYNTAX`, asks for. */
export interface ForeignFrontend {
  /** The image. */
  readonly ref: string;
  /** The whole value: the image and what follows it. */
  readonly cmdline: string;
  /** Of the line that asks; undefined: the build argument does. */
  readonly range: SourceRange | undefined;
}

/** What a frontend is asked. */
export interface FrontendQuestion {
  readonly frontend: ForeignFrontend;
  /** Options, by the names that BuildKit's clients use. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Contexts that are outputs of vertices, by name. */
  readonly inputs: Readonly<Record<string, GraphEdge>>;
  readonly engine: Engine;
  /** Everything is solved here; it outlives the question. */
  readonly session: BuildSession;
  readonly images: ImageSources;
  /** `network.host`, `security.insecure`, `device…` that the build grants. */
  readonly entitlements: readonly string[];
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
  /** Where the session's events can be listened to from now on. */
  readonly listen: (sink: ProgressSink) => void;
}

/** What a frontend answered. Nothing need have been solved. */
export interface FrontendAnswer {
  readonly parts: readonly FrontendPart[];
  /** Not one of several platforms. */
  readonly single: boolean;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
}

/** One platform's part. */
export interface FrontendPart {
  readonly platform: Platform;
  /** Undefined: the empty file system. */
  readonly edge: GraphEdge | undefined;
  readonly config: ImageConfig | undefined;
  /** When the frontend let the built-in one do the work. */
  readonly graph: PlatformGraph | undefined;
  /** How many layers are the base image's. */
  readonly baseLayers: number;
  readonly epoch: number | undefined;
  /** That the frontend made itself. */
  readonly attestations: readonly Attestation[];
}

/**
 * Runs the frontend. Throws what keeps its image from running here, `FRONTEND_FAILED` when it ends without an answer, and
 * `FRONTEND_REFUSED` with its own words.
 */
export type AskFrontend = (question: FrontendQuestion) => Promise<FrontendAnswer>;

/**
 * The steps behind an output in the words of BuildKit's protocol, as provenance tells them: `buildConfig` of a predicate, `source`, and the
 * numbers that the steps have there.
 */
export type DescribeSteps = (edge: GraphEdge) => {
  readonly buildConfig: object;
  readonly source: object | undefined;
  readonly numbers: ReadonlyMap<GraphVertex, number>;
};

/** What knows BuildKit's protocol. */
export interface Protocol {
  readonly askFrontend: AskFrontend;
  readonly describeSteps: DescribeSteps;
}

/** Loads it: few builds need it. */
export type LoadProtocol = () => Promise<Protocol>;

/** The frontend that is to read `dockerfile`; undefined: the built-in one. */
export function foreignFrontend(
  dockerfile: SourceText,
  buildArgs: Readonly<Record<string, string>> | undefined,
): ForeignFrontend | undefined {
  const wanted = buildArgs?.['BUILDKIT_SYNTAX'];
  const found = detectSyntax(dockerfile.text);
  const frontend =
    wanted !== undefined
      ? { ref: wanted.trim().split(' ')[0] ?? '', cmdline: wanted, range: undefined }
      : found === undefined
        ? undefined
        : { ref: found.word, cmdline: found.value, range: found.range };
  return frontend === undefined || frontend.ref === '' || isOwnFrontend(frontend.ref) ? undefined : frontend;
}

/**
 * Whether a word names the Dockerfile's own frontend, which is built in: whatever version of Docker's image is asked for, from Docker Hub or
 * from a mirror's copy under the same name.
 */
export function isOwnFrontend(ref: string): boolean {
  if (ref === 'dockerfile.v0') return true;
  try {
    return /\/docker\/dockerfile(?:-upstream)?(?:[:@]|$)/.test(formatReference(withDefaultTag(parseReference(ref))));
  } catch {
    return false; // no reference: whoever needs one says so
  }
}
