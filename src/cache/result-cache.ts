// The solver's cache on a store: records by key as small files, used by several processes at once, readable after a kill at any moment.

import { type Digest, digestHex, type JobContext, type StepReason } from '../base/index.ts';
import type { LayerStore, RootFS } from '../snapshot/index.ts';
import type { CacheHit, CacheMap, CacheStore, StepContext } from '../solver/index.ts';
import type { Collectable, RecordFiles, Store } from '../store/index.ts';
import { Attempts, type AttemptOutcome } from './attempts.ts';
import { CacheUsage } from './cache-usage.ts';
import { explainMiss } from './explain.ts';
import { FileLists } from './file-lists.ts';
import { History } from './history.ts';
import { PathDigests } from './path-digests.ts';
import { type CacheRecord, parseRecord, type RecordedResult, recordOutput, restoreOutput, sameResult } from './record.ts';

/** Results kept of one key. */
const RESULTS_KEPT = 4;

/** What a cache stands on. */
export interface ResultCacheOptions {
  readonly store: Store;
  readonly layers: LayerStore;
  readonly now: () => Date;
}

/** Opens the cache of a store. Reads nothing. */
export function openResultCache({ store, layers, now }: ResultCacheOptions): ResultCache {
  const kept: KeptCache = {
    store,
    now,
    records: store.records('cache/records'),
    attempts: new Attempts(store.records('cache/steps')),
    lists: new FileLists(store.records('cache/lists')),
    paths: store.records('cache/paths'),
    history: new History(store.records('history')),
  };
  return new ResultCache(kept, layers);
}

/** What all builds of a process share. */
interface KeptCache {
  readonly store: Store;
  readonly now: () => Date;
  readonly records: RecordFiles;
  readonly attempts: Attempts;
  readonly lists: FileLists;
  readonly paths: RecordFiles;
  readonly history: History;
}

/** Results by key, and everything that explains them. */
export class ResultCache implements CacheStore<RootFS> {
  /** Content digests of paths, for the keys of ops. */
  readonly pathDigests: PathDigests;
  /** Past builds of this store. */
  readonly history: History;
  readonly #kept: KeptCache;
  readonly #store: Store;
  readonly #layers: LayerStore;
  readonly #now: () => Date;
  readonly #records: RecordFiles;
  readonly #attempts: Attempts;
  readonly #lists: FileLists;
  /** Records of imported caches, by key; they join this store's when they are used. */
  readonly #imported = new Map<Digest, CacheRecord[]>();
  /** Steps that imported caches have something of, as `describe` names them. */
  readonly #importedSteps = new Set<string>();
  /** Where caches were imported from. */
  readonly #importedFrom = new Set<string>();
  /** By place: why its import failed. */
  readonly #failedImports = new Map<string, string>();

  constructor(kept: KeptCache, layers: LayerStore) {
    this.#kept = kept;
    this.#store = kept.store;
    this.#layers = layers;
    this.#now = kept.now;
    this.#records = kept.records;
    this.#attempts = kept.attempts;
    this.#lists = kept.lists;
    this.pathDigests = new PathDigests(kept.paths);
    this.history = kept.history;
  }

