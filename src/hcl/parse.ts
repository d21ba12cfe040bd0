// The native syntax: bodies of attributes and blocks. What is wrong with one item does not keep the others from being read.

import type { SlipwayError, SourceText } from '../base/index.ts';
import { Expressions } from './expression.ts';
import { fault, faults, isFault } from './fault.ts';
import { Scanner, type Token } from './scanner.ts';
import { parsePlainString } from './template.ts';
import { Text } from './text.ts';
import type { Attribute, Block, Body } from './tree.ts';

/** The tree of a file; throws HCL_INVALID with everything that is wrong in it. */
export function parseHcl(source: SourceText): Body {
  const parser = new Bodies(new Scanner(new Text(source)));
  const body = parser.file();
  if (parser.faults.length > 0) throw faults(parser.faults);
  return body;
}

/** Nobody reads more of them, and a text may be nothing but mistakes. */
const MAX_FAULTS = 100;

type Item = { readonly attribute: Attribute } | { readonly block: Block };

class Bodies {
  readonly faults: SlipwayError[] = [];
  readonly #scan: Scanner;
  readonly #expressions: Expressions;

  constructor(scan: Scanner) {
    this.#scan = scan;
    this.#expressions = new Expressions(scan);
  }

  file(): Body {
    const start = this.#scan.at;
    return this.#body(start, 'end');
  }

  /** Items, one a line, up to the closing brace or the end of the file. */
  #body(start: number, closing: '}' | 'end', open?: Token): Body {
    const scan = this.#scan;
    const items: Item[] = [];
    const attributes = new Map<string, Attribute>();
    for (;;) {
      const from = scan.at;
      const depth = scan.depth;
      try {
        if (scan.accept('newline') !== undefined) continue;
        if (scan.peek().kind === closing) break;
        if (scan.peek().kind === 'end') throw this.#unclosed(open);
        this.#add(this.#item(), items, attributes);
      } catch (error) {
        if (!isFault(error)) throw error;
        this.faults.push(error);
        if (scan.at >= scan.text.text.length) break;
        scan.reset(this.faults.length < MAX_FAULTS ? this.#nextItem(from) : scan.text.text.length, depth);
      }
    }
    const end = scan.peek().start;
    scan.accept('}');
    return {
      attributes: items.flatMap((item) => ('attribute' in item ? [item.attribute] : [])),
      blocks: items.flatMap((item) => ('block' in item ? [item.block] : [])),
      location: scan.location(start, end),
    };
  }

