// Names of files may have anything in them; a terminal must not obey it.

/** Control characters of one line as `\xNN`; those that JSON lets through (DEL and C1) as JSON has them, so that a document stays one. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, (char) => {
    const code = char.charCodeAt(0).toString(16).padStart(2, '0');
    return char < ' ' ? `\\x${code}` : `\\u00${code}`;
  });
}

/** The same for a text of many lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** The last gate before a terminal, for lines that have our own colours in them: those stay. */
export function printableText(text: string): string {
  return /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(text) ? text.split('\n').map(printableLog).join('\n') : text;
}

/** Colours and weights (SGR), but none that hides text. */
const COLOUR = /\x1b\[(?!(?:\d*;)*8(?:;\d*)*m)[\d;]{0,40}m/g;

/** A line that has colours, as steps write them: they stay, everything else that a terminal would obey is shown as `\xNN`. */
export function printableLog(line: string): string {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  if (!/[\x00-\x08\x0a-\x1f\x7f-\x9f]/.test(text)) return text;
  const colours = text.match(COLOUR) ?? [];
  return text
    .split(COLOUR)
    .map((plain, index) => `${printable(plain)}${colours[index] ?? ''}`)
    .join('');
}
