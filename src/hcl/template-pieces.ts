// A template taken apart: text, interpolations, directives, in a row. What is between `%{if}` and `%{endif}` is found by template.ts.

import { suggest } from '../base/index.ts';
import { unescape } from './escape.ts';
import { didYouMean } from './fault.ts';
import type { Node } from './node.ts';
import type { ExpressionParser, Scanner } from './scanner.ts';

interface Span {
  readonly start: number;
  readonly end: number;
}

/** `line`: of a heredoc, whether the text starts a line. */
export type Piece = Span &
  (
    | { readonly kind: 'text'; text: string }
    | { readonly kind: 'interpolation'; readonly node: Node }
    | { readonly kind: 'if'; readonly condition: Node }
    | { readonly kind: 'for'; readonly keyName: string | undefined; readonly valueName: string; readonly collection: Node }
    | { readonly kind: 'else' | 'endif' | 'endfor' }
  );

/** What ends a template: a quote, a line with the heredoc's word, or the end of the text. */
export type Frame =
  | { readonly kind: 'quote'; readonly open: Span }
  | { readonly kind: 'heredoc'; readonly word: string; readonly open: Span }
  | { readonly kind: 'bare' };

const DIRECTIVES = ['if', 'else', 'endif', 'for', 'endfor'] as const;

/** Reads up to the end of the template, and past it. */
export function readPieces(parser: ExpressionParser, frame: Frame): readonly Piece[] {
  const { scan } = parser;
  const pieces: Piece[] = [];
  let trimNext = false;
  let lineStart = true;
  while (!atEnd(scan, frame, lineStart)) {
    const opening = openingAt(scan);
    if (opening === undefined) {
      const piece = readText(scan, frame);
      lineStart = piece.text.endsWith('\n');
      if (trimNext) piece.text = piece.text.trimStart();
      trimNext = false;
      pieces.push(piece);
      continue;
    }
    // A `~` takes away the blanks of the neighbouring text, and of that alone: of a heredoc, the rest of the line.
    const last = pieces[pieces.length - 1];
    if (opening.endsWith('~') && last?.kind === 'text') last.text = last.text.trimEnd();
    const sequence = readSequence(parser, opening);
    trimNext = sequence.trims;
    lineStart = false;
    pieces.push(sequence.piece);
  }
  return pieces;
}

/** Whether the template ends here; takes what ends it. */
function atEnd(scan: Scanner, frame: Frame, lineStart: boolean): boolean {
  const { text } = scan.text;
  if (frame.kind === 'quote' && text[scan.at] === '"') {
    scan.at += 1;
    return true;
  }
  if (frame.kind === 'heredoc' && lineStart) {
    const newline = text.indexOf('\n', scan.at);
    const line = text.slice(scan.at, newline < 0 ? text.length : newline);
    if (line.trim() === frame.word) {
      scan.at += line.endsWith('\r') ? line.length - 1 : line.length;
      return true;
    }
  }
  if (scan.at < text.length) return false;
  if (frame.kind === 'bare') return true;
  throw frame.kind === 'quote'
    ? scan.fault('this string has no end', frame.open, 'close it with a double quote (")')
    : scan.fault(`this heredoc has no end`, frame.open, `end it with a line that has nothing but ${frame.word}`);
}

/** `${`, `%{`, with their `~`; a doubled `$${` is text. */
function openingAt(scan: Scanner): string | undefined {
  const { text } = scan.text;
  const sign = text[scan.at];
  if ((sign !== '$' && sign !== '%') || text[scan.at + 1] !== '{') return undefined;
  return text.slice(scan.at, scan.at + (text[scan.at + 2] === '~' ? 3 : 2));
}

