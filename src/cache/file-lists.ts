// The paths behind a content digest, kept so that two lists can be compared.

import { deflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib';
import { promisify } from 'node:util';
import { digestHex, digestOf } from '../base/index.ts';
import type { RecordFiles } from '../store/index.ts';
import type { KeyField, ListedPath } from '../solver/index.ts';

/** Two lists of one field, by path, without most of what is the same in both. */
export interface ListComparison {
  readonly before: ReadonlyMap<string, ListedPath>;
  readonly now: ReadonlyMap<string, ListedPath>;
  /** How many files were left out of either. */
  readonly same: number;
}

/** Lists by step, field and value. */
export class FileLists {
  readonly #files: RecordFiles;
  readonly #encoded = new WeakMap<() => Iterable<ListedPath>, Buffer>();

  constructor(files: RecordFiles) {
    this.#files = files;
  }

  /** Keeps the list of a step's field unless it is known. It is made now, and compressed beside other work. */
  async keep(step: string, field: KeyField): Promise<void> {
    const name = nameOf(step, field.name, field.value);
    if (field.list === undefined || this.#files.use(name)) return;
    this.#files.write(name, await deflateLater(this.#encode(field.list), { level: 1, chunkSize: DEFLATE_CHUNK }));
  }

  /** The list of a field beside that of an earlier value of a step's field; undefined when that is not known (any more). */
  compare(step: string, field: string, value: string, now: () => Iterable<ListedPath>): ListComparison | undefined {
    const bytes = this.#files.read(nameOf(step, field, value));
    if (bytes === undefined) return undefined;
    try {
      return compareLists(inflateRawSync(bytes), this.#encode(now));
    } catch {
      return undefined; // cut or damaged: as if it were not there
    }
  }

  #encode(list: () => Iterable<ListedPath>): Buffer {
    let bytes = this.#encoded.get(list);
    if (bytes === undefined) this.#encoded.set(list, (bytes = encodeList(list())));
    return bytes;
  }
}

const deflateLater = (bytes: Uint8Array, options: ZlibOptions): Promise<Buffer> => promisify(deflateRaw)(bytes, options);
/** In few pieces: after each one it waits until this thread has a moment. */
const DEFLATE_CHUNK = 1 << 20;

/** A list by path. */
export function byPath(list: Iterable<ListedPath>): ReadonlyMap<string, ListedPath> {
  const map = new Map<string, ListedPath>();
  for (const item of list) map.set(item.path, item);
  return map;
}

/** Five fields an item, each ended by NUL, which is in no path: quicker than JSON for the lists of large folders. */
const FIELDS = 5;

function encodeList(list: Iterable<ListedPath>): Buffer {
  const texts: string[] = [];
  for (const { path, kind, content, mode, owner } of list) texts.push(`${path}\0${kind}\0${content}\0${mode}\0${owner ?? ''}\0`);
  return Buffer.from(texts.join(''), 'utf8');
}

/** Takes lists apart only where they differ: mostly a few of very many items do. */
function compareLists(before: Buffer, now: Buffer): ListComparison {
  const start = itemsAlike(before, now);
  const end = itemsAlikeAtEnd(before.subarray(start), now.subarray(start));
  const files = (bytes: Buffer): number => countFilesIn(bytes.toString('utf8'));
  return {
    before: byPath(readItems(before.toString('utf8', start, before.length - end).split('\0'))),
    now: byPath(readItems(now.toString('utf8', start, now.length - end).split('\0'))),
    same: files(now.subarray(0, start)) + files(now.subarray(now.length - end)),
  };
}

/** Bytes of the items that both begin with. */
function itemsAlike(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  let fields = 0;
  let item = 0;
  for (let at = 0; at < length && a[at] === b[at]; at += 1) {
    if (a[at] === 0 && (fields += 1) % FIELDS === 0) item = at + 1;
  }
  return item;
}

/** Bytes of the items that both end with. An item begins after the NUL of another one, or with the list. */
function itemsAlikeAtEnd(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  let fields = 0;
  let item = 0;
  for (let back = 1; back <= length && a[a.length - back] === b[b.length - back]; back += 1) {
    if (a[a.length - back] !== 0) continue;
    // The NUL that ends the item before: what stands behind it are whole items.
    if (fields > 0 && fields % FIELDS === 0) item = back - 1;
    fields += 1;
  }
  return item;
}

function countFilesIn(text: string): number {
  let files = 0;
  for (let at = 0; at < text.length;) {
    const kind = text.indexOf('\0', at) + 1;
    if (!text.startsWith('dir\0', kind)) files += 1;
    for (let field = 0; field < FIELDS; field += 1) at = text.indexOf('\0', at) + 1;
  }
  return files;
}

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
