// From an index and packed bytes to the folder form.

import type { BytePath } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { FolderForm, type FolderRights } from './folder-form.ts';
import { readFully } from './sha256.ts';
import type { EntryBytes } from './tar-groups.ts';
import type { LayerIndex } from './tree.ts';

const BUFFER = 1 << 20;
/** Kept for the next layer. */
let memory: Buffer | undefined;

export interface MaterializeOptions {
  /** An empty folder of our own. */
  readonly folder: string;
  readonly rights: FolderRights;
  /** Called now and then; throws to give up. */
  readonly check?: () => void;
}

/** Writes a layer's entries into a folder. Directories that the index lacks are made 0755. */
export function materializeLayer(index: LayerIndex, bytes: EntryBytes, options: MaterializeOptions): void {
  const form = new FolderForm(options.folder, options.rights);
  const buffer = (memory ??= Buffer.allocUnsafeSlow(BUFFER));
  const made = new Set<BytePath>(['']);
  const directories: Entry[] = [];
  let count = 0;
  try {
    for (const entry of index.entries) {
      if ((count++ & 1023) === 0) options.check?.();
      makeParents(entry.path, made, form);
      if (entry.kind === 'file') writeFile(entry, bytes, form, buffer);
      else if (entry.kind === 'hardlink') form.link(entry.link ?? '', entry.path);
      else if (entry.path !== '') form.make(entry);
      else if (entry.opaque === true) form.markOpaque('');
      if (entry.kind !== 'dir') continue;
      made.add(entry.path);
      directories.push(entry);
    }
    form.finish(directories);
  } finally {
    form.close();
  }
}

function writeFile(entry: Entry, bytes: EntryBytes, form: FolderForm, buffer: Buffer): void {
  form.beginFile(entry);
  if (entry.size > 0) {
    using file = bytes.open(entry);
    for (let at = 0; at < entry.size;) {
      const length = Math.min(buffer.length, entry.size - at);
      if (readFully(file.fd, buffer, 0, length, file.offset + at) !== length) throw new Error('internal: a pack of the store is too short');
      form.append(buffer.subarray(0, length));
      at += length;
    }
  }
  form.endFile(entry);
}

function makeParents(path: BytePath, made: Set<BytePath>, form: FolderForm): void {
  const slash = path.lastIndexOf('/');
  const parent = slash < 0 ? '' : path.slice(0, slash);
  if (made.has(parent)) return;
  makeParents(parent, made, form);
  made.add(parent);
  form.make({ path: parent, kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 });
}
