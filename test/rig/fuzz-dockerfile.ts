// Mutated Dockerfiles, words and ignore patterns, and what must hold for any of them. Used by the short fuzzer among
// the unit tests and by the long one in test/soak.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Diagnostic, SourceRange } from '../../src/base/index.ts';
import {
  applyFixes,
  cleanPath,
  compileGlob,
  detectSyntax,
  type Dockerfile,
  expandWord,
  expandWords,
  lintDockerfile,
  Linter,
  lintConfigOf,
  parseDevice,
  parseDockerfile,
  parseDuration,
  parseIgnore,
  parseMemorySize,
  parseMount,
  parseTrigger,
  PatternMatcher,
  printDockerfile,
  renderFrame,
} from '../../src/dockerfile/index.ts';
import type { Dice } from './dice.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Every Dockerfile of the checkout's own. */
export function corpus(): readonly string[] {
  const found: string[] = [];
  for (const folder of ['src/dockerfile/testdata', 'src/graph/testdata', 'examples']) {
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && entry.name === 'Dockerfile') found.push(readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    }
  }
  return found;
}

const PIECES = (
  'FROM RUN COPY ADD ENV ARG LABEL CMD ONBUILD HEALTHCHECK SHELL USER VOLUME EXPOSE AS NONE scratch <<EOF <<-"EOF" EOF 3<<X ' +
  '--from=a --mount=type=cache,target=/x --chown= --link -- --x= ["a","b"] [1] [ ] { } ${a:-${b}} ${a//b/c} ${a#*} ${ $a $$ \\ ` " \' # = == ' +
  '#escape=` #syntax=a #check=skip=all;error=true : \u00e9 \ud83d\ude00 \ufeff \u0085 \u00a0 \u2028 \0 \x1b'
)
  .split(' ')
  .concat(' ', '\n', '\r\n', '\r', '\t', '\\\n', ' \\ \n', '\n\n', '\n# c\n', '\ud800', 'a'.repeat(300), '<<EOF\n'.repeat(20));

/** A text made from one of `texts` by a few changes. */
export function mutate(texts: readonly string[], rng: Dice): string {
  let text = rng.pick(texts);
  for (let round = rng.below(8); round >= 0; round -= 1) {
    const at = rng.below(text.length + 1);
    const length = rng.below(rng.pick([2, 10, 80]));
    const [before, part, after] = [text.slice(0, at), text.slice(at, at + length), text.slice(at + length)];
    switch (rng.below(7)) {
      case 0:
        text = before + after;
        break;
      case 1:
        text = before + rng.pick(PIECES) + part + after;
        break;
      case 2:
        text = before + rng.pick(PIECES) + after;
        break;
      case 3:
        text = before + part.repeat(1 + rng.below(5)) + after;
        break;
      case 4: {
        const other = rng.pick(texts);
        const from = rng.below(other.length + 1);
        text = before + other.slice(from, from + rng.below(400)) + after;
        break;
      }
      case 5:
        text = before + part + after.split('\n').toReversed().join('\n');
        break;
      default:
        text = before + String.fromCharCode(rng.below(rng.pick([128, 256, 65536]))) + part + after;
    }
    if (text.length > 100_000) text = text.slice(0, 100_000);
  }
  return text;
}

/** Parses, lints and expands one text; throws when something that must hold does not. */
export function checkDockerfile(text: string, rng: Dice): void {
  const file = parseDockerfile(text);
  assert.equal(printDockerfile(file), text);
  const lines = text.split('\n');
  for (const diagnostic of file.diagnostics) checkRange(diagnostic.range, lines);
  const findings: Diagnostic[] = [];
  const config = lintConfigOf(text);
  if (config.ok) lintDockerfile(file, new Linter({ ...config.value, experimentalAll: true }, (finding) => findings.push(finding)));
  const all = [...file.diagnostics, ...findings];
  for (const diagnostic of all.slice(0, 20)) renderFrame(diagnostic, file.source, { color: rng.below(2) === 0 });
  parseDockerfile(applyFixes(text, all).text);
  detectSyntax(text);
  parseIgnore(text);
  checkWords(file, lines, rng);
}

