// Functions that write values as texts of other languages, and read them.

import { isFault } from '../fault.ts';
import { type Json, parseJson } from '../json-text.ts';
import { toJson } from '../json-write.ts';
import { Refusal } from '../scope.ts';
import { sameType } from '../type.ts';
import { list, object, string, textOf, tuple, type Type, type Value } from '../value.ts';
import { parseCsv } from './csv.ts';
import { define, type Table } from './define.ts';

export const ENCODINGS: Table = {
  base64decode: define({ str: 'string' }, ({ str }) => string(utf8(base64(textOf(str), 0)))),
  base64encode: define({ str: 'string' }, ({ str }) => string(Buffer.from(textOf(str)).toString('base64'))),
  csvdecode: define({ str: 'string' }, ({ str }) => csv(textOf(str))),
  jsondecode: define({ str: 'string' }, ({ str }) => fromJson(textOf(str))),
  jsonencode: define({ val: { nullable: 'any' } }, ({ val }) => {
    try {
      return string(toJson(val));
    } catch (error) {
      if (isFault(error)) throw new Refusal(error.message, 0);
      throw error;
    }
  }),
  urlencode: define({ str: 'string' }, ({ str }) =>
    string(
      encodeURIComponent(textOf(str))
        .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
        .replaceAll('%20', '+'),
    ),
  ),
};

/** With its padding; line breaks do not count. */
export function base64(text: string, parameter: number): Buffer {
  const bare = text.replace(/[\r\n]/g, '');
  if (bare.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(bare)) throw new Refusal('this is not base64', parameter);
  return Buffer.from(bare, 'base64');
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refusal('what is encoded is not UTF-8 text', 0);
  }
}

/** Objects for the lines behind the first, which has their names. */
function csv(text: string): Value {
  const [head, ...rows] = parseCsv(text);
  if (head === undefined) throw new Refusal('the first line, with the names of the columns, is missing', 0);
  const twice = head.fields.find((name, at) => head.fields.indexOf(name) !== at);
  if (twice !== undefined) throw new Refusal(`there are two columns ${JSON.stringify(twice)}`, 0);
  const objects = rows.map(({ fields }) => object(head.fields.map((name, at) => [name, string(fields[at] ?? '')])));
  const type: Type = object(head.fields.map((name) => [name, string('')])).type;
  return list(type, objects);
}

/** The value that a JSON text writes. */
export function fromJson(text: string): Value {
  try {
    return valueOf(parseJson({ filename: 'json', text }).json);
  } catch (error) {
    if (!isFault(error)) throw error;
    const { line = 1, column = 0 } = error.location?.range.start ?? {};
    throw new Refusal(`this is not JSON: line ${line}, column ${column + 1}: ${error.message}`, 0);
  }
}

function valueOf(json: Json): Value {
  if (json.kind === 'plain') return json.value;
  if (json.kind === 'string') return string(json.text);
  if (json.kind === 'array') return tuple(json.items.map(valueOf));
  const entries = new Map<string, Value>();
  for (const { name, value } of json.members) {
    const found = valueOf(value);
    const before = entries.get(name.text);
    if (before !== undefined && !sameType(before.type, found.type))
      throw new Refusal(`${JSON.stringify(name.text)} stands twice in one object`, 0);
    entries.set(name.text, found);
  }
  return object(entries);
}
