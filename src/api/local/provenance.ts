// The provenance attestation of one platform's result.

import { randomUUID } from 'node:crypto';
import { type Attestation, type AttestedImage, imagePurl, type Platform, stepLayers } from '../../build/parts.ts';
import type { FinishedResult } from '../backend.ts';
import type { GraphEdge } from '../engine.ts';
import { sourceDefinition } from '../llb/decode.ts';
import type { ResultProvenance } from '../provenance/of-result.ts';
import { makePredicate, type PredicateFacts, predicateType } from '../provenance/predicate.ts';
import { DOCKERFILE_VERSION } from '../versions.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { LocalBuild } from './build.ts';

/** Version of the behaviour that builds ask for, as BuildKit counts. */
const COMPATIBILITY = 30;

/** What a predicate is made of, for one platform. */
export interface ProvenancePart {
  readonly edge: GraphEdge | undefined;
  /** Ids of the layers that the image has, lowest first. */
  readonly layers: readonly string[];
}

/** The attestation. Throws when complete materials are asked for and not all are known. */
export function provenanceAttestation(
  build: LocalBuild,
  result: FinishedResult,
  part: () => ProvenancePart,
  provenance: ResultProvenance,
  options: Readonly<Record<string, string>>,
): Attestation {
  if (isTrue(options['complete-materials']) && provenance.capture.locals.size > 0) throw incomplete(provenance.capture.locals);
  return {
    predicateType: predicateType(options),
    filename: options['filename'] ?? 'provenance.json',
    inlineOnly: isTrue(options['inline-only']),
    predicate: (image) => makePredicate(factsOf(build, result, part(), provenance, options, image)),
  };
}

function isTrue(value: string | undefined): boolean {
  return /^(1|t|true)$/i.test(value ?? '');
}

function incomplete(locals: ReadonlySet<string>): RpcError {
  return new RpcError(
    'failedPrecondition',
    `provenance materials are incomplete\n\nThe build requested complete provenance materials, but not all dependencies could be captured.\n\nUncaptured local sources:${[
      ...locals,
    ]
      .sort()
      .map((name) => `\n  - ${name === '' ? '<unnamed>' : name}\n    reason: local_source`)
      .join('')}`,
  );
}

/** What there is to tell. */
export function factsOf(
  build: LocalBuild,
  result: FinishedResult,
  part: ProvenancePart,
  { capture, request }: ResultProvenance,
  options: Readonly<Record<string, string>>,
  image: AttestedImage | undefined,
): PredicateFacts {
  const { startedAt, dockerfile, dockerfileEdge } = result.request;
  const now = build.engine.now();
  return {
    capture,
    request,
    edge: part.edge,
    definitionOf: (source) =>
      dockerfile !== undefined && source.filename === dockerfile.filename && source.text === dockerfile.text
        ? dockerfileEdge
        : sourceDefinition(source),
    options,
    customEnv: build.options.provenanceEnv,
    dockerfileVersion: DOCKERFILE_VERSION,
    builderPlatform: build.formatPlatform(build.options.buildPlatform),
    compatibilityVersion: COMPATIBILITY,
    invocationId: randomUUID().replaceAll('-', ''),
    startedAt,
    finishedAt: now > startedAt ? now : new Date(startedAt.getTime() + 1),
    layers: (numbers) => (image === undefined ? Promise.resolve({}) : stepLayers(build, numbers, part.layers, image)),
    purl,
  };
}

function purl(ref: string, platform: Platform | undefined, local: boolean): string {
  const url = imagePurl(ref, platform);
  return local ? url.replace(/^pkg:docker\//, 'pkg:oci/') : url;
}
