// Records and what explains them as rows of the store's usage. A record goes with the layers it names.

import { isDigest, parseDigest } from '../base/index.ts';
import type { Collectable, Damage, RecordFiles, Store, UsageEntry } from '../store/index.ts';
import { parseRecord } from './record.ts';

/** Folders of this room and what their rows are called. */
const FOLDERS = { record: 'cache/records', paths: 'cache/paths', step: 'cache/steps', list: 'cache/lists' } as const;
type Kind = keyof typeof FOLDERS;
/** What rows without a readable record are. */
const ABOUT: Readonly<Record<Kind, string>> = {
  record: 'result that cannot be read',
  paths: 'content digests of paths in a result',
  step: 'earlier runs of the steps of a Dockerfile',
  list: 'files that a step took',
};

/** All small files of the cache. */
export class CacheUsage implements Collectable {
  readonly #files: Readonly<Record<Kind, RecordFiles>>;

  constructor(store: Store) {
    this.#files = {
      record: store.records(FOLDERS.record),
      paths: store.records(FOLDERS.paths),
      step: store.records(FOLDERS.step),
      list: store.records(FOLDERS.list),
    };
  }

  *entries(): Generator<UsageEntry> {
    for (const kind of Object.keys(FOLDERS) as Kind[]) {
      const files = this.#files[kind];
      for (const name of files.names()) {
        const stat = files.stat(name);
        if (stat === undefined) continue;
        const record = kind === 'record' ? parseRecord(files.peekJson(name)) : undefined;
        const results = record?.results ?? [];
        const layers = results.flatMap(({ outputs }) => outputs.flatMap((output) => output.layers.map(({ id }) => `layer:${id}`)));
        yield {
          id: `${kind}:${name}`,
          type: 'internal',
          description: record === undefined ? ABOUT[kind] : `result of ${record.description}`,
          ...(record === undefined ? {} : { tells: `made by ${record.description}` }),
          size: stat.size,
          createdAt: results[0]?.at ?? stat.usedAt,
          lastUsedAt: stat.usedAt,
          mutable: kind !== 'record',
          needs: [...new Set(layers)],
        };
      }
    }
  }

  remove(id: string): void {
    const [files, name] = this.#find(id);
    files.remove(name);
  }

  lastUsedAt(id: string): number | undefined {
    const [files, name] = this.#find(id);
    return files.stat(name)?.usedAt;
  }

  *check(repair: boolean): Generator<Damage> {
    const files = this.#files.record;
    for (const name of files.names()) {
      const record = parseRecord(files.peekJson(name));
      const key = `sha256:${name}`;
      if (record !== undefined && isDigest(key) && record.key === parseDigest(key)) continue;
      if (files.stat(name) === undefined) continue; // collected meanwhile
      yield { subject: `record:${name}`, problem: 'it cannot be read', repaired: repair && files.remove(name) };
    }
  }

  #find(id: string): readonly [RecordFiles, string] {
    const colon = id.indexOf(':');
    return [this.#files[id.slice(0, colon) as Kind], id.slice(colon + 1)];
  }
}
