// Variable expansion and quote removal: what a shell does to a word, in BuildKit's dialect.

import { isSpace, quote } from './go-text.ts';
import { matchPrefix, matchSuffix, parseTextPattern, replacePattern } from './glob-text.ts';
import type { Outcome, Problem } from './outcome.ts';

/** The value of a variable; undefined when it is not set. An empty string is set. */
export type VariableLookup = (name: string) => string | undefined;

/** How a word is read. All default to what an ordinary instruction's word needs. */
export interface ExpandOptions {
  /** Escape character; default `\`. */
  readonly escape?: '\\' | '`';
  /** Quotes mean nothing and stay (contents of heredocs). */
  readonly ignoreQuotes?: boolean;
  /** Quotes hold together but stay in the result. */
  readonly keepQuotes?: boolean;
  /** Escape characters work but stay in the result. */
  readonly keepEscapes?: boolean;
  /** A reference to a variable that is not set stays as written (names of steps). */
  readonly keepUnset?: boolean;
}

/** An expanded text. */
export interface Expansion {
  readonly value: string;
  /** Names looked up and found, each once, in order. */
  readonly used: readonly string[];
  /** Names looked up and not found, each once, in order. Also those that have a default: `${x:-y}`. */
  readonly unset: readonly string[];
}

/** A text expanded and then split at spaces that are not quoted. */
export interface WordsExpansion extends Omit<Expansion, 'value'> {
  /** `start` and `end` are where the word stands in the unexpanded text. */
  readonly words: readonly { readonly value: string; readonly start: number; readonly end: number }[];
}

/** Nesting of `${a:-${b:-…}}` that is followed; deeper is refused rather than overflowing the stack. */
const MAX_DEPTH = 500;
/** Characters of a value. A process takes no variable of more than 128 KiB; values that double themselves would fill the memory. */
const MAX_LENGTH = 4 << 20;

/** Expands `text` to one value; unquoted spaces stay. */
export function expandWord(text: string, lookup: VariableLookup, options: ExpandOptions = {}): Outcome<Expansion> {
  if (!hasMeaning(text)) {
    const value = { value: text, used: NO_NAMES, unset: NO_NAMES };
    return { ok: true, value };
  }
  const names = new Names(lookup);
  const value = expandText(text, names.lookup, options);
  return value.ok ? { ok: true, value: { value: value.value, used: [...names.used], unset: [...names.unset] } } : value;
}

/** The same for who needs no names. (A text without meaning comes out as it is; whoever has many asks `hasMeaning` first.) */
export function expandText(text: string, lookup: VariableLookup, options: ExpandOptions = {}): Outcome<string> {
  return runLexer(text, new Lexer(text, lookup, options));
}

/** Whether expansion may change a text: one without variables, quotes and escapes is its own value. */
export function hasMeaning(text: string): boolean {
  return SPECIAL.test(text);
}

/**
 * Expands `text` and splits it: `EXPOSE $PORTS` may yield several words. Words that come out empty are left out.
 * (BuildKit forgets what stands in front of a `${x:-y}` in the same word, so that `80${x:-80}` is 80; we do not.)
 */
export function expandWords(text: string, lookup: VariableLookup, options: ExpandOptions = {}): Outcome<WordsExpansion> {
  const splitter = new WordSplitter();
  const names = new Names(lookup);
  const run = runLexer(text, new Lexer(text, names.lookup, options, splitter));
  return run.ok ? { ok: true, value: { words: splitter.finish(), used: [...names.used], unset: [...names.unset] } } : run;
}

/** Which names a text looks up. */
class Names {
  readonly used = new Set<string>();
  readonly unset = new Set<string>();
  readonly lookup: VariableLookup;

  constructor(lookup: VariableLookup) {
    this.lookup = (name) => {
      const value = lookup(name);
      (value === undefined ? this.unset : this.used).add(name);
      return value;
    };
  }
}

