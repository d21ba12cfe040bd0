// Values that hold several things, as flags and Bake files write them: `type=local,dest=out`, `NAME=VALUE`.

import { SlipwayError } from '../base/index.ts';

/** The hint where there is none: of no use in a Bake file. */
export const HELP = "see 'slipway build --help'";

/** A value that cannot be: a wrong call of the command. In a Bake file it becomes a mistake of the target that has it. */
export function wrongValue(message: string, hint = HELP): SlipwayError {
  return new SlipwayError('USAGE', message, { hint });
}

/** Comma-separated fields where a field may be quoted (`"type=local,dest=a b"`), as encoding/csv reads one record. */
export function splitCsv(text: string): string[] {
  const fields: string[] = [];
  let rest = text;
  for (;;) {
    if (rest.startsWith('"')) {
      const match = /^"((?:[^"]|"")*)"(?:,|$)/.exec(rest);
      if (match !== null) {
        fields.push((match[1] as string).replaceAll('""', '"'));
        if (!match[0].endsWith(',')) return fields;
        rest = rest.slice(match[0].length);
        continue;
      }
    }
    const comma = rest.indexOf(',');
    if (comma < 0) return [...fields, rest];
    fields.push(rest.slice(0, comma));
    rest = rest.slice(comma + 1);
  }
}

/** `key=value` fields of a flag; a bare word is handed to `bare`. Keys are lower-cased. */
export function keyValues(flag: string, text: string, bare?: (word: string) => readonly [string, string]): Record<string, string> {
  const fields: [string, string][] = [];
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=');
    if (equals < 0 && bare === undefined)
      throw new SlipwayError('USAGE', `invalid value ${JSON.stringify(field)} for ${flag}: expected key=value`);
    const [key, value] =
      equals < 0
        ? (bare as (word: string) => readonly [string, string])(field)
        : [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
    fields.push([key, value]);
  }
  return Object.fromEntries(fields);
}

/** What is before and behind the first `=`; undefined: there is none. */
export function splitOnce(text: string): [string, string | undefined] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}
