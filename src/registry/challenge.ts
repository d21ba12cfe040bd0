// WWW-Authenticate: what a registry wants to know of us (RFC 9110, 11.6.1; distribution token authentication).

/** One way to authenticate. Parameter names are in lower case. */
export interface Challenge {
  /** `bearer`, `basic`, in lower case. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/** Reads the header's challenges; what cannot be read ends the list. */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const text = (header ?? '').slice(0, 16 * 1024);
  const found: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };
  const skip = (chars: string): void => {
    while (at < text.length && chars.includes(text[at] ?? '')) at += 1;
  };
  for (skip(' \t,'); at < text.length; skip(' \t,')) {
    const word = take(TOKEN);
    if (word === undefined) break;
    skip(' \t');
    if (text[at] !== '=') {
      found.push({ scheme: word.toLowerCase(), parameters: {} });
      continue;
    }
    at += 1;
    skip(' \t');
    const value = text[at] === '"' ? take(QUOTED)?.replace(/\\(.)/g, '$1') : take(TOKEN);
    const current = found.at(-1);
    if (value === undefined || current === undefined) break;
    current.parameters[word.toLowerCase()] ??= value;
  }
  return found;
}
