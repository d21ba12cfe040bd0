// One line of comma-separated fields with quotes, as the attribute lists of `--output` and its siblings are written (RFC 4180).

import { SlipwayError } from '../base/index.ts';

/** Splits into fields. Throws `OUTPUT_INVALID` for quotes that do not pair. */
export function splitFields(text: string): readonly string[] {
  const fields: string[] = [];
  let at = 0;
  do {
    if (text[at] === '"') {
      const match = /"((?:[^"]|"")*)"(?=,|$)/y;
      match.lastIndex = at;
      const found = match.exec(text);
      if (found === null) throw new SlipwayError('OUTPUT_INVALID', `a quote is not closed, or something follows it: ${text.slice(at)}`);
      fields.push((found[1] ?? '').replaceAll('""', '"'));
      at = match.lastIndex + 1;
    } else {
      const comma = text.indexOf(',', at);
      const end = comma < 0 ? text.length : comma;
      const field = text.slice(at, end);
      if (field.includes('"'))
        throw new SlipwayError('OUTPUT_INVALID', `a quote inside of a field: ${field}`, { hint: 'quote the whole field' });
      fields.push(field);
      at = end + 1;
    }
  } while (at <= text.length);
  return fields;
}
