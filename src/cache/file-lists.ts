// The paths behind a content digest, kept so that two lists can be compared.

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { digestHex, digestOf } from '../base/index.ts';
import type { RecordFiles } from '../store/index.ts';
import type { KeyField, ListedPath } from '../solver/index.ts';

/** Lists by step, field and value. */
export class FileLists {
  readonly #files: RecordFiles;

  constructor(files: RecordFiles) {
    this.#files = files;
  }

  /** Keeps the list of a step's field unless it is known. */
  keep(step: string, field: KeyField): void {
    const name = nameOf(step, field.name, field.value);
    if (field.list === undefined || this.#files.use(name)) return;
    let text = '';
    for (const { path, kind, content, mode, owner } of field.list()) text += `${path}\0${kind}\0${content}\0${mode}\0${owner ?? ''}\0`;
    this.#files.write(name, deflateRawSync(text, { level: 1 }));
  }

  /** The list of an earlier value of a step's field, by path; undefined when it is not known (any more). */
  of(step: string, field: string, value: string): ReadonlyMap<string, ListedPath> | undefined {
    const bytes = this.#files.read(nameOf(step, field, value));
    if (bytes === undefined) return undefined;
    try {
      return byPath(readItems(inflateRawSync(bytes).toString('utf8').split('\0')));
    } catch {
      return undefined; // cut or damaged: as if it were not there
    }
  }
}

/** A list by path. */
export function byPath(list: Iterable<ListedPath>): ReadonlyMap<string, ListedPath> {
  const map = new Map<string, ListedPath>();
  for (const item of list) map.set(item.path, item);
  return map;
}

/** Five fields an item, each ended by NUL, which is in no path: quicker than JSON for the lists of large folders. */
const FIELDS = 5;

function* readItems(fields: readonly string[]): Generator<ListedPath> {
  for (let at = 0; at + FIELDS < fields.length; at += FIELDS) {
    const [path = '', kind, content = '', mode, owner = ''] = fields.slice(at, at + FIELDS);
    yield { path, kind: kind as ListedPath['kind'], content, mode: Number(mode), ...(owner === '' ? {} : { owner }) };
  }
}

/** Equal content may have other paths in another step: a digest of one file does not say what it was called. */
function nameOf(step: string, field: string, value: string): string {
  return digestHex(digestOf(`2\n${step}\n${field}\n${value}`));
}
