// Tokens, one at a time, where the parser asks for them: inside templates it reads characters instead.

import type { SlipwayError, SourceLocation } from '../base/index.ts';
import { fault } from './fault.ts';
import type { Node } from './node.ts';
import type { Text } from './text.ts';

/** `kind` of an operator or bracket is its text. */
export interface Token {
  readonly kind: string;
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** What the parts of the parser hand to each other. */
export interface ExpressionParser {
  readonly scan: Scanner;
  expression(): Node;
}

const WORD = /[\p{ID_Start}_][\p{ID_Continue}-]*/uy;
const NUMBER = /\d(?:(?:[\d.]|[eE][+-]?\d)*(?:\d|[eE][+-]?\d))?/y;
const HEREDOC = /<<-?[\p{ID_Start}_][\p{ID_Continue}-]*\r?\n/uy;
const OPERATOR = /\.\.\.|&&|\|\||==|!=|>=|<=|=>|::|~\}|[[\](){}.,*/%+\-=<>!?:]/y;

/** Deeper than any text that people write; a stack holds many times as much. */
const MAX_DEPTH = 200;

/** What is often typed though it means nothing here. */
const FOREIGN: Readonly<Record<string, string>> = {
  "'": 'enclose strings in double quotes (")',
  '`': 'for a text of several lines, write a heredoc (<<EOT)',
  ';': 'separate attributes and blocks by newlines, and elements by commas',
  '&': 'boolean "and" is &&',
  '|': 'boolean "or" is ||',
  '~': 'boolean "not" is !',
  '“': 'enclose strings in straight double quotes (")',
  '”': 'enclose strings in straight double quotes (")',
};

export class Scanner {
  readonly text: Text;
  at = 0;
  /** Whether a newline is a token; between parentheses and brackets it is not. */
  newlines = true;
  #depth = 0;
  #peeked: { readonly at: number; readonly newlines: boolean; readonly token: Token } | undefined;

  constructor(text: Text) {
    this.text = text;
    if (text.text.startsWith('\uFEFF')) this.at = 1;
  }

  peek(): Token {
    if (this.#peeked?.at !== this.at || this.#peeked.newlines !== this.newlines) {
      this.#peeked = { at: this.at, newlines: this.newlines, token: this.#read() };
    }
    return this.#peeked.token;
  }

  next(): Token {
    const token = this.peek();
    this.at = token.end;
    return token;
  }

  /** Takes the next token if it is of that kind. */
  accept(kind: string): Token | undefined {
    return this.peek().kind === kind ? this.next() : undefined;
  }

  acceptWord(word: string): Token | undefined {
    const { kind, text } = this.peek();
    return kind === 'word' && text === word ? this.next() : undefined;
  }

  /** What is between brackets. */
  inBrackets<T>(newlines: boolean, work: () => T): T {
    const before = this.newlines;
    this.newlines = newlines;
    const result = work();
    this.newlines = before;
    return result;
  }

  /** One level deeper: a text may not make the stack overflow. */
  nested<T>(work: () => T): T {
    if (this.#depth >= MAX_DEPTH) {
      throw this.fault(`nested more than ${MAX_DEPTH} levels deep`, this.peek(), 'take it apart into several attributes');
    }
    this.#depth += 1;
    const result = work();
    this.#depth -= 1;
    return result;
  }

  /** Forgets what was open: the next item of a body is parsed after a mistake. */
  reset(at: number, depth: number): void {
    this.at = at;
    this.newlines = true;
    this.#depth = depth;
  }

  get depth(): number {
    return this.#depth;
  }

  location(start: number, end: number): SourceLocation {
    return this.text.location(start, end);
  }

  fault(message: string, { start, end }: { readonly start: number; readonly end: number }, hint?: string): SlipwayError {
    return fault(message, this.location(start, end), hint);
  }

  /** The next token is not what had to stand here. */
  unexpected(expected: string, hint?: string): SlipwayError {
    const token = this.peek();
    return this.fault(`expected ${expected}, found ${describe(token)}`, token, hint);
  }

  #read(): Token {
    const { text } = this.text;
    const start = this.#behindBlank();
    if (start >= text.length) return { kind: 'end', text: '', start, end: start };
    const newline = /\r?\n/y;
    newline.lastIndex = start;
    const broken = newline.exec(text);
    if (broken !== null) return { kind: 'newline', text: broken[0], start, end: newline.lastIndex };
    if (text[start] === '"') return { kind: 'quote', text: '"', start, end: start + 1 };
    for (const [kind, pattern] of [
      ['number', NUMBER],
      ['word', WORD],
      ['heredoc', HEREDOC],
      ['', OPERATOR],
    ] as const) {
      pattern.lastIndex = start;
      const found = pattern.exec(text)?.[0];
      if (found !== undefined) return { kind: kind === '' ? found : kind, text: found, start, end: start + found.length };
    }
    const character = String.fromCodePoint(text.codePointAt(start) ?? 0);
    throw this.fault(
      `the character ${JSON.stringify(character)} means nothing in HCL`,
      { start, end: start + character.length },
      FOREIGN[character],
    );
  }

  /** Behind blanks and comments; behind newlines too where they are no tokens. */
  #behindBlank(): number {
    const { text } = this.text;
    for (let at = this.at; ;) {
      const character = text[at];
      const two = text.slice(at, at + 2);
      if (character === ' ' || character === '\t') at += 1;
      else if (!this.newlines && character === '\n') at += 1;
      else if (!this.newlines && two === '\r\n') at += 2;
      else if (character === '#' || two === '//') at = endOfLine(text, at);
      else if (two === '/*') at = this.#endOfComment(at);
      else return at;
    }
  }

  #endOfComment(start: number): number {
    const end = this.text.text.indexOf('*/', start + 2);
    if (end < 0) throw this.fault('this comment has no end', { start, end: start + 2 }, 'end it with */');
    return end + 2;
  }
}

function endOfLine(text: string, at: number): number {
  const newline = text.indexOf('\n', at);
  if (newline < 0) return text.length;
  return text[newline - 1] === '\r' && newline > at ? newline - 1 : newline;
}

/** A token as a message names it. */
export function describe({ kind, text }: Token): string {
  if (kind === 'end') return 'the end of the file';
  if (kind === 'newline') return 'the end of the line';
  if (kind === 'quote') return 'a string';
  return kind === 'heredoc' ? 'a heredoc' : JSON.stringify(text);
}
