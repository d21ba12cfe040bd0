// The paths behind a content digest, kept so that two lists can be compared.

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { digestHex, digestOf } from '../base/index.ts';
import type { RecordFiles } from '../store/index.ts';
import type { KeyField, ListedPath } from '../solver/index.ts';

/** Lists by the value of the field they belong to. */
export class FileLists {
  readonly #files: RecordFiles;

  constructor(files: RecordFiles) {
    this.#files = files;
  }

  /** Keeps the list of a field unless it is known. */
  keep(field: KeyField): void {
    if (field.list === undefined || this.#files.use(nameOf(field.value))) return;
    const lines: string[] = [];
    for (const { path, kind, content, mode, owner } of field.list()) lines.push(JSON.stringify([path, kind, content, mode, owner ?? '']));
    this.#files.write(nameOf(field.value), deflateRawSync(Buffer.from(lines.join('\n')), { level: 1 }));
  }

  /** The list of an earlier value, by path; undefined when it is not known (any more). */
  of(value: string): ReadonlyMap<string, ListedPath> | undefined {
    const bytes = this.#files.read(nameOf(value));
    if (bytes === undefined) return undefined;
    try {
      return byPath(
        inflateRawSync(bytes)
          .toString('utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map(readLine),
      );
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

function readLine(line: string): ListedPath {
  const [path, kind, content, mode, owner] = JSON.parse(line) as [string, ListedPath['kind'], string, number, string];
  return { path, kind, content, mode, ...(owner === '' ? {} : { owner }) };
}

function nameOf(value: string): string {
  return digestHex(digestOf(`list ${value}`));
}