const SPECIAL = /[$'"\\`]/;
const NO_NAMES: readonly string[] = [];

const TOO_LONG = `the value becomes too long (more than ${MAX_LENGTH} characters)`;

function runLexer(text: string, lexer: Lexer): Outcome<string> {
  try {
    return { ok: true, value: lexer.run() };
  } catch (error) {
    // Texts longer than the engine's longest, in the middle of a replacement.
    if (error instanceof RangeError) return { ok: false, problem: { message: `failed to process ${quote(text)}: ${TOO_LONG}` } };
    if (!(error instanceof WordError)) throw error;
    const { message, ...rest } = error.problem;
    return { ok: false, problem: { message: `failed to process ${quote(shortened(text))}: ${message}`, ...rest } };
  }
}

/** What is worth repeating of a text: a document may be long. */
function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}

/** Leaves the lexer's recursion; never leaves this file. */
class WordError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** Gathers words while characters pass. */
class WordSplitter {
  readonly words: { value: string; start: number; end: number }[] = [];
  #word = '';
  #start = -1;
  #end = -1;

  /** Characters that came out of quotes or escapes, or are no spaces. */
  addRaw(text: string, start: number, end: number): void {
    if (this.#start < 0) this.#start = start;
    this.#end = end;
    this.#word += text;
  }

  /** Characters whose spaces separate words. `literal`: they stand so in the source, character by character. */
  add(text: string, start: number, end: number, literal: boolean): void {
    for (let at = 0; at < text.length;) {
      const from = at;
      const space = isSpace(text.charCodeAt(at));
      while (at < text.length && isSpace(text.charCodeAt(at)) === space) at += 1;
      if (space) this.#close();
      else this.addRaw(text.slice(from, at), literal ? start + from : start, literal ? start + at : end);
    }
  }

  finish(): WordsExpansion['words'] {
    this.#close();
    return this.words;
  }

  #close(): void {
    // An empty quoted word ('') does not count as one, nor does it begin the next.
    if (this.#word !== '') this.words.push({ value: this.#word, start: this.#start, end: this.#end });
    this.#word = '';
    this.#start = -1;
  }
}

/** Lives for one text. (Its members are no private names: it is made too often for their cost.) */
class Lexer {
  readonly text: string;
  readonly lookup: VariableLookup;
  readonly options: ExpandOptions;
  readonly escape: string;
  readonly splitter: WordSplitter | undefined;
  at = 0;
  depth = 0;

  constructor(text: string, lookup: VariableLookup, options: ExpandOptions, splitter?: WordSplitter) {
    this.text = text;
    this.lookup = lookup;
    this.options = options;
    this.escape = options.escape ?? '\\';
    this.splitter = splitter;
  }

  /** The whole text's value. */
  run(): string {
    return this.until(undefined, this.options.keepEscapes ?? false, this.splitter);
  }

  /** Reads up to `stop` (which is consumed) or to the end. */
  until(stop: string | undefined, keepEscapes: boolean, splitter?: WordSplitter): string {
    let result = '';
    while (this.at < this.text.length) {
      const start = this.at;
      const char = this.peek();
      if (char === stop) {
        this.at += 1;
        return result;
      }
      let part: string;
      let raw = true;
      if (char === '$') {
        part = this.dollar();
        raw = false;
      } else if (char === '<') {
        part = this.heredocMarker();
      } else if ((char === "'" || char === '"') && this.options.ignoreQuotes !== true) {
        part = char === "'" ? this.singleQuote() : this.doubleQuote(keepEscapes);
      } else if (char === this.escape) {
        this.at += 1;
        part = keepEscapes ? char : '';
        if (this.at < this.text.length) part += this.next();
      } else {
        part = this.plain();
        raw = false;
      }
      if (splitter !== undefined) {
        if (!raw) splitter.add(part, start, this.at, char !== '$');
        else if (part !== '') splitter.addRaw(part, start, this.at);
      }
      result += part;
      if (result.length > MAX_LENGTH) this.fail(TOO_LONG, start);
    }
    if (stop !== undefined) this.fail(`unexpected end of statement while looking for matching ${stop}`, this.text.length);
    return result;
  }

  /** Characters up to the next that may mean something; at least one. */
  plain(): string {
    const start = this.at;
    this.at += 1;
    PLAIN.lastIndex = this.at;
    if (PLAIN.test(this.text)) this.at = PLAIN.lastIndex;
    return this.text.slice(start, this.at);
  }

