// JSON with the place of every part: what JSON.parse does not tell.

import type { SlipwayError, SourceText } from '../base/index.ts';
import { fault } from './fault.ts';
import { parseNumber } from './number.ts';
import { Text } from './text.ts';
import { bool, NULL, number, type Value } from './value.ts';

interface Placed {
  readonly start: number;
  readonly end: number;
}

export type Json =
  | JsonString
  | (Placed & { readonly kind: 'object'; readonly members: readonly { readonly name: JsonString; readonly value: Json }[] })
  | (Placed & { readonly kind: 'array'; readonly items: readonly Json[] })
  | (Placed & { readonly kind: 'plain'; readonly value: Value });

/** `offsets`: where each character of `text` stands in the file, and the closing quote. */
export interface JsonString extends Placed {
  readonly kind: 'string';
  readonly text: string;
  readonly offsets: readonly number[];
}

const MAX_DEPTH = 200;
const WORDS: Readonly<Record<string, Value>> = { true: bool(true), false: bool(false), null: NULL };
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

export function parseJson(source: SourceText): { readonly json: Json; readonly text: Text } {
  const text = new Text(source);
  return { json: new JsonReader(text).document(), text };
}

class JsonReader {
  readonly #place: Text;
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(place: Text) {
    this.#place = place;
    this.#text = place.text;
    if (this.#text.startsWith('\uFEFF')) this.#at = 1;
  }

  document(): Json {
    const json = this.#value();
    this.#blank();
    if (this.#at < this.#text.length) throw this.#unexpected('nothing more behind the value');
    return json;
  }

  #value(): Json {
    this.#blank();
    const start = this.#at;
    const character = this.#text[start];
    if (character === '{') return this.#nested(() => this.#object(start));
    if (character === '[') return this.#nested(() => this.#array(start));
    if (character === '"') return this.#string();
    const word = /[-+.\w]+/y;
    word.lastIndex = start;
    const found = word.exec(this.#text)?.[0];
    if (found === undefined) throw this.#unexpected('a value', character === "'" ? 'enclose strings in double quotes (")' : undefined);
    this.#at += found.length;
    return { kind: 'plain', value: this.#plain(found, start), start, end: this.#at };
  }

  #plain(text: string, start: number): Value {
    const word = Object.hasOwn(WORDS, text) ? WORDS[text] : undefined;
    if (word !== undefined) return word;
    const value = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text) ? parseNumber(text) : undefined;
    if (value !== undefined) return number(value);
    throw this.#fault(`${text} is no value of JSON`, start, this.#at, 'enclose strings in double quotes (")');
  }

  #object(start: number): Json {
    const members: { name: JsonString; value: Json }[] = [];
    this.#at += 1;
    for (let first = true; !this.#closes('}', start); first = false) {
      if (!first) this.#comma('}', start);
      this.#blank();
      if (this.#text[this.#at] !== '"') throw this.#unexpected('a name in double quotes');
      const name = this.#string();
      this.#blank();
      if (this.#text[this.#at] !== ':') throw this.#unexpected(`a colon behind ${JSON.stringify(name.text)}`, 'JSON writes "name": value');
      this.#at += 1;
      members.push({ name, value: this.#value() });
    }
    return { kind: 'object', members, start, end: this.#at };
  }

  #array(start: number): Json {
    const items: Json[] = [];
    this.#at += 1;
    for (let first = true; !this.#closes(']', start); first = false) {
      if (!first) this.#comma(']', start);
      items.push(this.#value());
    }
    return { kind: 'array', items, start, end: this.#at };
  }

  #closes(bracket: string, start: number): boolean {
    this.#blank();
    if (this.#at >= this.#text.length) throw this.#fault('this has no end', start, start + 1, `close it with ${bracket}`);
    if (this.#text[this.#at] !== bracket) return false;
    this.#at += 1;
    return true;
  }

  #comma(bracket: string, start: number): void {
    if (this.#text[this.#at] !== ',') throw this.#unexpected(`a comma or ${bracket}`, 'put a comma between members');
    const comma = this.#at;
    this.#at += 1;
    this.#blank();
    if (this.#text[this.#at] === bracket)
      throw this.#fault('JSON has no comma behind the last member', comma, comma + 1, 'take the comma away');
    if (this.#at >= this.#text.length) throw this.#fault('this has no end', start, start + 1, `close it with ${bracket}`);
  }

  #string(): JsonString {
    const start = this.#at;
    const offsets: number[] = [];
    let text = '';
    this.#at += 1;
    for (;;) {
      const at = this.#at;
      const character = this.#text[at];
      if (character === undefined || character === '\n')
        throw this.#fault('this string has no end', start, at, 'close it with a double quote (")');
      if (character === '"') break;
      if (character < ' ') throw this.#fault('a control character stands in this string', at, at + 1, 'write it as \\u and its number');
      const meant = character === '\\' ? this.#escape() : character;
      this.#at = Math.max(this.#at, at + 1);
      text += meant;
      offsets.push(at);
    }
    offsets.push(this.#at);
    this.#at += 1;
    return { kind: 'string', text, offsets, start, end: this.#at };
  }

  #escape(): string {
    const start = this.#at;
    const letter = this.#text[start + 1] ?? '';
    const simple = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    const digits = letter === 'u' ? /^[0-9a-fA-F]{4}/.exec(this.#text.slice(start + 2, start + 6))?.[0] : undefined;
    if (simple === undefined && digits === undefined) throw this.#fault(`\\${letter} is no escape sequence of JSON`, start, start + 2);
    this.#at = start + (digits === undefined ? 2 : 6);
    return simple ?? String.fromCharCode(parseInt(digits ?? '0', 16));
  }

  #blank(): void {
    const blank = /[ \t\r\n]*/y;
    blank.lastIndex = this.#at;
    blank.exec(this.#text);
    this.#at = blank.lastIndex;
    if (this.#text.startsWith('//', this.#at) || this.#text.startsWith('/*', this.#at)) {
      throw this.#fault('JSON has no comments', this.#at, this.#at + 2, 'write a member "//": "comment"');
    }
  }

  #nested(work: () => Json): Json {
    if (this.#depth >= MAX_DEPTH) throw this.#fault(`nested more than ${MAX_DEPTH} levels deep`, this.#at, this.#at + 1);
    this.#depth += 1;
    const json = work();
    this.#depth -= 1;
    return json;
  }

  #unexpected(expected: string, hint?: string): SlipwayError {
    const character = this.#text.codePointAt(this.#at);
    const found = character === undefined ? 'the end of the file' : JSON.stringify(String.fromCodePoint(character));
    return this.#fault(`expected ${expected}, found ${found}`, this.#at, this.#at + (character === undefined ? 0 : 1), hint);
  }

  #fault(message: string, start: number, end: number, hint?: string): SlipwayError {
    return fault(message, this.#place.location(start, end), hint);
  }
}
