// Records as rows of the store's usage: a row's id is the kind of its record, and the record's name.

import type { RecordFiles } from './records.ts';
import type { UsageEntry } from './usage.ts';

/** A record, with what every row of one says. */
export interface RecordRow<Kind extends string> {
  readonly kind: Kind;
  readonly name: string;
  readonly row: Pick<UsageEntry, 'id' | 'type' | 'size' | 'createdAt' | 'lastUsedAt'>;
}

/** Records of some kinds. What their rows say beside that, their room knows. */
export class RecordRows<Kind extends string> {
  readonly files: Readonly<Record<Kind, RecordFiles>>;

  constructor(files: Readonly<Record<Kind, RecordFiles>>) {
    this.files = files;
  }

  /** Each record that is there. */
  *rows(): Generator<RecordRow<Kind>> {
    for (const kind of Object.keys(this.files) as Kind[]) {
      for (const name of this.files[kind].names()) {
        const stat = this.files[kind].stat(name);
        if (stat === undefined) continue;
        const { size, usedAt } = stat;
        yield { kind, name, row: { id: `${kind}:${name}`, type: 'internal', size, createdAt: usedAt, lastUsedAt: usedAt } };
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

  #find(id: string): readonly [RecordFiles, string] {
    const colon = id.indexOf(':');
    return [this.files[id.slice(0, colon) as Kind], id.slice(colon + 1)];
  }
}
