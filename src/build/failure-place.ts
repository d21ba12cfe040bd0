// Where the answer to `--call=check` says that a failure is: every line of the instruction, as BuildKit's consumers know it.

import { type Diagnostic, lineRanges, type SlipwayError, type SourceRange } from '../base/index.ts';
import type { Dockerfile } from '../dockerfile/index.ts';

/** `location` of a `buildError`. BuildKit's has no `sourceIndex` where it has no place. */
export type PlaceDocument = { readonly sourceIndex: 0; readonly ranges: readonly RangeDocument[] } | Record<string, never>;

export interface RangeDocument {
  readonly start: { readonly line?: number; readonly character?: number };
  readonly end: { readonly line?: number; readonly character?: number };
}

/** Mistakes that BuildKit gives no place. */
const UNPLACED =
  /^(?:the Dockerfile cannot be empty|dockerfile contains no stages|invalid stage index|variable expansion is not supported)/;

/** Mistakes whose lines BuildKit counts from zero; line 0 is left out of its documents. */
const FROM_ZERO = /^(?:only one \w+ parser directive|invalid escape token|dockerfile line greater than)/;

/** The place of a failure as the document says it. */
export function placeDocument(failure: SlipwayError, { nodes }: Dockerfile): PlaceDocument {
  const range = failure.location?.range;
  if (range === undefined || failure.code === 'CHECK_OPTION_INVALID' || UNPLACED.test(failure.message)) return {};
  if (FROM_ZERO.test(failure.message)) {
    const line = range.start.line - 1;
    return { sourceIndex: 0, ranges: [line === 0 ? { start: {}, end: {} } : { start: { line }, end: { line } }] };
  }
  const places = [range, ...(failure.message.startsWith('circular dependency') ? relatedTo(failure) : [])];
  return { sourceIndex: 0, ranges: places.flatMap((place) => lineRanges(instructionAround(place, nodes))) };
}

/** The lines of an instruction of several, the place itself in one of a single line. */
function instructionAround(place: SourceRange, nodes: Dockerfile['nodes']): SourceRange {
  const around = nodes.find((node) => node.kind === 'instruction' && isIn(place.start.line, node.instruction.range));
  if (around?.kind !== 'instruction') return place;
  const { start, end } = around.instruction.range;
  const last = Math.max(end.line, place.end.line);
  return start.line === last ? place : { start, end: { line: last, column: 1 } };
}

function isIn(line: number, { start, end }: SourceRange): boolean {
  return start.line <= line && line <= end.line;
}

function relatedTo({ facts }: SlipwayError): readonly SourceRange[] {
  const [diagnostic] = (facts['diagnostics'] ?? []) as readonly Diagnostic[];
  return diagnostic?.related?.map(({ range }) => range) ?? [];
}
