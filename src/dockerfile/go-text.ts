// Go's notions of space, trimming and quoting, where the language's meaning hangs on them.

/** Whether a UTF-16 unit is a space for Go's `unicode.IsSpace`. */
export function isSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  if (code < 0x85) return false;
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** First index at or after `start` that is no space; `end` when there is none. */
export function skipSpace(text: string, start: number, end = text.length): number {
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if ((code > 0x20 && code < 0x80) || !isSpace(code)) return at;
  }
  return Math.max(start, end);
}

/** Index after the last character before `end` that is no space; `start` when there is none. */
export function trimEndIndex(text: string, start: number, end: number): number {
  for (let at = end; at > start; at -= 1) {
    const code = text.charCodeAt(at - 1);
    if ((code > 0x20 && code < 0x80) || !isSpace(code)) return at;
  }
  return Math.min(start, end);
}

/** Go's `strings.TrimSpace`. */
export function trimSpace(text: string): string {
  const start = skipSpace(text, 0);
  return text.slice(start, trimEndIndex(text, start, text.length));
}

/** Go's `%q`: double quotes, with escapes for what does not print. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text) out += quoteChar(char);
  return `${out}"`;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

function quoteChar(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f && char !== '"' && char !== '\\') return char;
  const short = SHORT_ESCAPES[char];
  if (short !== undefined) return short;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char)) return char;
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, '0');
}

/** Go's `strconv.ParseBool`; undefined when it is none. */
export function parseGoBool(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
  return undefined;
}

/** Compares by code points, as Go compares UTF-8 strings bytewise. */
export function compareBytewise(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left === right) continue;
    // A surrogate stands for a code point above every other UTF-16 unit.
    const leftWide = left >= 0xd800 && left <= 0xdfff;
    const rightWide = right >= 0xd800 && right <= 0xdfff;
    if (leftWide !== rightWide) return leftWide ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}
