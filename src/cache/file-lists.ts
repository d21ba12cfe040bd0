// The paths behind a content digest, kept so that two lists can be compared.

import { digestHex, digestOf } from '../base/index.ts';
import { comparePathLists, type KeyField, type ListComparison, type PathList } from '../solver/index.ts';
import type { RecordFiles } from '../store/index.ts';

/** Lists by step, field and value. */
export class FileLists {
  readonly #files: RecordFiles;
  readonly #written = new WeakMap<() => PathList, PathList>();

  constructor(files: RecordFiles) {
    this.#files = files;
  }

  /** Keeps the list of a step's field unless it is known. Not compressed: that takes longer than all else that explains a step. */
  keep(step: string, field: KeyField): void {
    const name = nameOf(step, field.name, field.value);
    if (field.list === undefined || this.#files.use(name)) return;
    this.#files.write(name, this.#write(field.list));
  }

  /** The list of a field beside that of an earlier value of a step's field; undefined when that is not known (any more). */
  compare(step: string, field: string, value: string, now: () => PathList): ListComparison | undefined {
    const before = this.#files.read(nameOf(step, field, value));
    if (before === undefined) return undefined;
    try {
      return comparePathLists(before, this.#write(now));
    } catch {
      return undefined; // cut or damaged: as if it were not there
    }
  }

  /** Once for both: explained first, kept then. */
  #write(list: () => PathList): PathList {
    let written = this.#written.get(list);
    if (written === undefined) this.#written.set(list, (written = list()));
    return written;
  }
}

/** Equal content may have other paths in another step: a digest of one file does not say what it was called. */
function nameOf(step: string, field: string, value: string): string {
  return digestHex(digestOf(`3\n${step}\n${field}\n${value}`));
}
