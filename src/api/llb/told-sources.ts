// What a definition says of the texts that its steps come from and our own steps do not know: all places of a step, the language, what a
// text was read from. A failure tells it back to the client.

import type { Any } from '@bufbuild/protobuf/wkt';
import { lineRanges, type SourceLocation, type SourceText } from '../../base/index.ts';
import type { Location, Range, SourceInfo } from '../gen/llb_pb.ts';
import { detail } from '../wire/rpc-error.ts';

const infos = new WeakMap<SourceText, SourceInfo>();
const places = new WeakMap<SourceLocation, { readonly told: readonly Location[]; readonly of: readonly SourceInfo[] }>();

/** Places that one failure tells. Each has its whole text with it, also where several are in one text. */
const MAX_PLACES = 16;
/** Bytes that they have together; the first one is told whatever its size. */
const MAX_BYTES = 4 << 20;

/** Notes what the client says of a text. */
export function noteSource(text: SourceText, info: SourceInfo): void {
  infos.set(text, info);
}

/** Notes all places of a step, of which `first` is one. */
export function notePlaces(first: SourceLocation, told: readonly Location[], of: readonly SourceInfo[]): void {
  places.set(first, { told, of });
}

/** The places that a failure at `location` tells its client, the definition's last one first: so clients read them. */
export function sourceDetails(location: SourceLocation): readonly Any[] {
  const noted = places.get(location);
  if (noted !== undefined) return allPlaces(noted.told, noted.of);
  const { source, range } = location;
  const info = infos.get(source);
  const text = { filename: source.filename, data: Buffer.from(source.text).toString('base64'), definition: {}, language: 'Dockerfile' };
  return [sourceDetail(info === undefined ? text : infoJson(info), lineRanges(range))];
}

function allPlaces(told: readonly Location[], of: readonly SourceInfo[]): Any[] {
  const details: Any[] = [];
  let bytes = 0;
  for (const { sourceIndex, ranges } of told.slice(-MAX_PLACES).reverse()) {
    const info = of[sourceIndex];
    if (info === undefined) continue;
    const place = sourceDetail(infoJson(info), ranges.map(rangeJson));
    bytes += place.value.length;
    if (bytes > MAX_BYTES && details.length > 0) break;
    details.push(place);
  }
  return details;
}

function sourceDetail(info: object, ranges: readonly object[]): Any {
  return detail('errdefs.Source', { info, ranges });
}

function infoJson({ filename, data, definition, language }: SourceInfo): object {
  return {
    filename,
    data: Buffer.from(data).toString('base64'),
    ...(definition !== undefined && { definition: { def: definition.def.map((op) => Buffer.from(op).toString('base64')) } }),
    ...(language !== '' && { language }),
  };
}

function rangeJson({ start, end }: Range): object {
  return { ...(start !== undefined && { start: position(start) }), ...(end !== undefined && { end: position(end) }) };
}

function position({ line, character }: { readonly line: number; readonly character: number }): object {
  return { line, character };
}