  /** At the end of the file everything is closed: one message for the innermost block is enough. */
  #unclosed(open: Token | undefined): SlipwayError {
    return this.#scan.fault('this block has no end', open ?? this.#scan.peek(), 'close it with }; or a brace is missing further down');
  }

  #add(item: Item, items: Item[], attributes: Map<string, Attribute>): void {
    if ('attribute' in item) {
      const { name, location } = item.attribute;
      const first = attributes.get(name);
      if (first !== undefined) {
        const { line } = first.location.range.start;
        this.faults.push(fault(`${name} is set twice (first in line ${line})`, location, 'keep one of them'));
        return;
      }
      attributes.set(name, item.attribute);
    }
    items.push(item);
  }

  #item(): Item {
    const scan = this.#scan;
    const name = scan.peek();
    if (name.kind === 'quote') throw scan.unexpected('the name of an attribute or block', 'names stand without quotes');
    if (name.kind !== 'word') throw scan.unexpected('an attribute (name = value) or a block (name { … })');
    scan.next();
    const { kind } = scan.peek();
    if (kind === '=') {
      const attribute = this.#attribute(name);
      this.#endOfItem('an attribute', kind);
      return { attribute };
    }
    if (kind !== '{' && kind !== 'quote' && kind !== 'word') {
      throw scan.unexpected(`= or { behind ${name.text}`, `write ${name.text} = value, or ${name.text} { … }`);
    }
    const block = this.#block(name);
    this.#endOfItem('a block', kind);
    return { block };
  }

  #attribute(name: Token): Attribute {
    this.#scan.next();
    const expression = this.#expressions.expression();
    return { name: name.text, expression, location: this.#scan.location(name.start, name.end) };
  }

  #endOfItem(what: string, kind: string): void {
    const scan = this.#scan;
    if (scan.peek().kind === 'end' || scan.accept('newline') !== undefined) return;
    const hint = scan.peek().kind === ',' ? `end it with a newline: no comma stands behind ${what}` : `put a newline behind ${what}`;
    throw scan.unexpected(`the end of the line behind ${what}`, kind === '=' ? `${hint}; text goes in double quotes` : hint);
  }

  #block(type: Token): Block {
    const scan = this.#scan;
    const labels: { text: string; range: Block['location']['range'] }[] = [];
    while (scan.peek().kind !== '{') {
      const { kind } = scan.peek();
      if (kind === 'word') {
        const { text, start, end } = scan.next();
        labels.push({ text, range: scan.location(start, end).range });
      } else if (kind === 'quote') {
        const { text, open, end } = parsePlainString(this.#expressions);
        labels.push({ text, range: scan.location(open.start, end).range });
      } else {
        const hint = kind === '=' ? `to set an attribute, write ${type.text} = value` : 'the opening brace stands on the line of the block';
        throw scan.unexpected(`a label or { for the block ${type.text}`, hint);
      }
    }
    const location = scan.location(type.start, scan.at);
    return { type: type.text, labels, location, body: this.#braces(type) };
  }

  /** A body in braces: one attribute in one line, or items on lines of their own. */
  #braces(type: Token): Body {
    const scan = this.#scan;
    const open = scan.next();
    return scan.nested(() => {
      const { kind } = scan.peek();
      if (kind === 'newline' || kind === '}' || kind === 'end') return this.#body(open.end, '}', open);
      return this.#oneLine(type, open);
    });
  }

  #oneLine(type: Token, open: Token): Body {
    const scan = this.#scan;
    const name = scan.peek();
    const hint = `put each attribute and block of ${type.text} on a line of its own`;
    if (name.kind !== 'word') throw scan.unexpected(`an attribute in the block ${type.text}`, hint);
    scan.next();
    if (scan.peek().kind !== '=') throw scan.unexpected(`= behind ${name.text}`, hint);
    const attribute = this.#attribute(name);
    const { kind, start } = scan.peek();
    if (kind === 'end') throw this.#unclosed(open);
    if (kind !== '}') throw scan.unexpected('} behind the only attribute of a block in one line', hint);
    scan.next();
    return { attributes: [attribute], blocks: [], location: scan.location(open.end, start) };
  }

  /** Where parsing goes on after a mistake: the next line that is not indented deeper than the item, and not its closing bracket. */
  #nextItem(item: number): number {
    const { text } = this.#scan.text;
    const indentation = indentationOf(text, item);
    for (let line = lineBehind(text, this.#scan.at); line < text.length; line = lineBehind(text, line)) {
      const first = /[^ \t]/g;
      first.lastIndex = line;
      const at = first.exec(text)?.index ?? text.length;
      const character = text[at] ?? '';
      if (character === '\n' || character === '\r') continue;
      if (at - line > indentation) continue;
      if ((character === '}' && at - line < indentation) || /[\p{ID_Start}_#/]/u.test(character)) return line;
    }
    return text.length;
  }
}

function lineBehind(text: string, at: number): number {
  const newline = text.indexOf('\n', at);
  return newline < 0 ? text.length : newline + 1;
}

/** How far the line of what stands behind blanks, newlines and comments is indented. */
function indentationOf(text: string, from: number): number {
  const blank = /\s*/y;
  blank.lastIndex = from;
  blank.exec(text);
  const at = blank.lastIndex;
  const line = text.lastIndexOf('\n', at - 1) + 1;
  return /^[ \t]*/.exec(text.slice(line, at))?.[0].length ?? 0;
}
