// Several builds of one process that write the same cache: `slipway bake`, where targets inherit one `cache-to`. The last of them writes
// what all of them know; written one after another, each would replace what the one before wrote.

import type { Digest } from '../../base/index.ts';
import type { LayerBlob } from '../../snapshot/index.ts';
import type { SharedCache, SharedLayer, SharedMount, SharedOutput, SharedRecord } from './format.ts';
import { cachePlace, type CacheRequest } from './request.ts';

/** What one build has for a cache. */
export interface CachePart {
  readonly document: SharedCache;
  /** The layers that go along. */
  readonly blobs: readonly LayerBlob[];
}

/** What the builds of a process gathered so far, by place. */
export class CacheParts {
  readonly #missing = new Map<string, number>();
  readonly #parts = new Map<string, CachePart[]>();

  /** `--cache-to` of all the builds. */
  constructor(requests: readonly CacheRequest[]) {
    for (const request of requests) {
      const place = cachePlace(request);
      this.#missing.set(place, (this.#missing.get(place) ?? 0) + 1);
    }
  }

  /** Adds what a build has. The parts of all builds when it was the last one; undefined: others are still to come. */
  add(place: string, part: CachePart): readonly CachePart[] | undefined {
    const parts = [...(this.#parts.get(place) ?? []), part];
    this.#parts.set(place, parts);
    return parts.length < (this.#missing.get(place) ?? 1) ? undefined : parts;
  }
}

/** One document that says what all of them say. The order of the documents makes no difference where they agree. */
export function joinDocuments(documents: readonly SharedCache[]): SharedCache {
  const [first, ...others] = documents;
  if (first === undefined) throw new Error('internal: no document to join');
  if (others.length === 0) return first;
  const known = new Map<string, SharedLayer>();
  for (const layer of documents.flatMap(({ layers }) => layers))
    if (known.get(nameOf(layer))?.blob === undefined) known.set(nameOf(layer), layer);
  const named = tarNames(known);
  const layers: SharedLayer[] = [];
  const indices = new Map<string, number>();
  const indexOf = (layer: SharedLayer): number => {
    const name = named.get(nameOf(layer)) ?? nameOf(layer);
    const index = indices.get(name) ?? layers.push(known.get(name) as SharedLayer) - 1;
    indices.set(name, index);
    return index;
  };
  const records = documents.flatMap((document) => document.records.map((record) => ({ record, of: document })));
  const distinct = [...new Map(records.map((one) => [one.record.key, one])).values()].sort((a, b) =>
    a.record.key < b.record.key ? -1 : 1,
  );
  const renumbered = distinct.map(({ record, of }): SharedRecord => {
    const outputs = record.outputs.map((output): SharedOutput => ({
      ...output,
      layers: output.layers.map((index) => indexOf(of.layers[index] as SharedLayer)),
    }));
    return { ...record, outputs };
  });
  const mounts = joinMounts(documents);
  return { layers, records: renumbered, paths: joinPaths(documents), ...(mounts.length === 0 ? {} : { mounts }) };
}

/** As in the documents themselves: layers of one tar (or of one content, without a tar) and one date are one. */
function nameOf({ diffID, contentDigest, createdAt }: SharedLayer): string {
  return `${diffID ?? contentDigest ?? ''} ${createdAt}`;
}

/** A layer whose tar one build did not have to know is the one whose tar another knows: its name without a tar, and with it. */
function tarNames(known: ReadonlyMap<string, SharedLayer>): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, { diffID, ...tarless }] of known)
    if (diffID !== undefined && tarless.contentDigest !== undefined) names.set(nameOf(tarless), name);
  return names;
}

function joinPaths(documents: readonly SharedCache[]): SharedCache['paths'] {
  const joined = new Map<Digest, Map<Digest, Digest>>();
  for (const [identity, digests] of documents.flatMap(({ paths }) => paths))
    joined.set(identity, new Map([...(joined.get(identity) ?? []), ...digests]));
  return [...joined].sort(byName).map(([identity, digests]) => [identity, [...digests].sort(byName)] as const);
}

function joinMounts(documents: readonly SharedCache[]): readonly SharedMount[] {
  const mounts = documents.flatMap(({ mounts = [] }) => mounts);
  const joined = new Map(mounts.map((mount) => [`${mount.id}\0${mount.base ?? ''}`, mount]));
  return [...joined].sort(byName).map(([, mount]) => mount);
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