  singleQuote(): string {
    const open = this.at;
    const close = this.text.indexOf("'", open + 1);
    if (close < 0) {
      this.fail('unexpected end of statement while looking for matching single-quote', open, 'close the quote, or escape it');
    }
    this.at = close + 1;
    return this.options.keepQuotes === true ? this.text.slice(open, close + 1) : this.text.slice(open + 1, close);
  }

  doubleQuote(keepEscapes: boolean): string {
    const open = this.at;
    const kept = this.options.keepQuotes === true ? '"' : '';
    let result = kept;
    this.at += 1;
    while (this.at < this.text.length) {
      const char = this.peek();
      if (char === '"') {
        this.at += 1;
        return result + kept;
      }
      if (char === '$') result += this.dollar();
      else if (char === this.escape) {
        this.at += 1;
        if (keepEscapes) result += char;
        // Only these can be escaped inside double quotes; in front of others the escape character is itself.
        const next = this.peek();
        if (next === '"' || next === '$' || next === this.escape) result += this.next();
        else if (next !== '') result += char;
      } else result += this.plain();
    }
    this.fail('unexpected end of statement while looking for matching double-quote', open, 'close the quote, or escape it');
  }

  heredocMarker(): string {
    this.at += 1;
    if (this.peek() !== '<') return '<';
    const start = this.at - 1;
    this.at += 1;
    while (/^[\t\r ]$/.test(this.peek())) this.at += 1;
    return this.text.slice(start, this.at);
  }

  dollar(): string {
    const start = this.at;
    this.at += 1;
    PLAIN_BRACES.lastIndex = this.at;
    if (PLAIN_BRACES.test(this.text)) {
      const name = this.text.slice(this.at + 1, PLAIN_BRACES.lastIndex - 1);
      this.at = PLAIN_BRACES.lastIndex;
      return this.lookup(name) ?? (this.options.keepUnset === true ? `\${${name}}` : '');
    }
    if (this.peek() === '{') {
      this.depth += 1;
      if (this.depth > MAX_DEPTH) this.fail(`substitutions are nested deeper than ${MAX_DEPTH}`, start);
      const value = this.braces(start);
      this.depth -= 1;
      return value;
    }
    const name = this.name();
    if (name === '') return '$';
    return this.lookup(name) ?? (this.options.keepUnset === true ? `$${name}` : '');
  }

  /** `${…}`, standing on the brace. */
  braces(start: number): string {
    this.at += 1;
    const first = this.peek();
    if (first === '') this.fail("syntax error: missing '}'", start, UNCLOSED);
    if (first === '{' || first === '}' || first === ':') {
      this.fail('syntax error: bad substitution', start, 'a variable name must follow ${');
    }
    const name = this.name();
    let modifier = this.next();
    if (modifier === '') this.fail("syntax error: missing '}'", start, UNCLOSED);
    if (modifier === '}') return this.lookup(name) ?? (this.options.keepUnset === true ? `\${${name}}` : '');
    if (modifier === '/') return this.replace(start, name);
    const emptyIsUnset = modifier === ':';
    if (emptyIsUnset) modifier = this.next();
    const written = emptyIsUnset ? `:${modifier}` : modifier;
    const trims = modifier === '#' || modifier === '%';
    const knownModifier = trims || /^[-+?]$/.test(modifier);
    if (modifier === '') this.fail("syntax error: missing '}'", start, UNCLOSED);
    if ((!knownModifier && !emptyIsUnset) || (emptyIsUnset && trims)) this.unsupported(written, start);
    const word = this.inner('}', trims, start, "syntax error: missing '}'");
    const value = this.lookup(name);
    if (value === undefined && this.options.keepUnset === true) return `\${${name}${written}${word}}`;
    if (!knownModifier) this.unsupported(written, start);
    if (trims) return this.trim(value ?? '', modifier, word, start);
    const missing = value === undefined || (emptyIsUnset && value === '');
    if (modifier === '-') return missing ? word : (value ?? '');
    if (modifier === '+') return missing ? '' : word;
    if (missing) {
      const why = word !== '' ? word : `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`;
      this.fail(`${name}: ${why}`, start, `give ${name} a value: ARG ${name}=… above, or --build-arg ${name}=…`);
    }
    return value ?? '';
  }

