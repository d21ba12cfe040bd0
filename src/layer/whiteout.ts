// Names that a layer's tar uses to say what is gone (OCI image spec, layer: whiteouts). On disk the same is said in overlay's way.

import type { BytePath } from '../base/index.ts';
import { OWNER_NOTE } from './kept-owners.ts';

const PREFIX = '.wh.';
const META_PREFIX = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

/** What a tar member's name means. `meta`: leftovers of AUFS that mean nothing to us. */
export type WhiteoutName =
  { readonly kind: 'whiteout'; readonly path: BytePath } | { readonly kind: 'opaque'; readonly path: BytePath } | { readonly kind: 'meta' };

/** Reads the last component; undefined for a name that is no whiteout. `path` is what is gone, or the directory that is opaque. */
export function readWhiteout(path: BytePath): WhiteoutName | undefined {
  const slash = path.lastIndexOf('/');
  const name = slash < 0 ? path : path.slice(slash + 1);
  if (!name.startsWith(PREFIX)) return undefined;
  const parent = slash < 0 ? '' : path.slice(0, slash);
  if (name === OPAQUE) return { kind: 'opaque', path: parent };
  if (name.startsWith(META_PREFIX) || name === PREFIX) return { kind: 'meta' };
  const gone = name.slice(PREFIX.length);
  if (gone === '.' || gone === '..') return { kind: 'meta' };
  return { kind: 'whiteout', path: parent === '' ? gone : `${parent}/${gone}` };
}

/** The tar name that says `path` is gone. */
export function whiteoutName(path: BytePath): BytePath {
  const slash = path.lastIndexOf('/');
  return `${path.slice(0, slash + 1)}${PREFIX}${path.slice(slash + 1)}`;
}

/** The tar name that says the directory hides what is below it in lower layers. */
export function opaqueName(directory: BytePath): BytePath {
  return directory === '' ? OPAQUE : `${directory}/${OPAQUE}`;
}

/** Attributes by which overlayfs itself steers: never taken from an archive, never into one. */
function isOverlayXattr(name: string): boolean {
  return name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');
}

/** Attributes that a layer keeps: the user's own and file capabilities, nothing that labels this machine's files. */
export function isLayerXattr(name: string): boolean {
  if (isOverlayXattr(name) || name === OWNER_NOTE) return false;
  return name === 'security.capability' || !(name.startsWith('security.') || name.startsWith('system.'));
}
