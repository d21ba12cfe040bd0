// Templates: strings and heredocs, with what is to be put in.

import type { ForNode, Node, TemplateNode } from './node.ts';
import type { ExpressionParser, Scanner, Token } from './scanner.ts';
import { type Frame, type Piece, readPieces } from './template-pieces.ts';
import { string } from './value.ts';

/** A quoted string or a heredoc, whose opening token is next. */
export function parseTemplate(parser: ExpressionParser): Node {
  const open = parser.scan.next();
  const frame: Frame =
    open.kind === 'quote' ? { kind: 'quote', open } : { kind: 'heredoc', word: open.text.replace(/^<<-?/, '').trim(), open };
  const pieces = readPieces(parser, frame);
  return assemble(parser.scan, open.text.startsWith('<<-') ? withoutIndentation(pieces) : pieces, open.start);
}

/** A text that is a template as a whole: a string of a JSON file. */
export function parseBareTemplate(parser: ExpressionParser): Node {
  return assemble(parser.scan, readPieces(parser, { kind: 'bare' }), 0);
}

/** A quoted string that may have nothing put in: a label. */
export function parsePlainString({ scan, expression }: ExpressionParser): {
  readonly text: string;
  readonly open: Token;
  readonly end: number;
} {
  const open = scan.next();
  let text = '';
  for (const piece of readPieces({ scan, expression }, { kind: 'quote', open })) {
    if (piece.kind !== 'text') throw scan.fault('nothing can be put into a label', piece, 'for the text ${, write $${');
    text += piece.text;
  }
  return { text, open, end: scan.at };
}

function assemble(scan: Scanner, pieces: readonly Piece[], start: number): Node {
  const location = scan.location(start, scan.at);
  const [first] = pieces;
  if (pieces.length === 1 && first?.kind === 'interpolation') return { kind: 'wrap', inner: first.node, location };
  const reader = new PieceReader(scan, melded(pieces));
  const parts = reader.parts(undefined);
  return { kind: 'template', parts: parts.length > 0 ? parts : [{ kind: 'literal', value: string(''), location }], location };
}

/** Neighbouring texts are one. */
function melded(pieces: readonly Piece[]): readonly Piece[] {
  const whole: Piece[] = [];
  for (const piece of pieces) {
    const last = whole[whole.length - 1];
    if (piece.kind === 'text' && last?.kind === 'text') whole[whole.length - 1] = { ...last, text: last.text + piece.text, end: piece.end };
    else whole.push(piece);
  }
  return whole;
}

/** `<<-`: without the blanks that all lines begin with. Lines of blanks alone do not count. */
function withoutIndentation(pieces: readonly Piece[]): readonly Piece[] {
  const indented: (Piece & { kind: 'text' })[] = [];
  let common = Infinity;
  let lineStart = true;
  for (const piece of pieces) {
    if (lineStart) {
      const trimmed = piece.kind === 'text' ? piece.text.trimStart() : '';
      if (piece.kind !== 'text') common = 0;
      else if (trimmed !== '' || !piece.text.endsWith('\n')) {
        common = Math.min(common, piece.text.length - trimmed.length);
        indented.push(piece);
      }
    }
    lineStart = piece.kind === 'text' && piece.text.endsWith('\n');
  }
  for (const piece of indented) piece.text = piece.text.slice(common);
  return pieces;
}

/** Finds which `%{endif}` belongs to which `%{if}`. */
class PieceReader {
  readonly #scan: Scanner;
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(scan: Scanner, pieces: readonly Piece[]) {
    this.#scan = scan;
    this.#pieces = pieces;
  }

  /** Up to a piece that ends what `within` began, or to the end of the template; leaves what ends it. */
  parts(within: Piece | undefined): readonly Node[] {
    const parts: Node[] = [];
    for (;;) {
      const piece = this.#pieces[this.#at];
      if (piece === undefined) {
        if (within === undefined) return parts;
        throw this.#scan.fault(`%{${within.kind}} has no end`, within, `end it with %{end${within.kind}}`);
      }
      if (piece.kind === 'else' || piece.kind === 'endif' || piece.kind === 'endfor') {
        if (within === undefined) throw this.#scan.fault(`%{${piece.kind}} ends nothing`, piece, 'take it away, or begin what it ends');
        return parts;
      }
      this.#at += 1;
      parts.push(this.#part(piece));
    }
  }

  #part(piece: Piece): Node {
    const location = this.#scan.location(piece.start, piece.end);
    if (piece.kind === 'text') return { kind: 'literal', value: string(piece.text), location };
    if (piece.kind === 'interpolation') return piece.node;
    return this.#scan.nested(() => (piece.kind === 'if' ? this.#conditional(piece) : this.#loop(piece as Piece & { kind: 'for' })));
  }

  #conditional(open: Piece & { kind: 'if' }): Node {
    const then = this.#content(open);
    const otherwise = this.#ending(open, ['else', 'endif']) === 'else' ? this.#content(open) : undefined;
    if (otherwise !== undefined) this.#ending(open, ['endif']);
    const end = this.#pieces[this.#at - 1]?.end ?? open.end;
    const nothing: Node = { kind: 'literal', value: string(''), location: this.#scan.location(end, end) };
    return {
      kind: 'conditional',
      condition: open.condition,
      then,
      otherwise: otherwise ?? nothing,
      location: this.#scan.location(open.start, end),
    };
  }

  #loop({ start, end: open, keyName, valueName, collection }: Piece & { kind: 'for' }): Node {
    const opening = { kind: 'for', keyName, valueName, collection, start, end: open } as const;
    const value = this.#content(opening);
    this.#ending(opening, ['endfor']);
    const location = this.#scan.location(start, this.#pieces[this.#at - 1]?.end ?? open);
    const loop: ForNode = {
      kind: 'for',
      keyName,
      valueName,
      collection,
      key: undefined,
      value,
      condition: undefined,
      grouped: false,
      location,
    };
    return { kind: 'join', loop, location };
  }

  #content(open: Piece): TemplateNode {
    const parts = this.parts(open);
    const end = this.#pieces[this.#at]?.start ?? open.end;
    const location = this.#scan.location(open.end, end);
    return { kind: 'template', parts: parts.length > 0 ? parts : [{ kind: 'literal', value: string(''), location }], location };
  }

  /** Takes what ends `open`. */
  #ending(open: Piece, kinds: readonly string[]): string {
    const piece = this.#pieces[this.#at] as Piece;
    if (!kinds.includes(piece.kind)) {
      throw this.#scan.fault(
        `expected %{end${open.kind}}, found %{${piece.kind}}`,
        piece,
        `%{${open.kind}} is ended by %{end${open.kind}}`,
      );
    }
    this.#at += 1;
    return piece.kind;
  }
}
