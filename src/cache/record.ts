// A record: the known results of one key. An output that builds on an input keeps only what it adds, so that it stands on
// whatever the input is now.

import { type Digest, isDigest } from '../base/index.ts';
import type { Layer, RootFS } from '../snapshot/index.ts';
import type { KeyField } from '../solver/index.ts';

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

/** An output: the layers of input `on` (none when absent), and then its own. */
export interface RecordedOutput {
  readonly identity: Digest;
  readonly on?: number;
  readonly layers: readonly Layer[];
}

/**
 * Takes an output apart: the input whose layers it starts with, and the rest. Only an input that the key has whole may be that one: of
 * the others (what is copied from) a later build with this key may have another, whose layers merely hold the same selected files.
 */
export function recordOutput(output: RootFS, inputs: readonly RootFS[], fields: readonly KeyField[]): RecordedOutput {
  const keyed = new Set(fields.flatMap(({ name, value }) => (name.startsWith('input ') ? [value] : [])));
  let on: number | undefined;
  for (const [index, input] of inputs.entries()) {
    if (!keyed.has(input.identity) || input.folder !== undefined || input.layers.length === 0) continue;
    if (!startsWith(output.layers, input.layers)) continue;
    if (on === undefined || input.layers.length > (inputs[on] as RootFS).layers.length) on = index;
  }
  const own = output.layers.slice(on === undefined ? 0 : (inputs[on] as RootFS).layers.length);
  return { identity: output.identity, ...(on === undefined ? {} : { on }), layers: own };
}

/** Puts an output together on today's inputs. Undefined when the record does not fit them. */
export function restoreOutput({ identity, on, layers }: RecordedOutput, inputs: readonly RootFS[]): RootFS | undefined {
  if (on === undefined) return { identity, layers };
  const below = inputs[on];
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
  if ('base' in output) return false; // of an earlier version, where it could be an input that the key does not cover
  if (output.on !== undefined && (!Number.isInteger(output.on) || output.on < 0)) return false;
  return Array.isArray(output.layers) && output.layers.every(isLayer);
}

/** Whether a value has the facts of a layer. */
function isLayer(value: unknown): value is Layer {
  const layer = value as Partial<Layer> | null;
  if (typeof layer !== 'object' || layer === null || typeof layer.id !== 'string' || typeof layer.createdAt !== 'number') return false;
  const digests = [layer.contentDigest, layer.diffID, layer.blob].every(
    (digest) => digest === undefined || (typeof digest === 'string' && isDigest(digest)),
  );
  return digests && (layer.size === undefined || typeof layer.size === 'number') && /^[\w:.-]{1,200}$/.test(layer.id);
}

function startsWith(layers: readonly Layer[], prefix: readonly Layer[]): boolean {
  return prefix.length <= layers.length && prefix.every(({ id }, index) => layers[index]?.id === id);
}
