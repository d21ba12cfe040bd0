// Records and what explains them as rows of the store's usage. A record goes with the layers it names.

import { isDigest, parseDigest } from '../base/index.ts';
import { type Collectable, type Damage, RecordRows, type Store, type UsageEntry } from '../store/index.ts';
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
export class CacheUsage extends RecordRows<Kind> implements Collectable {
  constructor(store: Store) {
    super({
      record: store.records(FOLDERS.record),
      paths: store.records(FOLDERS.paths),
      step: store.records(FOLDERS.step),
      list: store.records(FOLDERS.list),
    });
  }

  *entries(): Generator<UsageEntry> {
    for (const { kind, name, row } of this.rows()) {
      const record = kind === 'record' ? parseRecord(this.files.record.peekJson(name)) : undefined;
      const results = record?.results ?? [];
      const layers = results.flatMap(({ outputs }) => outputs.flatMap((output) => output.layers.map(({ id }) => `layer:${id}`)));
      yield {
        ...row,
        description: record === undefined ? ABOUT[kind] : `result of ${record.description}`,
        ...(record === undefined ? {} : { tells: `made by ${record.description}` }),
        createdAt: results[0]?.at ?? row.createdAt,
        mutable: kind !== 'record',
        needs: [...new Set(layers)],
      };
    }
  }

  *check(repair: boolean): Generator<Damage> {
    const files = this.files.record;
    for (const name of files.names()) {
      const record = parseRecord(files.peekJson(name));
      const key = `sha256:${name}`;
      if (record !== undefined && isDigest(key) && record.key === parseDigest(key)) continue;
      if (files.stat(name) === undefined) continue; // collected meanwhile
      yield { subject: `record:${name}`, problem: 'it cannot be read', repaired: repair && files.remove(name) };
    }
  }
}
