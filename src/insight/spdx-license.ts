// License expressions (SPDX 2.3, annex D) out of what packages say of themselves.

import { exceptionId, licenseId } from './spdx-ids.ts';

/** A license that the list does not have, as a document must tell of it. */
export interface ExtractedLicense {
  readonly licenseId: string;
  readonly extractedText: string;
}

/** An expression that a document may have as it is, with the licenses in it that the list does not have. */
export interface LicenseExpression {
  readonly text: string;
  readonly extracted: readonly ExtractedLicense[];
}

/** Longer ones are texts, no expressions. */
const LONGEST = 1000;
const TOKEN = /\s*(?:([()])|([A-Za-z0-9.-]+\+?))/y;

/** Reads an expression; undefined when it is none. Names outside the list, `UNLICENSED` or `BSD`, become references of the document. */
export function licenseExpression(written: string): LicenseExpression | undefined {
  const tokens = tokensOf(written);
  if (tokens === undefined) return undefined;
  const extracted = new Map<string, string>();
  const out: string[] = [];
  let wantsTerm = true;
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1];
    if (token === '(' && wantsTerm) depth += 1;
    else if (token === ')' && !wantsTerm && depth > 0) depth -= 1;
    else if ((token === 'AND' || token === 'OR') && !wantsTerm) wantsTerm = true;
    else if (token === 'WITH' && !wantsTerm && before !== ')' && tokens[index - 2] !== 'WITH') wantsTerm = true;
    else if (!wantsTerm || !isName(token)) return undefined;
    else {
      const name = before === 'WITH' ? exceptionId(token) : licenseOf(token, extracted);
      if (name === undefined) return undefined;
      out.push(name);
      wantsTerm = false;
      continue;
    }
    out.push(token);
  }
  if (wantsTerm || depth > 0) return undefined;
  return {
    text: out.join(' ').replaceAll('( ', '(').replaceAll(' )', ')'),
    extracted: [...extracted].map(([id, extractedText]) => ({ licenseId: id, extractedText })),
  };
}

/** `GPL-2.0+` is known by its name without the sign. */
function licenseOf(token: string, extracted: Map<string, string>): string {
  const [, name = '', later = ''] = /^(.*?)(\+?)$/.exec(token) ?? [];
  const known = licenseId(name);
  if (known !== undefined) return known + later;
  const id = `LicenseRef-${name.replace(/^LicenseRef-/, '')}${later === '' ? '' : '-or-later'}`;
  extracted.set(id, token);
  return id;
}

function isName(token: string): boolean {
  return !/^(?:[()]|AND|OR|WITH|NONE|NOASSERTION)$/.test(token);
}

function tokensOf(written: string): readonly string[] | undefined {
  const text = written.trim();
  if (text.length > LONGEST) return undefined;
  const tokens: string[] = [];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length;) {
    const match = TOKEN.exec(text);
    if (match === null) return undefined;
    tokens.push(match[1] ?? (match[2] as string));
  }
  return tokens;
}