  /** The same cache for one build: what that build imports, and what it used of paths, is known to it alone. */
  forBuild(layers: LayerStore): ResultCache {
    return new ResultCache(this.#kept, layers);
  }

  lookup(key: Digest, inputs: readonly RootFS[], _job: JobContext): Promise<readonly CacheHit<RootFS>[]> {
    return Promise.resolve(this.#hits(key, inputs));
  }

  async save(
    map: CacheMap,
    inputs: readonly RootFS[],
    outputs: readonly RootFS[],
    { replace }: { readonly replace: boolean },
    _job: JobContext,
  ): Promise<readonly RootFS[]> {
    const made: RecordedResult = {
      at: this.#now().getTime(),
      outputs: outputs.map((output) => recordOutput(output, inputs, map.fields)),
    };
    const known = this.#record(map.key)?.results ?? [];
    const same = replace ? undefined : known.find((result) => sameResult(result, made) && this.#hasBytes(result));
    const kept = same ?? made;
    const others = replace ? [] : known.filter((result) => !sameResult(result, made));
    if (known[0] !== kept) this.#write({ key: map.key, description: describe(map), results: [kept, ...others].slice(0, RESULTS_KEPT) });
    this.#attempts.end(map, 'done');
    return kept === made ? outputs : (restoreAll(kept, inputs) ?? outputs);
  }

  explain(map: CacheMap, step: StepContext, _job: JobContext): Promise<StepReason> {
    return Promise.resolve(
      explainMiss(map, step, {
        attempts: this.#attempts.of(map.step, step.since),
        elsewhere: () => this.#attempts.elsewhere(map.step, step.since),
        usedAt: (key) => this.#records.stat(digestHex(key))?.usedAt,
        list: (from, field, value, now) => this.#lists.compare(from, field, value, now),
        failedImports: [...this.#failedImports.values()],
        imported: { places: [...this.#importedFrom], hasPlace: this.#importedSteps.has(describe(map)) },
      }),
    );
  }

  async note(map: CacheMap, outcome: Exclude<AttemptOutcome, 'done'>, step: StepContext, _job: JobContext): Promise<void> {
    if (outcome !== 'started') {
      this.#attempts.end(map, outcome);
      return;
    }
    const inputs = step.inputs.map(({ vertex }) => vertex);
    this.#attempts.begin(map, inputs, this.#now().getTime());
    for (const field of map.fields) this.#lists.keep(map.step, field);
  }

  async exclusive<T>(key: Digest, job: JobContext, work: () => Promise<T>): Promise<T> {
    using _lock = await this.#store.locks.acquire(`key-${digestHex(key)}`, job.signal);
    return await work();
  }

  /** The record of a key as this store has it, for exports. */
  record(key: Digest): CacheRecord | undefined {
    return this.#record(key);
  }

  /** Adds a record of an imported cache: it is found from now on, and kept here once it is used. */
  importRecord(record: CacheRecord): void {
    this.#importedSteps.add(record.description);
    const known = this.#imported.get(record.key);
    if (known === undefined) this.#imported.set(record.key, [record]);
    else known.push(record);
  }

  /**
   * An import from `place` worked (`why` undefined) or did not: steps without an earlier run are explained with it. `why` is a clause:
   * `importing … failed: …`.
   */
  noteImport(place: string, why: string | undefined): void {
    if (why === undefined) {
      this.#failedImports.delete(place);
      this.#importedFrom.add(place);
    } else {
      this.#importedFrom.delete(place);
      this.#failedImports.set(place, why);
    }
  }

  /** This room's part of the store's usage. */
  collectables(): readonly Collectable[] {
    return [new CacheUsage(this.#store)];
  }

  #hits(key: Digest, inputs: readonly RootFS[]): readonly CacheHit<RootFS>[] {
    const own = this.#record(key)?.results ?? [];
    const imported = (this.#imported.get(key) ?? []).flatMap((record) => record.results);
    const results = imported.length === 0 ? own : this.#joined(key, own, imported);
    return results.flatMap((result) => {
      const outputs = restoreAll(result, inputs);
      return outputs === undefined ? [] : [{ outputs, createdAt: result.at }];
    });
  }

  /** Own results first; the same one of an import takes the place of one whose bytes are gone. What is new is kept here from now on. */
  #joined(key: Digest, own: readonly RecordedResult[], imported: readonly RecordedResult[]): readonly RecordedResult[] {
    const results = [...own];
    let changed = false;
    for (const result of imported) {
      const at = results.findIndex((known) => sameResult(known, result));
      const known = results[at];
      if (known !== undefined && (this.#hasBytes(known) || !this.#hasBytes(result))) continue;
      changed = true;
      if (known === undefined) results.push(result);
      else results[at] = result;
    }
    if (changed) this.#write({ key, description: this.#imported.get(key)?.[0]?.description ?? '', results });
    return results;
  }

  #record(key: Digest): CacheRecord | undefined {
    const record = parseRecord(this.#records.readJson(digestHex(key)));
    return record?.key === key ? record : undefined;
  }

  #write(record: CacheRecord): void {
    this.#records.writeJson(digestHex(record.key), { ...record, results: record.results.slice(0, RESULTS_KEPT) });
  }

  #hasBytes(result: RecordedResult): boolean {
    return result.outputs.every(({ layers }) => layers.every((layer) => this.#layers.hasBytes(layer)));
  }
}

function restoreAll(result: RecordedResult, inputs: readonly RootFS[]): readonly RootFS[] | undefined {
  const outputs = result.outputs.map((output) => restoreOutput(output, inputs));
  return outputs.every((output) => output !== undefined) ? outputs : undefined;
}

function describe({ step }: CacheMap): string {
  const [, stage = '', rest = ''] = step.split('\0');
  const [, kind, ordinal] = /(?<![^/ ])([^/ ]+) (\d+)$/.exec(rest) ?? [];
  // People count from 1.
  const which = kind === undefined ? rest.slice(rest.lastIndexOf('/') + 1) : `${kind} ${Number(ordinal) + 1}`;
  return [stage, which].filter((part) => part !== '').join(' ') || step;
}
