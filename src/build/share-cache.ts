// A build's use of shared caches: what is imported before it, what goes into its image, what is exported after it.

import type { DiffID, JobContext } from '../base/index.ts';
import {
  type BuiltForCaches,
  type CacheExports,
  type CacheParts,
  type CacheSharing,
  exportCaches,
  importCaches,
  INLINE_MEMBER,
  inlineCache,
  planCacheExports,
  prepareCaches,
} from '../cache/index.ts';
import { parseGoBool } from '../dockerfile/index.ts';
import type { GraphResult } from '../graph/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import { CacheMounts } from '../runtime/index.ts';
import type { Layer } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';
import type { BuildRequest } from './options.ts';
import type { BuildSession } from './session.ts';

function sharingOf(engine: Engine): CacheSharing {
  const { cache, layers, store } = engine;
  return { cache, layers, store, caches: new CacheMounts(engine.stateFolder('cache-mounts')), registry: () => engine.registry };
}

/** Imports `--cache-from`. What cannot be had, or is asked for wrongly, is a warning. */
export async function importSharedCaches(engine: Engine, request: BuildRequest, job: JobContext): Promise<void> {
  const requests = request.cacheFrom ?? [];
  if (requests.length > 0) await importCaches(requests, sharingOf(engine), job);
}

/** Reads `--cache-to`, and the build argument that asks for an inline cache, before anything is built. Throws `CACHE_OPTION`. */
export function planSharedCaches(engine: Engine, { cacheTo = [], buildArgs = {} }: BuildRequest, graph: GraphResult): CacheExports {
  const inline = parseGoBool(buildArgs['BUILDKIT_INLINE_CACHE'] ?? '') === true && !cacheTo.some(({ type }) => type === 'inline');
  const wanted = inline ? [...cacheTo, { type: 'inline', attributes: {} } as const] : cacheTo;
  return planCacheExports(wanted, () => engine.registry, graph.platforms[0]?.epoch);
}

/** Makes the blobs that `exportSharedCaches` is going to write, while outputs are made: those wait for disks and registries. */
export async function prepareSharedCaches(
  exports: CacheExports,
  engine: Engine,
  session: BuildSession,
  graph: GraphResult,
  job: JobContext,
): Promise<void> {
  if (exports.plans.length === 0) return;
  await prepareCaches(exports, builtFor(session, graph), sharingOf(engine), job);
}

/** Exports what this build knows; `parts`: together with what those know that are made together with it. */
export async function exportSharedCaches(
  exports: CacheExports,
  engine: Engine,
  session: BuildSession,
  graph: GraphResult,
  job: JobContext,
  parts?: CacheParts,
): Promise<void> {
  if (exports.plans.length === 0) return;
  await exportCaches(exports, builtFor(session, graph), sharingOf(engine), job, parts);
}

function builtFor(session: BuildSession, graph: GraphResult): BuiltForCaches {
  const roots = graph.platforms.flatMap(({ root }) => (root === undefined ? [] : [session.resultOf(root)]));
  const epoch = graph.platforms[0]?.epoch;
  return { facts: session.facts, roots, ...(epoch === undefined ? {} : { epoch }) };
}

/** The config with the build's cache in it, for `--cache-to type=inline`. */
export function withInlineCache(
  config: ImageConfig,
  engine: Engine,
  session: BuildSession,
  layers: readonly Layer[],
  diffIds: readonly DiffID[],
  epoch: number | undefined,
): ImageConfig {
  const image = layers.map((layer, index) => ({ layer, diffID: diffIds[index] as DiffID }));
  return { ...config, [INLINE_MEMBER]: inlineCache(engine.cache, session.facts, image, epoch) } as ImageConfig;
}