function readText(scan: Scanner, frame: Frame): Piece & { kind: 'text' } {
  const { text } = scan.text;
  const start = scan.at;
  const sign = text[start];
  if (sign === '$' || sign === '%') {
    const doubled = text.startsWith(`${sign}{`, start + 1);
    scan.at += doubled ? 3 : 1;
    return { kind: 'text', text: doubled ? `${sign}{` : sign, start, end: scan.at };
  }
  scan.at = endOfText(text, start, frame);
  const raw = text.slice(start, scan.at);
  if (frame.kind !== 'quote') return { kind: 'text', text: raw, start, end: scan.at };
  if (raw === '') {
    throw scan.fault(
      'a quoted string ends on its line',
      { start: frame.open.start, end: start },
      'write \\n for a newline, or a heredoc (<<EOT)',
    );
  }
  const meant = unescape(raw);
  if ('message' in meant)
    throw scan.fault(meant.message, { start: start + meant.start, end: start + meant.end }, 'a backslash is written \\\\');
  return { kind: 'text', text: meant.text, start, end: scan.at };
}

/** Up to what is not plain text: a sign that may begin a sequence, the quote, the end of a line. */
function endOfText(text: string, start: number, frame: Frame): number {
  const quoted = frame.kind === 'quote';
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '$' || character === '%') return at;
    if (quoted && (character === '"' || character === '\n' || character === '\r')) return at;
    if (quoted && character === '\\' && text[at + 1] !== '\n' && text[at + 1] !== '\r') at += 1;
    else if (!quoted && character === '\n') return at + 1;
  }
  return text.length;
}

/** What is between the braces of `${…}` or `%{…}`. */
function readSequence(parser: ExpressionParser, opening: string): { readonly piece: Piece; readonly trims: boolean } {
  const { scan } = parser;
  const start = scan.at;
  scan.at += opening.length;
  return scan.inBrackets(false, () => {
    const content = opening.startsWith('$') ? ({ kind: 'interpolation', node: parser.expression() } as const) : readDirective(parser);
    const closing = scan.peek();
    if (closing.kind !== '}' && closing.kind !== '~}') throw unclosed(scan, opening, start);
    scan.next();
    return { piece: { ...content, start, end: scan.at }, trims: closing.kind === '~}' };
  });
}

function unclosed(scan: Scanner, opening: string, start: number): Error {
  const sign = opening.charAt(0);
  const token = scan.peek();
  if (token.kind === 'end' || token.kind === 'quote') {
    return scan.fault(
      `${sign}{ has no closing brace`,
      { start, end: start + opening.length },
      `close it with }, or write ${sign}${sign}{ for the text ${sign}{`,
    );
  }
  return scan.unexpected(`} at the end of ${sign}{…`, `if another program is to see ${sign}{, write ${sign}${sign}{`);
}

type Directive = Piece extends infer One ? (One extends Piece ? Omit<One, 'start' | 'end'> : never) : never;

function readDirective(parser: ExpressionParser): Directive {
  const { scan } = parser;
  const word = scan.peek();
  const directive = DIRECTIVES.find((one) => word.kind === 'word' && one === word.text);
  if (directive === undefined) {
    if (word.kind !== 'word')
      throw scan.unexpected(`one of ${DIRECTIVES.join(', ')} behind %{`, 'if another program is to see %{, write %%{');
    throw scan.fault(
      `there is no directive ${word.text}${didYouMean(suggest(word.text, DIRECTIVES))}`,
      word,
      `there are ${DIRECTIVES.join(', ')}`,
    );
  }
  scan.next();
  if (directive === 'if') return { kind: 'if', condition: parser.expression() };
  if (directive === 'for') return { kind: 'for', ...readLoopHead(parser) };
  return { kind: directive };
}

/** `key, value in collection`, of a directive and of a for expression. */
export function readLoopHead({ scan, expression }: ExpressionParser): {
  readonly keyName: string | undefined;
  readonly valueName: string;
  readonly collection: Node;
} {
  const name = (): string => {
    if (scan.peek().kind !== 'word') throw scan.unexpected('a name', 'write: for value in …, or: for key, value in …');
    return scan.next().text;
  };
  const first = name();
  const second = scan.accept(',') === undefined ? undefined : name();
  if (scan.acceptWord('in') === undefined) throw scan.unexpected('"in"', 'write: for value in …, or: for key, value in …');
  return { keyName: second === undefined ? undefined : first, valueName: second ?? first, collection: expression() };
}
