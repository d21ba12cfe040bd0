// How many columns of a terminal a text takes.

/** A text that leaves the last column free: what wraps makes the drawing higher than is known when the next one replaces it. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) < columns) return text;
  let shown = '';
  let width = 0;
  for (const character of text) {
    width += widthOf(character);
    if (width > columns - 2) break;
    shown += character;
  }
  return `${shown}…`;
}

/** Characters that take two columns: those of East Asian scripts, full-width forms, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
/** Those that take none of their own. */
const NARROW = /\p{Mn}|\p{Me}|[\u200b-\u200d\ufe00-\ufe0f]/u;

/** Columns that a text without control characters takes. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : NARROW.test(character) ? 0 : 1;
  return width;
}

/** Tabs as the spaces that a terminal makes of them: nobody knows the width of a line that has them. */
export function withoutTabs(text: string): string {
  let shown = '';
  for (const [index, part] of text.split('\t').entries()) {
    if (index > 0) shown += ' '.repeat(8 - (widthOf(shown) % 8));
    shown += part;
  }
  return shown;
}