function checkWords(file: Dockerfile, lines: readonly string[], rng: Dice): void {
  const lookup = (name: string): string | undefined => (name.length % 2 === 0 ? undefined : `v ${name}`);
  for (const node of file.nodes) {
    if (node.kind !== 'instruction') continue;
    const { instruction } = node;
    checkRange(instruction.range, lines);
    if (instruction.kind === 'ONBUILD') parseTrigger(instruction.expression);
    for (const word of [instruction.keyword, ...instruction.words]) {
      checkRange(word.range, lines);
      const { start, end } = word.range;
      if (!instruction.json && start.line === end.line) {
        assert.equal(lines[start.line - 1]?.slice(start.column, end.column), word.text);
      }
      readAsAnything(word.text, lookup, rng);
    }
    for (const flag of instruction.flags) {
      checkRange(flag.range, lines);
      if (flag.value !== undefined) readAsAnything(flag.value.text, lookup, rng);
    }
  }
}

function checkRange({ start, end }: SourceRange, lines: readonly string[]): void {
  assert.ok(start.line < end.line || (start.line === end.line && start.column <= end.column));
  assert.ok(start.line >= 1 && end.line <= Math.max(1, lines.length));
  assert.ok(start.column >= 0 && end.column <= (lines[end.line - 1] ?? '').length);
}

/** Every small reader, whatever the word was meant to be. */
export function readAsAnything(word: string, lookup: (name: string) => string | undefined, rng: Dice): void {
  const options = { escape: rng.pick(['\\', '`'] as const), keepUnset: rng.below(2) === 0, keepQuotes: rng.below(2) === 0 };
  expandWord(word, lookup, options);
  expandWord(word, lookup, { ignoreQuotes: true });
  const split = expandWords(word, lookup);
  if (split.ok) for (const { start, end } of split.value.words) assert.ok(start >= 0 && start < end && end <= word.length);
  parseMount(word, (value) => ({ ok: true, value }));
  parseDevice(word);
  parseDuration(word);
  parseMemorySize(word);
  const glob = compileGlob(word);
  if (glob.ok) glob.value.matches(word);
}

const PATTERN_PIECES = ['a', 'b', '*', '**', '?', '/', '/', '[ab]', '[^a]', '\\*', '.', '\u00e9', '[', '!', '-', ' ', '#'];
const NAMES = ['a', 'b', 'ab', 'a*', '\xc3\xa9', '.', 'aab', '-', '\xff', '!'];

/** Compiles a made-up list and asks it about made-up paths; compares each plain pattern with a regular expression. */
export function checkPatterns(rng: Dice): void {
  const make = (pieces: readonly string[], most: number): string =>
    Array.from({ length: 1 + rng.below(most) }, () => rng.pick(pieces)).join('');
  const list = Array.from({ length: 1 + rng.below(4) }, () => make(PATTERN_PIECES, 7));
  const paths = Array.from({ length: 5 }, () => Array.from({ length: 1 + rng.below(4) }, () => rng.pick(NAMES)).join('/'));
  const matcher = PatternMatcher.compile(parseIgnore(list.join('\n')));
  if (matcher.ok) {
    for (const path of paths) {
      matcher.value.matches(path);
      if (path.includes('/') && !matcher.value.hasExclusions && matcher.value.file(path, undefined)) {
        const parents = path.split('/').map((_, index, parts) => parts.slice(0, index).join('/'));
        for (const parent of parents) assert.ok(matcher.value.mayMatchBelow(parent), `${list.join(' ')} below ${parent}`);
      }
    }
  }
  for (const raw of list) {
    const reference = toRegExp(cleanPath(raw.trim()));
    const alone = PatternMatcher.compile([raw]);
    if (!alone.ok || reference === undefined) continue;
    for (const path of paths) {
      const text = Buffer.from(path, 'latin1').toString('utf8');
      assert.equal(alone.value.file(path, undefined), reference.test(text), `${raw} against ${text}`);
    }
  }
}

/** The regular expression that moby/patternmatcher would make of a pattern; undefined where it makes none. */
function toRegExp(pattern: string): RegExp | undefined {
  if (!/[*?[\]\\]/.test(pattern) || pattern.startsWith('!') || !compileGlob(pattern).ok) return undefined;
  if (pattern.startsWith('**') && !/[*?[\]\\]/.test(pattern.slice(2))) return undefined;
  const source = pattern.replace(/\*\*\/?$|\*\*\/?|\*|\?|\\.|\[[^\]]*\]|[^*?\\[]/gsu, (part, at: number) => {
    if (part.startsWith('**')) return at + part.length === pattern.length ? '.*' : '(?:.*/)?';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (part.startsWith('[')) return part;
    return part.replace(/^\\/, '').replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  });
  try {
    return new RegExp(`^${source}$`, 'u');
  } catch {
    return undefined; // a range such as [b-a]
  }
}
