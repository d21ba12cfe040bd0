// Paths of images: always `/`, cleaned as Go's `path` package does it.

import { cleanPath } from '../dockerfile/index.ts';

export { cleanPath };

/** Joined and cleaned. Empty parts do not count. */
export function joinPath(...parts: readonly string[]): string {
  let joined = '';
  for (const part of parts) if (part !== '') joined = joined === '' ? part : `${joined}/${part}`;
  return cleanPath(joined);
}

/** Absolute and cleaned: a relative path starts at `parent`. */
export function absolutePath(parent: string, path: string): string {
  if (path.startsWith('/')) return cleanPath(path);
  const joined = parent === '/' ? `/${path}` : `${parent}/${path}`;
  return cleanPath(joined.startsWith('/') ? joined : `/${joined}`);
}

/** The same for a copy's destination, where a trailing `/` or `/.` says "a directory" and stays. */
export function destinationPath(parent: string, path: string): string {
  const written = path === '' || path === '.' ? './' : path;
  if (written.length > 1 && written.endsWith('/')) {
    const folder = absolutePath(parent, written.slice(0, -1));
    return folder === '/' ? folder : `${folder}/`;
  }
  const clean = absolutePath(parent, written);
  if (written.endsWith('/.')) return clean === '/' ? '/.' : `${clean}/.`;
  return clean;
}

/** Last element, as Go's `path.Base`. */
export function basePath(path: string): string {
  const clean = path.replace(/(?<!\/)\/+$/, '');
  if (clean === '') return path === '' ? '.' : '/';
  return clean.slice(clean.lastIndexOf('/') + 1);
}
