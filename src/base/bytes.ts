// Paths and names of the file system are bytes, not text.

/**
 * A path or name as bytes in a string, one char per byte (latin1 of the raw bytes). Compares and sorts bytewise.
 * For ASCII it is the text itself. `toBytePath` makes it from text, `fromBytePath` shows it, `fsPath` hands it to node:fs.
 */
export type BytePath = string;

const WIDE = /[^\x00-\x7f]/;

/** Text (UTF-16) to the bytes of its UTF-8. */
export function toBytePath(text: string): BytePath {
  return WIDE.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/** For people: the bytes read as UTF-8. */
export function fromBytePath(path: BytePath): string {
  return WIDE.test(path) ? Buffer.from(path, 'latin1').toString('utf8') : path;
}

/** For node:fs: the exact bytes. */
export function fsPath(path: BytePath): string | Buffer {
  return WIDE.test(path) ? Buffer.from(path, 'latin1') : path;
}

/** The directory that a relative path is in; empty: the top. */
export function parentPath(path: BytePath): BytePath {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The last component. */
export function baseName(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf('/') + 1);
}
