// Where the layers of an image came from, as it is kept with the image; and from that, where a path did.

import { type BytePath, fromBytePath } from '../base/index.ts';
import { compareEntryPaths, type Entry, type LayerIndex } from '../layer/index.ts';

/** What made one layer. */
export interface LayerOrigin {
  /** Name of the layer in the store that built it. */
  readonly id: string;
  /** The base image that the layer is of. */
  readonly base?: string;
  readonly stage?: string;
  /** 1-based line of the Dockerfile. */
  readonly line?: number;
  readonly instruction?: string;
  /** What it copied from: stages, images, contexts. */
  readonly from?: readonly string[];
}

/** A stage's file system when it was built. */
export interface StageOrigin {
  readonly name: string;
  /** Lowest first. */
  readonly layers: readonly LayerOrigin[];
}

/** Origins of one platform's image, by its manifest. */
export interface ImageOrigins {
  readonly version: 1;
  readonly platform: string;
  readonly filename: string;
  readonly stage?: string;
  /** As many as the manifest has, lowest first. */
  readonly layers: readonly LayerOrigin[];
  readonly stages: readonly StageOrigin[];
}

/** Reads a record; undefined when it is none of ours. */
export function readOrigins(record: unknown): ImageOrigins | undefined {
  const origins = record as ImageOrigins | undefined;
  return origins?.version === 1 && Array.isArray(origins.layers) && Array.isArray(origins.stages) ? origins : undefined;
}

/** `build Dockerfile:7 RUN make`, `base alpine:3.20`. */
export function originText({ base, stage, line, instruction, from }: LayerOrigin, filename = 'Dockerfile'): string {
  if (base !== undefined) return `base ${shortImage(base)}`;
  const place = line === undefined ? '' : ` ${filename}:${line}`;
  const source =
    from === undefined || from.length === 0 || instruction?.includes('--from=') === true
      ? ''
      : ` (from ${from.map(shortImage).join(', ')})`;
  return `${stage ?? 'this build'}${place}${instruction === undefined ? '' : ` ${instruction}`}${source}`;
}

/** An image's reference as a Dockerfile would have it: no default registry, no digest beside a tag. */
export function shortImage(reference: string): string {
  const named = reference.replace(/^docker\.io\/(library\/)?/, '');
  return /:[^/@]+@/.test(named) ? named.replace(/@.*$/s, '') : named;
}

/** A layer whose entries are known. */
export interface KnownLayer {
  readonly index: LayerIndex;
  /** For people: the origin, or what history says. */
  readonly made: string;
}

/** What one layer did to a path. */
export interface PathStep {
  /** Number of the layer, from 0 at the bottom. */
  readonly layer: number;
  readonly made: string;
  readonly what: 'added' | 'replaced' | 'removed' | 'hidden';
  readonly entry?: Entry;
}

/** The life of a path (without leading `/`) through layers, lowest first. */
export function pathHistory(layers: readonly KnownLayer[], path: BytePath): readonly PathStep[] {
  const steps: PathStep[] = [];
  let there = false;
  for (const [layer, { index, made }] of layers.entries()) {
    const entry = entryAt(index, path);
    const above = parents(path).map((parent) => entryAt(index, parent));
    const gone = above.some((parent) => parent !== undefined && (parent.kind !== 'dir' || parent.opaque === true));
    if (entry === undefined || entry.kind === 'whiteout') {
      if (there && (gone || entry !== undefined)) {
        steps.push({ layer, made, what: entry === undefined ? 'hidden' : 'removed' });
        there = false;
      }
      continue;
    }
    const target = entry.kind === 'hardlink' ? (entryAt(index, entry.link ?? '') ?? entry) : entry;
    steps.push({ layer, made, what: there ? 'replaced' : 'added', entry: { ...target, path } });
    there = true;
  }
  return steps;
}

/** Paths of a layer with the same bytes as a file: where a copy was copied from. Same base names first. */
export function sameFiles(layers: readonly KnownLayer[], file: Entry): readonly { readonly path: BytePath; readonly made: string }[] {
  if (file.digest === undefined || file.size === 0) return [];
  const name = file.path.slice(file.path.lastIndexOf('/') + 1);
  const found = new Map<BytePath, string>();
  for (const { index, made } of layers) {
    for (const entry of index.entries) if (entry.kind === 'file' && entry.digest === file.digest) found.set(entry.path, made);
  }
  const named = (path: BytePath): number => (path.endsWith(`/${name}`) || path === name ? 0 : 1);
  return [...found].map(([path, made]) => ({ path, made })).sort((a, b) => named(a.path) - named(b.path));
}

/** The entry of a layer at exactly this path. */
function entryAt({ entries }: LayerIndex, path: BytePath): Entry | undefined {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareEntryPaths((entries[middle] as Entry).path, path) < 0) low = middle + 1;
    else high = middle;
  }
  return entries[low]?.path === path ? entries[low] : undefined;
}

function parents(path: BytePath): BytePath[] {
  const parts = path.split('/');
  return parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** One line for people: kind, mode, owner, size. */
export function entryText({ kind, mode, uid, gid, size, link }: Entry): string {
  const target = link === undefined ? '' : ` -> ${fromBytePath(link)}`;
  return `${kind} ${mode.toString(8).padStart(4, '0')} ${uid}:${gid}${kind === 'file' ? ` ${size} bytes` : ''}${target}`;
}
