// Heredoc markers on an instruction's line, and what becomes of their contents.

import { expandWords } from './expand.ts';
import type { Outcome } from './outcome.ts';

/** What a marker says: `3<<-"EOF"`. */
export interface HeredocMarker {
  readonly name: string;
  readonly fileDescriptor: number;
  readonly expand: boolean;
  readonly chomp: boolean;
}

/** A marker with its place in the logical line. */
export interface PlacedMarker extends HeredocMarker {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const MARKER = /^(\d*)<<(-?)[\t\n\f\r ]*(?![\t\n\f\r ])([^<]*)$/;
const NO_MARKER: Outcome<undefined> = { ok: true, value: undefined };
const nothing = (): undefined => undefined;

/**
 * Reads one word; undefined when it is no marker. The delimiter is read with `\` as escape whatever the file says.
 * A quote anywhere in it turns expansion of the content off.
 */
export function parseHeredocMarker(word: string): Outcome<HeredocMarker | undefined> {
  if (!word.includes('<<')) return NO_MARKER;
  const match = MARKER.exec(word);
  const rest = match?.[3] ?? '';
  if (match === null || rest === '') return NO_MARKER;
  const plain = expandWords(rest, nothing, { keepUnset: true });
  if (!plain.ok) return plain;
  const name = plain.value.words[0]?.value;
  if (name === undefined || plain.value.words.length !== 1) return NO_MARKER;
  const raw = expandWords(rest, nothing, { keepUnset: true, keepQuotes: true });
  if (!raw.ok) return raw;
  const expand = countQuotes(name) === countQuotes(raw.value.words[0]?.value ?? '');
  return { ok: true, value: { name, fileDescriptor: Number(match[1] || '0'), chomp: match[2] === '-', expand } };
}

/** All markers on a logical line. A line whose quotes do not match has none. */
export function findHeredocMarkers(line: string): Outcome<readonly PlacedMarker[]> {
  const words = expandWords(line, nothing, { keepUnset: true, keepQuotes: true, keepEscapes: true });
  const markers: PlacedMarker[] = [];
  if (!words.ok) return { ok: true, value: markers };
  for (const { value, start, end } of words.value.words) {
    if (!value.includes('<<')) continue;
    const marker = parseHeredocMarker(value);
    if (!marker.ok) return { ok: false, problem: { ...marker.problem, span: { start, end } } };
    if (marker.value !== undefined) markers.push({ ...marker.value, text: value, start, end });
  }
  return { ok: true, value: markers };
}

/** Takes the leading tabs off every line, as `<<-` asks for. */
export function chompHeredoc(content: string): string {
  return content.replace(/(^|\n)\t+/g, '$1');
}

function countQuotes(text: string): number {
  return text.split(/['"]/).length - 1;
}
