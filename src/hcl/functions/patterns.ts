// Functions with regular expressions, in Go's syntax and in time that grows with the text.

import { RE2JS } from 're2js';
import { Refusal } from '../scope.ts';
import { list, nullOf, object, string, textOf, tuple, type Type, type Value } from '../value.ts';
import { define, type Table } from './define.ts';

export const PATTERNS: Table = {
  regex: define({ pattern: 'string', string: 'string' }, ({ pattern, string: text }) => {
    const [first] = matches(compiled(pattern, 0), textOf(text), 1);
    if (first === undefined) throw new Refusal('the pattern matches no part of the string', 1);
    return first;
  }),
  regexall: define({ pattern: 'string', string: 'string' }, ({ pattern, string: text }) => {
    const compiledPattern = compiled(pattern, 0);
    return list(resultType(compiledPattern), matches(compiledPattern, textOf(text), Infinity));
  }),
  regex_replace: define({ str: 'string', pattern: 'string', replace: 'string' }, ({ str, pattern, replace }) => {
    const matcher = compiled(pattern, 1).pattern.matcher(textOf(str));
    let [result, at] = ['', 0];
    while (matcher.find()) {
      result += textOf(str).slice(at, matcher.start()) + filledIn(textOf(replace), (group) => groupOf(matcher, group));
      at = matcher.end();
    }
    return string(result + textOf(str).slice(at));
  }),
};

type Matcher = ReturnType<RE2JS['matcher']>;

/** `names`: of the groups, in their order; empty where they have none. */
interface Compiled {
  readonly pattern: RE2JS;
  readonly names: readonly string[];
}

function compiled(value: Value, parameter: number): Compiled {
  const pattern = compile(textOf(value), parameter);
  const byNumber = new Map(Object.entries(pattern.namedGroups()).map(([name, group]) => [group, name]));
  const names = Array.from({ length: pattern.groupCount() }, (_, at) => byNumber.get(at + 1) ?? '');
  return { pattern, names };
}

function compile(pattern: string, parameter: number): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new Refusal(`this is no pattern: ${error instanceof Error ? error.message : String(error)}`, parameter);
  }
}

/** Without groups the text that matches; with groups a tuple of theirs, with names an object. */
function resultType({ names }: Compiled): Type {
  if (names.length === 0) return 'string';
  const named = names.filter((name) => name !== '');
  if (named.length === 0) return { kind: 'tuple', elements: names.map(() => 'string') };
  if (named.length < names.length) throw new Refusal('either all groups have names or none has', 0);
  return { kind: 'object', attributes: new Map([...named].sort().map((name) => [name, 'string'])) };
}

function matches(pattern: Compiled, text: string, limit: number): readonly Value[] {
  const type = resultType(pattern);
  const matcher = pattern.pattern.matcher(text);
  const found: Value[] = [];
  while (found.length < limit && matcher.find()) found.push(resultOf(matcher, pattern.names, type));
  return found;
}

function resultOf(matcher: Matcher, names: readonly string[], type: Type): Value {
  if (type === 'string') return string(matcher.group() ?? '');
  const groups = names.map((_, at): Value => {
    const text = matcher.group(at + 1);
    return text === null ? nullOf('string') : string(text);
  });
  return typeof type !== 'string' && type.kind === 'tuple' ? tuple(groups) : object(names.map((name, at) => [name, groups[at] as Value]));
}

/** `$1`, `${1}`, `$name`, `$$`: as many letters, digits and underscores as there are belong to the name. */
function filledIn(template: string, group: (name: string) => string): string {
  return template.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (sign, bare: string | undefined, braced: string | undefined) =>
    sign === '$$' ? '$' : group(bare ?? braced ?? ''),
  );
}

function groupOf(matcher: Matcher, name: string): string {
  if (/^\d+$/.test(name)) return Number(name) <= matcher.groupCount() ? (matcher.group(Number(name)) ?? '') : '';
  try {
    return matcher.group(name) ?? '';
  } catch {
    return ''; // there is no group of that name
  }
}
