// Names of files may have anything in them; a terminal must not obey it.

/** Control characters as `\xNN`. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Colours and weights (SGR), but none that hides text. */
const COLOUR = /\x1b\[(?!(?:\d*;)*8(?:;\d*)*m)[\d;]{0,40}m/g;

/** A line that a step wrote: its colours stay, everything else that a terminal would obey is shown as `\xNN`. */
export function printableLog(line: string): string {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  if (!/[\x00-\x08\x0a-\x1f\x7f-\x9f]/.test(text)) return text;
  const colours = text.match(COLOUR) ?? [];
  return text
    .split(COLOUR)
    .map((plain, index) => `${printable(plain)}${colours[index] ?? ''}`)
    .join('');
}
