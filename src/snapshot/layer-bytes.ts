// Opening the bytes of a layer's files, wherever they are.

import { closeSync, constants, openSync } from 'node:fs';
import { fsPath, toBytePath } from '../base/index.ts';
import type { Entry, EntryBytes, FileBytes } from '../layer/index.ts';
import type { LayerForms } from './layer-tasks.ts';

/** Opens files of one layer; packs stay open until it is disposed. */
export function openBytes(forms: LayerForms): EntryBytes & Disposable {
  const packs: (number | undefined)[] = [];
  const packOf = (number: number): number => {
    const path = forms.packs?.[number];
    if (path === undefined) throw new Error(`internal: the layer has no pack ${number}`);
    return (packs[number] ??= openSync(path, 'r'));
  };
  return {
    open: (entry) => {
      if (forms.packs !== undefined && entry.offset !== undefined) {
        return { fd: packOf(entry.pack ?? 0), offset: entry.offset, size: entry.size, [Symbol.dispose]: () => {} };
      }
      if (forms.folder !== undefined) return openInFolder(forms.folder, entry);
      throw new Error('internal: the bytes of the layer are not here');
    },
    [Symbol.dispose]: () => {
      for (const fd of packs) if (fd !== undefined) closeSync(fd);
      packs.length = 0;
    },
  };
}

function openInFolder(folder: string, entry: Entry): FileBytes {
  const fd = openSync(fsPath(`${toBytePath(folder)}/${entry.path}`), constants.O_RDONLY | constants.O_NOFOLLOW);
  return { fd, offset: 0, size: entry.size, [Symbol.dispose]: () => closeSync(fd) };
}
