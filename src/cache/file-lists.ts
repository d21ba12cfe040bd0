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
    const lines: string[] = [];
    for (const { path, kind, content, mode, owner } of field.list()) lines.push(JSON.stringify([path, kind, content, mode, owner ?? '']));
    this.#files.write(name, deflateRawSync(Buffer.from(lines.join('\n')), { level: 1 }));
  }

  /** The list of an earlier value of a step's field, by path; undefined when it is not known (any more). */
  of(step: string, field: string, value: string): ReadonlyMap<string, ListedPath> | undefined {
    const bytes = this.#files.read(nameOf(step, field, value));
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

/** Equal content may have other paths in another step: a digest of one file does not say what it was called. */
function nameOf(step: string, field: string, value: string): string {
  return digestHex(digestOf(`${step}\n${field}\n${value}`));
}
