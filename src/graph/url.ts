// http addresses as ADD reads them.

/** Whether it begins like one. */
export function isHttpUrl(text: string): boolean {
  return text.startsWith('http://') || text.startsWith('https://');
}

/** Name of the file that an address gives: the last part of its path. */
export function urlFilename(address: string): string {
  const path = /^[^:]+:\/\/[^/?#]*([^?#]*)/.exec(address)?.[1] ?? '';
  const name =
    path
      .replace(/(?<!\/)\/+$/, '')
      .split('/')
      .at(-1) ?? '';
  if (name === '' || name === '.') return '__unnamed__';
  try {
    const decoded = decodeURIComponent(name);
    const last = decoded.slice(decoded.lastIndexOf('/') + 1);
    return last === '' || last === '.' || last === '..' || last.includes('\0') ? '__unnamed__' : last;
  } catch {
    return '__unnamed__'; // not a URL, so without a path
  }
}