  trim(value: string, modifier: string, word: string, start: number): string {
    const longest = word.startsWith(modifier);
    const text = longest ? word.slice(1) : word;
    const pattern = parseTextPattern(text);
    if (!pattern.ok) this.fail(`invalid pattern (${text}) in substitution: ${pattern.problem.message}`, start, pattern.problem.hint);
    if (modifier === '#') return value.slice(matchPrefix(pattern.value, value, longest) ?? 0);
    return value.slice(0, value.length - (matchSuffix(pattern.value, value, longest) ?? 0));
  }

  /** `${name/pattern/replacement}`, standing behind the first slash. */
  replace(start: number, name: string): string {
    const all = this.peek() === '/';
    if (all) this.at += 1;
    const text = this.inner('/', true, start, "syntax error: missing '/' in ${}");
    const replacement = this.inner('}', true, start, "syntax error: missing '}'");
    const value = this.lookup(name);
    if (value === undefined && this.options.keepUnset === true) return `\${${name}/${all ? '/' : ''}${text}/${replacement}}`;
    const pattern = parseTextPattern(text);
    if (!pattern.ok) this.fail(`invalid pattern (${text}) in substitution: ${pattern.problem.message}`, start, pattern.problem.hint);
    return replacePattern(pattern.value, value ?? '', replacement, all);
  }

  /** A word inside braces; `missing` is what to say when the text ends in it. */
  inner(stop: string, keepEscapes: boolean, start: number, missing: string): string {
    try {
      return this.until(stop, keepEscapes);
    } catch (error) {
      if (!(error instanceof WordError) || this.at < this.text.length) throw error;
      this.fail(missing, start, stop === '}' ? UNCLOSED : 'a replacement has two slashes: ${name/pattern/replacement}');
    }
  }

  /** Letters, digits and underscores; or digits; or one special parameter. Empty when there is none. */
  name(): string {
    const { text, at: start } = this;
    PLAIN_NAME.lastIndex = start;
    const plain = PLAIN_NAME.test(text) ? PLAIN_NAME.lastIndex : start;
    // What stands behind it may go on with it only where it is not ASCII.
    if (plain === start || text.charCodeAt(plain) >= 0x80) return this.anyName(start);
    this.at = plain;
    return text.slice(start, plain);
  }

  anyName(start: number): string {
    NAME.lastIndex = start;
    if (!NAME.test(this.text)) return '';
    this.at = NAME.lastIndex;
    return this.text.slice(start, this.at);
  }

  /** The next character, or the first half of it: what means something is ASCII. */
  peek(): string {
    return this.text.charAt(this.at);
  }

  next(): string {
    const char = this.peek();
    const whole = char < '\ud800' ? char : String.fromCodePoint(this.text.codePointAt(this.at) as number);
    this.at += whole.length;
    return whole;
  }

  unsupported(modifier: string, start: number): never {
    this.fail(`unsupported modifier (${modifier}) in substitution`, start, 'known are :- - :+ + :? ? # ## % %% / and //');
  }

  fail(message: string, start: number, hint?: string): never {
    const span = { start: Math.min(start, this.text.length), end: Math.max(this.at, Math.min(start + 1, this.text.length)) };
    throw new WordError(hint === undefined ? { message, span } : { message, hint, span });
  }
}

const UNCLOSED = 'close it by }; a space ends the word unless the whole is quoted: "${name:-a b}"';

/** `{name}`, as most are. */
const PLAIN_BRACES = /\{[A-Za-z_][A-Za-z0-9_]*\}/y;
/** Characters that mean nothing to the lexer, whatever it is looking for. */
const PLAIN = /[^$'"\\`</}]+/y;
/** A name as nearly all are: making ready for the classes of the other takes the engine a third of a millisecond. */
const PLAIN_NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NAME = /\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy;
