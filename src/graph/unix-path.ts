// Paths of images: always `/`, cleaned as Go's `path` package does it.

import { posix } from 'node:path';

/** Shortest equal path; no trailing slash; `''` gives `.`. */
export function cleanPath(path: string): string {
  if (isPlain(path.startsWith('/') ? path.slice(1) : path)) return path; // as nearly all are
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

/** A relative path that cleaning would not change. */
function isPlain(path: string): boolean {
  return (
    path !== '' && !path.startsWith('/') && !path.startsWith('.') && !path.includes('/.') && !path.includes('//') && !path.endsWith('/')
  );
}

/** Joined and cleaned. Empty parts do not count. */
export function joinPath(...parts: readonly string[]): string {
  return cleanPath(parts.filter((part) => part !== '').join('/'));
}

/** Absolute and cleaned: a relative path starts at `parent`. */
export function absolutePath(parent: string, path: string): string {
  if (parent === '/' && isPlain(path)) return `/${path}`;
  return path.startsWith('/') ? cleanPath(path) : joinPath('/', parent, path);
}

/** The same for a copy's destination, where a trailing `/` or `/.` says "a directory" and stays. */
export function destinationPath(parent: string, path: string): string {
  const written = path === '' || path === '.' ? './' : path;
  const clean = absolutePath(parent, written);
  if (written.endsWith('/')) return clean.endsWith('/') ? clean : `${clean}/`;
  if (written.endsWith('/.')) return clean === '/' ? '/.' : `${clean}/.`;
  return clean;
}

/** Last element, as Go's `path.Base`. */
export function basePath(path: string): string {
  const clean = path.replace(/\/+$/, '');
  if (clean === '') return path === '' ? '.' : '/';
  return clean.slice(clean.lastIndexOf('/') + 1);
}
