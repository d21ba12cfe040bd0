// Entries between rows of an earlier index: what a new index is put together from when most of it is known.

import { fromBytePath } from '../base/index.ts';
import type { Entry } from './entry.ts';
import type { IndexColumns } from './index-columns.ts';
import type { IndexPart } from './index-file.ts';

/** Rows `from` up to `to`. */
export interface RowRange {
  readonly from: number;
  to: number;
}

/**
 * The parts of an index with `own` (sorted entries) and the earlier rows `ranges` (plain ones in packs). `numbers`: of the earlier packs,
 * counted from 1, those of the new layer. Throws a plain Error for two entries of one path: the maker lost count.
 */
export function mergeRows(
  own: readonly Entry[],
  rows: IndexColumns,
  ranges: readonly RowRange[],
  numbers: ReadonlyMap<number, number>,
): readonly IndexPart[] {
  const packs = Array.from({ length: 256 }, (_, pack) => numbers.get(pack + 1) ?? 0);
  const parts: IndexPart[] = [];
  let at = 0;
  let place = placeOf(own[at], rows, 0);
  let done = 0;
  const addOwn = (before: number): void => {
    const begin = at;
    while (at < own.length && place <= before) {
      if (place === before && isAt(rows, place, own[at] as Entry))
        throw new Error(`internal: two entries for ${fromBytePath(own[at]?.path ?? '')}`);
      place = placeOf(own[(at += 1)], rows, place);
    }
    if (at > begin) parts.push(own.slice(begin, at));
  };
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    if (from < done) throw new Error(`internal: two entries for row ${from} of an index`);
    let start = from;
    addOwn(start);
    while (place < to) {
      parts.push({ rows, from: start, to: place, packs });
      start = place;
      addOwn(start);
    }
    parts.push({ rows, from: start, to, packs });
    done = to;
  }
  addOwn(rows.count);
  return parts;
}

function isAt(rows: IndexColumns, row: number, { path }: Entry): boolean {
  const bytes = Buffer.from(path, 'latin1');
  return row < rows.count && rows.comparePath(row, NOTHING, bytes, 0, bytes.length) === 0;
}

/** The first row that is not before an entry; behind all rows when there is none. */
function placeOf(entry: Entry | undefined, rows: IndexColumns, from: number): number {
  if (entry === undefined) return rows.count + 1;
  const path = Buffer.from(entry.path, 'latin1');
  return rows.placeOf(NOTHING, path, 0, path.length, from);
}

const NOTHING = Buffer.alloc(0);
