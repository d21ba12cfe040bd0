// One table of an SQLite database read out of its file (sqlite.org/fileformat2.html): all rows, no queries, no write-ahead log.

import type { RangeReader } from './tree-files.ts';

/** A column's value, as far as rows of packages have them. */
export type SqliteValue = number | string | Buffer | null;

const MAX_PAGES = 1 << 20;
const MAX_ROWS = 200_000;
const MAX_PAYLOAD = 64 << 20;

/** Rows of a table in the order of their keys; none where the file is no database, or a page makes no sense. */
export function* sqliteRows(read: RangeReader, size: number, table: string): Generator<readonly SqliteValue[]> {
  const head = read(0, 100);
  if (head.length < 100 || head.toString('latin1', 0, 16) !== 'SQLite format 3\0') return;
  const stored = head.readUInt16BE(16);
  const pageSize = stored === 1 ? 65_536 : stored;
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0) return;
  const file = { read, pageSize, usable: pageSize - (head[20] as number), pages: Math.min(Math.ceil(size / pageSize), MAX_PAGES) };
  if (file.usable < 480) return;
  // sqlite_schema: type, name, tbl_name, rootpage, sql.
  for (const [type, name, , root] of rowsFrom(file, 1)) {
    if (type !== 'table' || name !== table || typeof root !== 'number') continue;
    yield* rowsFrom(file, root);
    return;
  }
}

interface DatabaseFile {
  readonly read: RangeReader;
  readonly pageSize: number;
  /** Bytes of a page that hold data. */
  readonly usable: number;
  readonly pages: number;
}

/** Rows below a page of a table's tree; every page is looked at once, so a tree that loops ends. */
function* rowsFrom(file: DatabaseFile, root: number): Generator<readonly SqliteValue[]> {
  const seen = new Set<number>();
  const todo = [root];
  let rows = 0;
  let bytes = 0;
  for (let number = todo.pop(); number !== undefined; number = todo.pop()) {
    if (number < 1 || number > file.pages || seen.has(number)) continue;
    seen.add(number);
    const page = file.read((number - 1) * file.pageSize, file.pageSize);
    const start = number === 1 ? 100 : 0;
    if (page.length < file.pageSize) continue;
    const leaf = page[start] === 13;
    if (!leaf && page[start] !== 5) continue;
    const count = Math.min(page.readUInt16BE(start + 3), file.pageSize >> 1);
    const cells: number[] = [];
    for (let index = 0, at = start + (leaf ? 8 : 12); index < count && at + 2 <= page.length; index += 1, at += 2)
      cells.push(page.readUInt16BE(at));
    if (leaf) {
      for (const at of cells) {
        if (++rows > MAX_ROWS || bytes > file.pages * file.pageSize) return;
        const payload = payloadAt(file, page, at);
        bytes += payload?.length ?? 0;
        const row = payload === undefined ? undefined : recordOf(payload);
        if (row !== undefined) yield row;
      }
    } else {
      todo.push(page.readUInt32BE(start + 8));
      for (const at of cells.reverse()) if (at + 4 <= page.length) todo.push(page.readUInt32BE(at));
    }
  }
}

/** A leaf cell: length, key, the first bytes, and a chain of pages with the rest. */
function payloadAt(file: DatabaseFile, page: Buffer, start: number): Buffer | undefined {
  const length = varint(page, start);
  const key = length === undefined ? undefined : varint(page, length.end);
  if (length === undefined || key === undefined || length.value > MAX_PAYLOAD || length.value > file.pages * file.pageSize)
    return undefined;
  const most = file.usable - 35;
  const least = Math.floor(((file.usable - 12) * 32) / 255) - 23;
  const over = least + ((length.value - least) % (file.usable - 4));
  const local = length.value <= most ? length.value : over <= most ? over : least;
  const first = page.subarray(key.end, key.end + local);
  if (first.length < local) return undefined;
  if (local === length.value) return first;
  if (key.end + local + 4 > page.length) return undefined;
  const parts = [first];
  let next = page.readUInt32BE(key.end + local);
  for (let left = length.value - local; left > 0 && next > 1 && next <= file.pages;) {
    const data = file.read((next - 1) * file.pageSize, file.usable);
    if (data.length < 4) return undefined;
    const part = data.subarray(4, 4 + left);
    if (part.length === 0) return undefined;
    parts.push(part);
    left -= part.length;
    next = data.readUInt32BE(0);
  }
  const whole = Buffer.concat(parts);
  return whole.length === length.value ? whole : undefined;
}

/** A record: the types of all columns, then their values. */
function recordOf(payload: Buffer): readonly SqliteValue[] | undefined {
  const head = varint(payload, 0);
  if (head === undefined || head.value > payload.length) return undefined;
  const row: SqliteValue[] = [];
  let body = head.value;
  for (let at = head.end; at < head.value && row.length < 100;) {
    const type = varint(payload, at);
    if (type === undefined) return undefined;
    at = type.end;
    const kind = type.value;
    const size = kind >= 12 ? Math.floor((kind - 12) / 2) : ([0, 1, 2, 3, 4, 6, 8, 8, 0, 0][kind] ?? 0);
    if (body + size > payload.length) return undefined;
    if (kind === 0 || kind === 10 || kind === 11) row.push(null);
    else if (kind === 8 || kind === 9) row.push(kind - 8);
    else if (kind === 7) row.push(payload.readDoubleBE(body));
    else if (kind === 6) row.push(Number(payload.readBigInt64BE(body)));
    else if (kind < 6) row.push(payload.readIntBE(body, size));
    else row.push(kind % 2 === 0 ? payload.subarray(body, body + size) : payload.toString('utf8', body, body + size));
    body += size;
  }
  return row;
}

/** Up to nine bytes, seven bits each, high ones first. */
function varint(data: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let index = 0; index < 9; index += 1) {
    const byte = data[at + index];
    if (byte === undefined) return undefined;
    if (index === 8) return { value: value * 256 + byte, end: at + 9 };
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, end: at + index + 1 };
  }
  return undefined;
}
