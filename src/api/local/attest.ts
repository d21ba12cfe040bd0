// All attestations of a result: those that its frontend made, bills of materials, provenance.

import type { Attestation, PlatformGraph } from '../../build/parts.ts';
import type { FinishedResult } from '../backend.ts';
import type { GraphEdge, Platform } from '../engine.ts';
import { readAttestOptions } from '../provenance/attest-options.ts';
import type { LocalBuild } from './build.ts';
import { factsOf, provenanceAttestation, type ProvenancePart } from './provenance.ts';
import { hasSbom, openScanner, scan } from './sbom.ts';
import { readAttestation } from './statements.ts';
import { makePredicate, predicateType } from '../provenance/predicate.ts';

/** One platform's part of the result, as far as attestations need it. */
export interface AttestedPart {
  /** Key in the result. */
  readonly id: string;
  readonly edge: GraphEdge | undefined;
  readonly platform: Platform;
  readonly graph: PlatformGraph | undefined;
}

/** Whether an image of this result will have attestations, as far as that can be told before it is solved. */
export function isAttested(result: FinishedResult, parts: readonly AttestedPart[]): boolean {
  const { sbom, provenance } = readAttestOptions(result.request.attributes);
  const asked = sbom !== undefined || (provenance !== undefined && !isInlineOnly(provenance['inline-only']));
  return result.attestations.size > 0 || (asked && parts.some(({ edge }) => edge !== undefined));
}

function isInlineOnly(value: string | undefined): boolean {
  return /^(1|t|true)$/i.test(value ?? '');
}

/** By part. `layersOf` is asked when the image is put together. */
export async function attestationsOf<P extends AttestedPart>(
  build: LocalBuild,
  result: FinishedResult,
  parts: readonly P[],
  layersOf: (part: P) => readonly string[],
): Promise<ReadonlyMap<P, readonly Attestation[]>> {
  const options = readAttestOptions(result.request.attributes);
  const all = parts.map(({ platform }) => platform);
  const scanner = options.sbom === undefined || hasSbom(result) ? undefined : await openScanner(build, options.sbom, result);
  const made = await Promise.all(
    parts.map(async (part): Promise<[P, Attestation[]]> => {
      const id = build.formatPlatform(part.platform);
      const refs = [...(result.attestations.get(id) ?? (part.id === '' ? undefined : result.attestations.get(part.id)) ?? [])];
      if (scanner !== undefined && part.edge !== undefined) refs.push(scan(scanner, id, part.edge, extrasOf(part.graph)));
      const list: Attestation[] = [];
      for (const ref of refs) {
        const inlineOnly = Buffer.from(ref.metadata.get('inline-only') ?? '').toString() === 'true';
        list.push(...readAttestation(ref, await build.tree(ref.edge), inlineOnly));
      }
      const provenance = options.provenance === undefined ? undefined : result.provenance(part.id, { own: part.platform, all });
      if (options.provenance !== undefined && provenance !== undefined) {
        const later = (): ProvenancePart => ({ edge: part.edge, layers: layersOf(part) });
        list.push(provenanceAttestation(build, result, later, provenance, options.provenance));
      }
      return [part, list];
    }),
  );
  return new Map(made);
}

/** Everything there is to tell of each part, for the history: a predicate without the image. */
export async function historyPredicates(
  build: LocalBuild,
  result: FinishedResult,
  parts: readonly AttestedPart[],
): Promise<ReadonlyMap<string, { readonly predicateType: string; readonly predicate: Uint8Array }>> {
  const all = parts.map(({ platform }) => platform);
  const options = { mode: 'max', version: 'v1' };
  const made = new Map<string, { predicateType: string; predicate: Uint8Array }>();
  for (const part of parts) {
    const provenance = result.provenance(part.id, { own: part.platform, all });
    if (provenance === undefined) continue;
    const facts = factsOf(build, result, { edge: part.edge, layers: [] }, provenance, options, undefined);
    made.set(part.id, { predicateType: predicateType(options), predicate: Buffer.from(JSON.stringify(await makePredicate(facts))) });
  }
  return made;
}

function extrasOf(graph: PlatformGraph | undefined): ReadonlyMap<string, GraphEdge> {
  const extras = new Map<string, GraphEdge>();
  if (graph === undefined) return extras;
  if (graph.sbom.context !== undefined) extras.set('context', graph.sbom.context);
  for (const { name, output } of graph.sbom.stages) if (output !== undefined) extras.set(name, output);
  return extras;
}
