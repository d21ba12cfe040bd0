// Comma separated values, as Go reads them.

import { Refusal } from '../scope.ts';

interface Row {
  readonly fields: readonly string[];
  readonly line: number;
}

/** Rows that all have as many fields as the first. Empty lines do not count. */
export function parseCsv(text: string): readonly Row[] {
  const reader = { text: text.replaceAll('\r\n', '\n'), at: 0, line: 1 };
  const rows: Row[] = [];
  while (reader.at < reader.text.length) {
    if (reader.text[reader.at] === '\n') {
      reader.at += 1;
      reader.line += 1;
      continue;
    }
    const { line } = reader;
    const fields = readRow(reader);
    const [first] = rows;
    if (first !== undefined && fields.length !== first.fields.length) {
      throw new Refusal(`line ${line} has ${fields.length} fields, the first has ${first.fields.length}`, 0);
    }
    rows.push({ fields, line });
  }
  return rows;
}

interface Reader {
  readonly text: string;
  at: number;
  line: number;
}

function readRow(reader: Reader): readonly string[] {
  const fields: string[] = [];
  for (;;) {
    fields.push(reader.text[reader.at] === '"' ? quotedField(reader) : plainField(reader));
    const separator = reader.text[reader.at];
    reader.at += 1;
    if (separator === ',') continue;
    reader.line += 1;
    return fields;
  }
}

function plainField(reader: Reader): string {
  const end = /[,\n]|$/g;
  end.lastIndex = reader.at;
  const stop = end.exec(reader.text)?.index ?? reader.text.length;
  const field = reader.text.slice(reader.at, stop);
  if (field.includes('"')) throw new Refusal(`line ${reader.line}: a double quote stands within a field that does not begin with one`, 0);
  reader.at = stop;
  return field;
}

function quotedField(reader: Reader): string {
  let field = '';
  const { line } = reader;
  for (let at = reader.at + 1; ;) {
    const quote = reader.text.indexOf('"', at);
    if (quote < 0) throw new Refusal(`line ${line}: a quoted field has no end`, 0);
    field += reader.text.slice(at, quote);
    if (reader.text[quote + 1] === '"') {
      field += '"';
      at = quote + 2;
      continue;
    }
    reader.at = quote + 1;
    reader.line += field.split('\n').length - 1;
    const behind = reader.text[reader.at];
    if (behind !== undefined && behind !== ',' && behind !== '\n')
      throw new Refusal(`line ${reader.line}: text stands behind a quoted field`, 0);
    return field;
  }
}
