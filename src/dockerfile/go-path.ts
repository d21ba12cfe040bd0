// Go's lexical path functions for slash paths. They work on text and on BytePath alike.

/** Go's `path.Clean`: shortest equal path; `''` becomes `.`; `..` does not climb over a root. */
export function cleanPath(path: string): string {
  if (path === '/' || CLEAN.test(path)) return path;
  const rooted = path.startsWith('/');
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') kept.push(part);
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (!rooted) kept.push(part);
  }
  const joined = kept.join('/');
  if (rooted) return `/${joined}`;
  return joined === '' ? '.' : joined;
}

// Nothing in it that Clean could take away: no empty part, none that begins with a dot.
const CLEAN = /^\/?[^/.][^/]*(?:\/[^/.][^/]*)*$/;
