// The provenance attestation of one platform's result.

import { randomUUID } from 'node:crypto';
import { type Attestation, type AttestedImage, imagePurl, type Platform } from '../../build/parts.ts';
import type { FinishedResult } from '../backend.ts';
import type { GraphEdge, GraphVertex } from '../engine.ts';
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
    layers: (numbers) => layersOf(build, part, numbers, image),
    purl,
  };
}

function purl(ref: string, platform: Platform | undefined, local: boolean): string {
  const url = imagePurl(ref, platform);
  return local ? url.replace(/^pkg:docker\//, 'pkg:oci/') : url;
}

/** Descriptors of each step's layers, as far as they are in the image. */
async function layersOf(
  build: LocalBuild,
  part: ProvenancePart,
  numbers: ReadonlyMap<GraphVertex, number>,
  image: AttestedImage | undefined,
): Promise<Record<string, object[][]>> {
  const layers: Record<string, object[][]> = {};
  if (image === undefined) return layers;
  const descriptors = image.layers.map(({ descriptor: { mediaType, digest, size, annotations } }) => ({
    mediaType,
    digest,
    size,
    ...(annotations !== undefined && { annotations }),
  }));
  for (const [vertex, number] of numbers) {
    const known = build.session.outputsOf(vertex);
    for (const [output, { layers: made }] of known.entries()) {
      const all = made.map(({ id }, index) => (part.layers[index] === id ? descriptors[index] : undefined));
      if (all.length > 0 && all.every((one) => one !== undefined)) layers[`step${number}:${output}`] = [all];
    }
    if (
      known.length === 0 &&
      vertex.op.type === 'source' &&
      (vertex.op.source.kind === 'image' || vertex.op.source.kind === 'oci-layout')
    ) {
      const found = await build.images.find(vertex.op.source, build.job);
      const base = found.manifest.layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }));
      if (base.length > 0) layers[`step${number}:0`] = [base];
    }
  }
  return layers;
}
