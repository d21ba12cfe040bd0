// Lists of patterns as in `.dockerignore`: `**`, `!`, last match wins, a matched directory covers what is in it.
// Meant for walks over many files: a directory's answer is handed to its children.

import { type BytePath, toBytePath } from '../base/index.ts';
import { decodeBytes, TokenMatcher, tokenize } from './glob.ts';
import { cleanPath } from './go-path.ts';
import { trimSpace } from './go-text.ts';
import { bad, good, type Outcome } from './outcome.ts';

/** One pattern of a list. */
export interface PathPattern {
  /** Cleaned, without `!`. */
  readonly text: string;
  /** Begins with `!`: takes out again what earlier patterns matched. */
  readonly exclusion: boolean;
}

/** What is known about a directory: hand it to the children's questions. Opaque. */
export interface DirectoryMatch {
  /** Whether the directory itself matches. */
  readonly matched: boolean;
  /** Which patterns matched it or a directory above. */
  readonly byPattern: Uint8Array;
}

type Match = (path: BytePath) => boolean;

/** A compiled list. Immutable; safe to share. */
export class PatternMatcher {
  readonly patterns: readonly PathPattern[];
  /** Some pattern begins with `!`. */
  readonly hasExclusions: boolean;
  readonly #matches: readonly Match[];
  /** Literal start of each pattern, up to its first wildcard. */
  readonly #stems: readonly BytePath[];

  private constructor(patterns: readonly PathPattern[], matches: readonly Match[]) {
    this.patterns = patterns;
    this.hasExclusions = patterns.some((pattern) => pattern.exclusion);
    this.#matches = matches;
    this.#stems = patterns.map(({ text }) => toBytePath(/^[^*?[\\]*/.exec(text)?.[0] ?? ''));
  }

  /** Compiles patterns (text, slash paths relative to the root). Empty ones are left out; a malformed one is a problem. */
  static compile(patterns: readonly string[]): Outcome<PatternMatcher> {
    const compiled: PathPattern[] = [];
    const matches: Match[] = [];
    for (const raw of patterns) {
      const trimmed = trimSpace(raw);
      if (trimmed === '') continue;
      const cleaned = cleanPath(trimmed);
      const exclusion = cleaned.startsWith('!');
      const text = exclusion ? cleaned.slice(1) : cleaned;
      if (text === '') return bad('illegal exclusion pattern: "!"', 'a path must follow the exclamation mark');
      const match = compileMatch(text);
      if (!match.ok) return match;
      compiled.push({ text, exclusion });
      matches.push(match.value);
    }
    return good(new PatternMatcher(compiled, matches));
  }

  /** Whether a path matches, itself or through a directory above it. For single questions; walks use the other two. */
  matches(path: BytePath): boolean {
    let parent: DirectoryMatch | undefined;
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      parent = this.directory(path.slice(0, slash), parent);
    }
    return this.file(path, parent);
  }

  /** Whether a path matches, with its directory's answer (undefined for a path at the root). */
  file(path: BytePath, parent: DirectoryMatch | undefined): boolean {
    return this.#ask(path, parent, undefined);
  }

  /** The answer for a directory, to be handed to what is in it. */
  directory(path: BytePath, parent: DirectoryMatch | undefined): DirectoryMatch {
    const byPattern = new Uint8Array(this.patterns.length);
    return { matched: this.#ask(path, parent, byPattern), byPattern };
  }

  /** Whether some `!` pattern could match below `directory`: only then a matched directory must be looked into. */
  mayReinclude(directory: BytePath): boolean {
    return this.hasExclusions && this.#mayReach(directory, true);
  }

  /** Whether some pattern could match something below `directory`. Never says no where one does. */
  mayMatchBelow(directory: BytePath): boolean {
    return this.#mayReach(directory, false);
  }

  #mayReach(directory: BytePath, exclusion: boolean): boolean {
    const inside = directory === '' || directory === '.' ? '' : `${directory}/`;
    return this.#stems.some((stem, index) => {
      if (this.patterns[index]?.exclusion !== exclusion) return false;
      const wild = stem.length < toBytePath(this.patterns[index].text).length;
      return stem.startsWith(inside) || (wild && inside.startsWith(stem)) || (!wild && inside.startsWith(`${stem}/`));
    });
  }

  #ask(path: BytePath, parent: DirectoryMatch | undefined, byPattern: Uint8Array | undefined): boolean {
    const { patterns } = this;
    let matched = false;
    for (let index = 0; index < patterns.length; index += 1) {
      const exclusion = patterns[index]?.exclusion === true;
      let match = parent?.byPattern[index] === 1;
      if (!match) {
        // A pattern that could not change the answer is not asked; that it is not remembered is BuildKit's way too.
        if (exclusion !== matched) continue;
        match = this.#matches[index]?.(path) === true;
      }
      if (!match) continue;
      if (byPattern !== undefined) byPattern[index] = 1;
      matched = !exclusion;
    }
    return matched;
  }
}

function compileMatch(text: string): Outcome<Match> {
  const valid = tokenize(text, { deep: false, emptyRanges: true });
  if (!valid.ok) return valid;
  const plain = (part: string): boolean => !/[*?[\]\\]/.test(part);
  if (plain(text)) {
    const exact = toBytePath(text);
    return good((path) => path === exact);
  }
  if (text.startsWith('**') && plain(text.slice(2))) {
    const suffix = toBytePath(text.slice(2));
    const alone = suffix.startsWith('/') ? suffix.slice(1) : undefined;
    return good((path) => path.endsWith(suffix) || path === alone);
  }
  if (text.endsWith('**') && plain(text.slice(0, -2))) {
    const prefix = toBytePath(text.slice(0, -2));
    return good((path) => path.startsWith(prefix));
  }
  // A class from z to a matches nothing where Go's globs are meant; here it is an error, as it is to the regular expression BuildKit makes.
  const tokens = tokenize(text, { deep: true, emptyRanges: false });
  if (!tokens.ok) return tokens;
  const matcher = new TokenMatcher(tokens.value);
  return good((path) => matcher.matches(decodeBytes(path)));
}
