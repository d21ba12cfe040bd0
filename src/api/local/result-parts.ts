// What a frontend returned, platform by platform: the output with its config, read off the metadata.

import {
  type ImageConfig,
  parseImageConfig,
  parsePlatform,
  type Platform,
  type PlatformGraph,
  platformOfConfig,
} from '../../build/parts.ts';
import type { FinishedResult } from '../backend.ts';
import type { GraphEdge } from '../engine.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { LocalBuild } from './build.ts';

/** One platform's part of the result. */
export interface Part {
  readonly id: string;
  readonly edge: GraphEdge | undefined;
  readonly platform: Platform;
  readonly config: ImageConfig | undefined;
  readonly graph: PlatformGraph | undefined;
  readonly baseLayers: number;
  readonly epoch: number | undefined;
}

/** The parts, in the order that the frontend declared. Throws what is wrong with its metadata. */
export function partsOf(build: LocalBuild, result: Pick<FinishedResult, 'refs' | 'single' | 'metadata' | 'graph'>): Part[] {
  const declared = readPlatforms(result.metadata.get('refs.platforms'));
  const ids = result.single ? [''] : [...result.refs.keys()];
  if (!result.single && declared.length === 0)
    throw new RpcError('invalidArgument', 'unable to export multiple refs, missing platforms mapping');
  const ordered = result.single ? ids : declared.map(({ ID }) => ID).filter((id) => ids.includes(id));
  return ordered.map((id) => {
    const edge = result.refs.get(id);
    const text = result.metadata.get(id === '' ? 'containerimage.config' : `containerimage.config/${id}`);
    const config = text === undefined || text.length === 0 ? undefined : parseConfig(text);
    const base = result.metadata.get(id === '' ? 'containerimage.base.config' : `containerimage.base.config/${id}`);
    const epoch = result.metadata.get(id === '' ? 'source.date.epoch' : `source.date.epoch/${id}`);
    const declaredPlatform = id === '' ? declared[0]?.Platform : declared.find(({ ID }) => ID === id)?.Platform;
    const platform = declaredPlatform === undefined ? undefined : readPlatform(declaredPlatform);
    const graph = result.graph?.platforms.find(
      (one) => sameEdge(one.root, edge) && (id === '' || build.formatPlatform(one.platform) === id),
    );
    return {
      id,
      edge,
      platform:
        platform ??
        (config === undefined ? undefined : platformOfConfig(config)) ??
        (id === '' ? build.options.buildPlatform : parsePlatform(id, build.options.buildPlatform)),
      config,
      graph,
      baseLayers: base === undefined ? 0 : parseConfig(base).rootfs.diff_ids.length,
      epoch: epoch === undefined || epoch.length === 0 ? undefined : readEpoch(Buffer.from(epoch).toString()),
    };
  });
}

/** Seconds since the epoch. */
export function readEpoch(text: string): number {
  if (!/^-?\d{1,13}$/.test(text)) throw new RpcError('invalidArgument', `invalid SOURCE_DATE_EPOCH ${JSON.stringify(text)}`);
  return Number(text);
}

function sameEdge(a: GraphEdge | undefined, b: GraphEdge | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.vertex.digest === b.vertex.digest && a.output === b.output;
}

function parseConfig(bytes: Uint8Array): ImageConfig {
  return parseImageConfig(bytes);
}

interface PlatformDocument {
  readonly ID: string;
  readonly Platform: Readonly<Record<string, unknown>>;
}

function readPlatforms(bytes: Uint8Array | undefined): PlatformDocument[] {
  if (bytes === undefined) return [];
  try {
    const value = JSON.parse(Buffer.from(bytes).toString()) as { Platforms?: PlatformDocument[] };
    return Array.isArray(value.Platforms) ? value.Platforms : [];
  } catch (error) {
    throw new RpcError('invalidArgument', `failed to parse platforms passed to exporter: ${(error as Error).message}`);
  }
}

function readPlatform(document: Readonly<Record<string, unknown>>): Platform {
  const text = (key: string): string | undefined => (typeof document[key] === 'string' && document[key] !== '' ? document[key] : undefined);
  const features = document['os.features'];
  return {
    os: text('os') ?? 'linux',
    architecture: text('architecture') ?? '',
    ...(text('variant') !== undefined && { variant: text('variant') as string }),
    ...(text('os.version') !== undefined && { osVersion: text('os.version') as string }),
    ...(Array.isArray(features) && features.length > 0 && { osFeatures: features as string[] }),
  };
}
