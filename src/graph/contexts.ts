// Named contexts: which of them a FROM or --from means, and trees as vertices.

import { isSlipwayError } from '../base/index.ts';
import { familiarReference, formatPlatform, normalizePlatform, parsePlatform, parseReference, type Platform } from '../oci/index.ts';
import type { GraphEdge, VertexAbout } from './op-spec.ts';
import type { TreeInput } from './options.ts';
import { SCRATCH } from './stage-state.ts';
import type { VertexPool } from './vertex-pool.ts';

const RESERVED = /^(?:scratch|context)$/i;

/** The names of `--build-context`, found as images are: with or without `docker.io/library/` and `:latest`. */
export class ContextNames {
  readonly #names = new Map<string, string>();

  constructor(names: readonly string[]) {
    for (const name of names) this.#names.set(canonicalKey(name), name);
  }

  /** The context (as it was named) that stands for a stage's instructions. The names of empty trees and of the build context are taken. */
  findForStage(name: string, platform: Platform): string | undefined {
    return RESERVED.test(name) ? undefined : this.find(name, platform);
  }

  /** The context (as it was named) that stands for an image, one for the platform first; undefined: none. */
  find(name: string, platform: Platform): string | undefined {
    if (this.#names.size === 0 || name === SCRATCH) return undefined;
    const key = familiarName(name);
    return this.#names.get(`${key}::${formatPlatform(normalizePlatform(platform))}`) ?? this.#names.get(key);
  }
}

/**
 * The name under which a context is kept: an image's, without `docker.io/library/` and `:latest`, with `::PLATFORM` behind it if it is for
 * one only. Throws `REFERENCE_INVALID` for what no image can be called.
 */
export function contextKey(name: string): string {
  const at = name.indexOf('::');
  const image = at < 0 ? name : name.slice(0, at);
  return `${familiarReference(parseReference(image)).replace(/:latest$/, '')}${at < 0 ? '' : name.slice(at)}`;
}

/** A tree as a vertex's output; undefined: empty. */
export function treeEdge(pool: VertexPool, tree: TreeInput, platform: Platform, about: VertexAbout): GraphEdge | undefined {
  if ('output' in tree) return tree.output === undefined ? undefined : pool.intern(tree.output);
  const name = tree.name ?? about.name;
  return pool.edge({ type: 'source', source: tree.source }, [], platform, { ...about, name });
}

function canonicalKey(name: string): string {
  const at = name.indexOf('::');
  if (at < 0) return familiarName(name);
  const platform = name.slice(at + 2);
  return `${familiarName(name.slice(0, at))}::${canonicalPlatform(platform)}`;
}

function familiarName(name: string): string {
  try {
    return familiarReference(parseReference(name)).replace(/:latest$/, '');
  } catch (error) {
    if (isSlipwayError(error, 'REFERENCE_INVALID')) return name; // a name that no image can have is its own
    throw error;
  }
}

function canonicalPlatform(text: string): string {
  try {
    return formatPlatform(normalizePlatform(parsePlatform(text)));
  } catch (error) {
    if (isSlipwayError(error, 'PLATFORM_INVALID')) return text; // never found, as no platform has this name
    throw error;
  }
}
