// One line of CSV, as clients write lists into one attribute.

/** The fields; none for an empty text. */
export function splitFields(text: string): string[] {
  if (text === '') return [];
  const result: string[] = [];
  for (let at = 0; at <= text.length;) {
    if (text[at] === '"') {
      let value = '';
      for (at += 1; at < text.length; at += 1) {
        if (text[at] !== '"') value += text[at];
        else if (text[at + 1] === '"') value += text[++at];
        else break;
      }
      result.push(value);
      const comma = text.indexOf(',', at);
      at = comma < 0 ? text.length + 1 : comma + 1;
    } else {
      const comma = text.indexOf(',', at);
      result.push(text.slice(at, comma < 0 ? undefined : comma));
      at = comma < 0 ? text.length + 1 : comma + 1;
    }
  }
  return result;
}
