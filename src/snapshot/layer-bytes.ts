// Opening the bytes of a layer's files, wherever they are.

import { closeSync, constants, openSync } from 'node:fs';
import { fsPath, toBytePath } from '../base/index.ts';
import type { Entry, EntryBytes, FileBytes } from '../layer/index.ts';
import type { LayerForms } from './layer-tasks.ts';

/** Files of one layer. */
export interface LayerBytes extends EntryBytes, Disposable {
  /** Nobody holds a file of it: disposing it disturbs nobody. */
  isIdle(): boolean;
}

/** Opens files of one layer; packs stay open until it is disposed. */
export function openBytes(forms: LayerForms): LayerBytes {
  let held = 0;
  const packs: (number | undefined)[] = [];
  const packOf = (number: number): number => {
    const path = forms.packs?.[number];
    if (path === undefined) throw new Error(`internal: the layer has no pack ${number}`);
    return (packs[number] ??= openSync(path, 'r'));
  };
  return {
    open: (entry) => {
      if (forms.packs !== undefined && entry.offset !== undefined) {
        const fd = packOf(entry.pack ?? 0);
        let isHeld = true;
        held += 1;
        const release = (): void => {
          if (isHeld) held -= 1;
          isHeld = false;
        };
        return { fd, offset: entry.offset, size: entry.size, [Symbol.dispose]: release };
      }
      if (forms.folder !== undefined) return openInFolder(forms.folder, entry);
      throw new Error('internal: the bytes of the layer are not here');
    },
    pack: (number) => (forms.packs === undefined ? undefined : packOf(number)),
    isIdle: () => held === 0,
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
