// Backslash sequences of quoted strings.

const SIMPLE: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' };

/** What is wrong with a sequence, as offsets in the raw text. */
export interface EscapeProblem {
  readonly message: string;
  readonly start: number;
  readonly end: number;
}

/** The text that a quoted one means; the first sequence that means nothing ends it. */
export function unescape(raw: string): { readonly text: string } | EscapeProblem {
  if (!raw.includes('\\')) return { text: raw };
  let text = '';
  for (let at = 0; at < raw.length;) {
    const character = raw[at] ?? '';
    if (character !== '\\') {
      text += character;
      at += 1;
      continue;
    }
    const sequence = sequenceAt(raw, at);
    if ('message' in sequence) return sequence;
    text += sequence.text;
    at = sequence.end;
  }
  return { text };
}

function sequenceAt(raw: string, start: number): { readonly text: string; readonly end: number } | EscapeProblem {
  const letter = String.fromCodePoint(raw.codePointAt(start + 1) ?? 0);
  const simple = SIMPLE[letter];
  if (simple !== undefined) return { text: simple, end: start + 2 };
  const end = start + 1 + letter.length;
  if (letter !== 'u' && letter !== 'U') {
    return { message: `\\${letter} is no escape sequence: there are \\n, \\r, \\t, \\", \\\\, \\uNNNN and \\UNNNNNNNN`, start, end };
  }
  const wanted = letter === 'u' ? 4 : 8;
  const digits = /^[0-9a-fA-F]*/.exec(raw.slice(end, end + wanted))?.[0] ?? '';
  if (digits.length < wanted) return { message: `\\${letter} needs ${wanted} hexadecimal digits`, start, end: end + digits.length };
  const code = parseInt(digits, 16);
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    return { message: `\\${letter}${digits} is no character`, start, end: end + wanted };
  return { text: String.fromCodePoint(code), end: end + wanted };
}
