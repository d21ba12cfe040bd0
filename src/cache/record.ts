// A record: the known results of one key. An output that builds on an input keeps only what it adds, so that it stands on
// whatever the input is now.

import { type Digest, isDigest } from '../base/index.ts';
import type { Layer, RootFS } from '../snapshot/index.ts';

/** Known results of a key, newest of this store first. */
export interface CacheRecord {
  readonly key: Digest;
  /** The step's name, for listings. */
  readonly description: string;
  readonly results: readonly RecordedResult[];
}

/** One result: what an execution gave. */
export interface RecordedResult {
  /** When it was made, milliseconds since the epoch. */
  readonly at: number;
  readonly outputs: readonly RecordedOutput[];
}

/** An output: the layers of input `base` (none when absent), and then its own. */
export interface RecordedOutput {
  readonly identity: Digest;
  readonly base?: number;
  readonly layers: readonly Layer[];
}

/** Takes an output apart: the input whose layers it starts with, and the rest. */
export function recordOutput(output: RootFS, inputs: readonly RootFS[]): RecordedOutput {
  let base: number | undefined;
  for (const [index, input] of inputs.entries()) {
    if (input.folder !== undefined || input.layers.length === 0 || !startsWith(output.layers, input.layers)) continue;
    if (base === undefined || input.layers.length > (inputs[base] as RootFS).layers.length) base = index;
  }
  const own = output.layers.slice(base === undefined ? 0 : (inputs[base] as RootFS).layers.length);
  return { identity: output.identity, ...(base === undefined ? {} : { base }), layers: own };
}

/** Puts an output together on today's inputs. Undefined when the record does not fit them. */
export function restoreOutput({ identity, base, layers }: RecordedOutput, inputs: readonly RootFS[]): RootFS | undefined {
  if (base === undefined) return { identity, layers };
  const below = inputs[base];
  return below === undefined ? undefined : { identity, layers: [...below.layers, ...layers] };
}

/** Whether two results stand for each other. */
export function sameResult(a: RecordedResult, b: RecordedResult): boolean {
  return a.outputs.length === b.outputs.length && a.outputs.every(({ identity }, index) => identity === b.outputs[index]?.identity);
}

/** Reads what a file or another machine says. Undefined for anything that is not a whole record. */
export function parseRecord(value: unknown): CacheRecord | undefined {
  const record = value as Partial<CacheRecord> | null | undefined;
  if (typeof record !== 'object' || record === null) return undefined;
  const { key, description, results } = record;
  if (typeof key !== 'string' || !isDigest(key) || typeof description !== 'string' || !Array.isArray(results)) return undefined;
  return results.every(isResult) ? { key, description, results } : undefined;
}

function isResult(value: unknown): value is RecordedResult {
  const result = value as Partial<RecordedResult> | null;
  return (
    typeof result === 'object' &&
    result !== null &&
    typeof result.at === 'number' &&
    Array.isArray(result.outputs) &&
    result.outputs.every(isOutput)
  );
}

function isOutput(value: unknown): value is RecordedOutput {
  const output = value as Partial<RecordedOutput> | null;
  if (typeof output !== 'object' || output === null || typeof output.identity !== 'string' || !isDigest(output.identity)) return false;
  if (output.base !== undefined && (!Number.isInteger(output.base) || output.base < 0)) return false;
  return Array.isArray(output.layers) && output.layers.every(isLayer);
}

/** Whether a value has the facts of a layer. */
export function isLayer(value: unknown): value is Layer {
  const layer = value as Partial<Layer> | null;
  if (typeof layer !== 'object' || layer === null || typeof layer.id !== 'string' || typeof layer.createdAt !== 'number') return false;
  const digests = [layer.contentDigest, layer.diffID].every(
    (digest) => digest === undefined || (typeof digest === 'string' && isDigest(digest)),
  );
  return digests && (layer.size === undefined || typeof layer.size === 'number') && /^[\w:.-]{1,200}$/.test(layer.id);
}

function startsWith(layers: readonly Layer[], prefix: readonly Layer[]): boolean {
  return prefix.length <= layers.length && prefix.every(({ id }, index) => layers[index]?.id === id);
}
