// One record of comma-separated values, as RUN's mount and device options are written.

import { bad, good, type Outcome } from './outcome.ts';

/** The fields of one line. A field in double quotes may hold commas; `""` in it is a quote. */
export function parseCsvFields(line: string): Outcome<readonly string[]> {
  if (line === '') return bad('EOF', 'the value is empty');
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (line[at] !== '"') {
      const comma = line.indexOf(',', at);
      const field = comma < 0 ? line.slice(at) : line.slice(at, comma);
      const quoteAt = field.indexOf('"');
      if (quoteAt >= 0) return stray('bare " in non-quoted field', at + quoteAt);
      fields.push(field);
      if (comma < 0) return good(fields);
      at = comma + 1;
      continue;
    }
    const open = at;
    let field = '';
    for (at += 1; ;) {
      const close = line.indexOf('"', at);
      if (close < 0) return stray('extraneous or missing " in quoted field', open);
      field += line.slice(at, close);
      at = close + 1;
      if (line[at] !== '"') break;
      field += '"';
      at += 1;
    }
    fields.push(field);
    if (at >= line.length) return good(fields);
    if (line[at] !== ',') return stray('extraneous or missing " in quoted field', at);
    at += 1;
  }

  function stray(message: string, position: number): Outcome<never> {
    return bad(message, 'quote a whole field: "key=a,b"', { start: position, end: position + 1 });
  }
}
