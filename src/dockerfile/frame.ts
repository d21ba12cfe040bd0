// A diagnostic as people read it: message, place, the lines around with the exact words underlined, what to do.

import type { Diagnostic, SourceRange, SourceText } from '../base/index.ts';

export interface FrameOptions {
  /** ANSI colours; default none. */
  readonly color?: boolean;
  /** Lines shown before and after; default 1. */
  readonly context?: number;
  /** Columns for source text; longer lines are cut around the place. Default 120. */
  readonly width?: number;
}

/** Other places of one finding that are shown. */
const MAX_RELATED = 50;
/** Lines of a range that are shown before the middle is left out. */
const MAX_MARKED_LINES = 6;

type Paint = (style: keyof typeof STYLES, text: string) => string;

const STYLES = { error: '1;31', warning: '1;33', info: '1;36', bold: '1', dim: '2', note: '36' } as const;

/** Renders a diagnostic with the source that its ranges point into. Several lines, no line feed at the end. */
export function renderFrame(diagnostic: Diagnostic, source: SourceText, options: FrameOptions = {}): string {
  const paint: Paint = (style, text) => (options.color === true ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text);
  const lines = linesOf(source);
  const related = (diagnostic.related ?? []).slice(0, MAX_RELATED);
  const more = (diagnostic.related?.length ?? 0) - related.length;
  const shown = [diagnostic.range, ...related.map(({ range }) => range)];
  const gutter = String(Math.min(lines.length, Math.max(...shown.map((range) => range.end.line)) + (options.context ?? 1))).length;
  const label = diagnostic.rule === SYNTAX ? diagnostic.severity : `${diagnostic.severity}: ${diagnostic.rule}`;
  const out = [`${paint(diagnostic.severity, `${label}:`)} ${paint('bold', printable(diagnostic.message))}`];
  const frame = { lines, gutter, paint, context: options.context ?? 1, width: options.width ?? 120 };
  out.push(
    ...place(source.filename, diagnostic.range, frame, startOf(diagnostic)),
    ...excerpt(diagnostic.range, diagnostic.severity, frame),
  );
  for (const { range, message } of related) {
    out.push(...place(source.filename, range, frame, message), ...excerpt(range, 'note', { ...frame, context: 0 }));
  }
  const bar = ' '.repeat(gutter);
  if (more > 0) out.push(`${bar} ${paint('note', '=')} and ${more} more`);
  if (diagnostic.hint !== undefined) out.push(`${bar} ${paint('note', '= hint:')} ${printable(diagnostic.hint)}`);
  if (diagnostic.fix !== undefined) out.push(`${bar} ${paint('note', '= fix:')} ${printable(diagnostic.fix.title)}`);
  if (diagnostic.url !== undefined) out.push(`${bar} ${paint('note', '= see:')} ${diagnostic.url}`);
  return out.join('\n');
}

const SYNTAX = 'DOCKERFILE_SYNTAX';

const split = new WeakMap<SourceText, readonly string[]>();

/** Once for each text: it may have thousands of findings. */
function linesOf(source: SourceText): readonly string[] {
  let lines = split.get(source);
  if (lines === undefined) split.set(source, (lines = source.text.replace(/^\ufeff/, ' ').split('\n')));
  return lines;
}

interface Frame {
  readonly lines: readonly string[];
  readonly gutter: number;
  readonly paint: Paint;
  readonly context: number;
  readonly width: number;
}

/** Where the instruction begins, when that is not the line that is named anyway. */
function startOf({ within, range }: Diagnostic): string | undefined {
  return within === undefined || within.start.line === range.start.line ? undefined : `in the instruction on line ${within.start.line}`;
}

function place(filename: string, range: SourceRange, { gutter, paint }: Frame, message?: string): readonly string[] {
  const where = `${printable(filename)}:${range.start.line}:${range.start.column + 1}`;
  return [`${' '.repeat(gutter)}${paint('note', '-->')} ${where}${message === undefined ? '' : `: ${printable(message)}`}`];
}

function excerpt(range: SourceRange, style: keyof typeof STYLES, frame: Frame): readonly string[] {
  const { lines, context, gutter, paint } = frame;
  if (range.start.line > lines.length || lines.length === 0 || (lines.length === 1 && lines[0] === '')) return [];
  const out: string[] = [];
  const last = Math.min(range.end.line, lines.length);
  const from = Math.max(1, range.start.line - context);
  const to = Math.min(lines.length, last + context);
  for (let number = from; number <= to; number += 1) {
    const skipFrom = range.start.line + MAX_MARKED_LINES;
    if (number === skipFrom && last - number > 1) {
      out.push(`${' '.repeat(gutter)} ${paint('dim', ':')}`);
      number = last - 1;
      continue;
    }
    const line = (lines[number - 1] ?? '').replace(/(?<!\r)\r+$/, '');
    // The empty line behind the final line feed is no line.
    if (number === lines.length && line === '' && number > last) break;
    const marked = number >= range.start.line && number <= last;
    const start = number === range.start.line ? range.start.column : 0;
    const end = number === range.end.line ? range.end.column : line.length;
    const window = cut(line, marked ? start : 0, frame.width);
    out.push(`${paint('dim', `${String(number).padStart(gutter)} |`)} ${window.text}`.trimEnd());
    if (!marked) continue;
    const first = number === range.start.line ? start : line.length - line.trimStart().length;
    const before = columns(window.prefix + line.slice(window.start, Math.max(first, window.start)));
    const length = columns(line.slice(Math.max(first, window.start), Math.min(end, window.end)));
    out.push(`${paint('dim', `${' '.repeat(gutter)} |`)} ${' '.repeat(before)}${paint(style, '^'.repeat(Math.max(1, length)))}`);
  }
  return out;
}

/** The part of a long line that has `column` in it; short lines stay whole. */
function cut(line: string, column: number, width: number): { text: string; prefix: string; start: number; end: number } {
  if (line.length <= width) return { text: printable(line), prefix: '', start: 0, end: line.length };
  const start = Math.max(0, Math.min(column - Math.floor(width / 3), line.length - width));
  const end = Math.min(line.length, start + width);
  const prefix = start > 0 ? '…' : '';
  return { text: `${prefix}${printable(line.slice(start, end))}${end < line.length ? '…' : ''}`, prefix, start, end };
}

const TAB = '    ';

/** Text that does nothing to a terminal: control characters become pictures, tabs become spaces. */
function printable(text: string): string {
  return text
    .replaceAll('\t', TAB)
    .replace(/[\x00-\x1f]/g, (char) => String.fromCharCode(0x2400 + char.charCodeAt(0)))
    .replace(/[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, '\ufffd');
}

/** Terminal columns that a text takes. */
function columns(text: string): number {
  let count = 0;
  for (const char of printable(text)) {
    if (/\p{Mn}/u.test(char)) continue;
    count += WIDE.test(char) ? 2 : 1;
  }
  return count;
}

// East Asian wide characters and emoji, roughly.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
