// What a copy takes from its source: the facts that key it, and how a missing path is explained.

import {
  baseName,
  type BytePath,
  canonicalJson,
  type Digest,
  digestOf,
  fromBytePath,
  isSlipwayError,
  parentPath,
  SlipwayError,
  suggest,
} from '../base/index.ts';
import { hasWildcards, PatternMatcher } from '../dockerfile/index.ts';
import type { CopyAction } from '../graph/index.ts';
import type { Entry, SelectedPath, Tree } from '../layer/index.ts';
import { type CopyMatch, copyFilters, findMatches, missing, walkMatch } from './copy-walk.ts';
import { splitWildcard } from './file-glob.ts';
import { cleanPath, joinPath, resolvePath } from './file-path.ts';

/** What decides which paths a copy selects. Together with the tree's identity it stands for the selection. */
export interface CopySelector {
  readonly src: BytePath;
  readonly allowWildcard: boolean;
  readonly followSymlink: boolean;
  readonly dirCopyContents: boolean;
  readonly includePatterns: readonly BytePath[];
  readonly excludePatterns: readonly BytePath[];
  readonly requiredPaths: readonly BytePath[];
}

/** The selector of a copy. */
export function selectorOf(action: CopyAction): CopySelector {
  const { src, allowWildcard, followSymlink, dirCopyContents, includePatterns, excludePatterns, requiredPaths } = action;
  return {
    src,
    allowWildcard: allowWildcard && hasWildcards(fromBytePath(src)),
    followSymlink,
    dirCopyContents,
    includePatterns,
    excludePatterns,
    requiredPaths,
  };
}

/** What a copy will likely make of what it selects: a layer's tar can be prepared while files are read. The copy itself decides. */
export interface CopyDestination {
  /** Where something goes, by the name that it counts by. */
  readonly place: (counted: BytePath, entry: Entry) => BytePath;
  readonly uid: number;
  readonly gid: number;
}

/** Undefined: it cannot be said before the copy. */
export function destinationOf({ src, dest, owner, mode, timestamp, ...action }: CopyAction): CopyDestination | undefined {
  if (mode !== undefined || timestamp !== undefined) return undefined;
  const { user, group } = owner ?? { user: { id: 0 }, group: { id: 0 } };
  if (user === undefined || group === undefined || !('id' in user) || !('id' in group)) return undefined;
  const to = cleanPath(dest);
  const place = (counted: BytePath, entry: Entry): BytePath => {
    // A file that was named: into the directory, or to the very path.
    if (counted === '') return /(^|\/)\.?$/.test(dest) ? joinPath(to, baseName(entry.path)) : to;
    const slash = action.allowWildcard && action.dirCopyContents && hasWildcards(fromBytePath(src)) ? counted.indexOf('/') : -1;
    return joinPath(to, counted.slice(slash + 1));
  };
  return { place, uid: user.id, gid: group.id };
}

/** Its name in the remembered path digests. */
export function selectorDigest(selector: CopySelector): Digest {
  return digestOf(canonicalJson({ kind: 'copy', ...selector }));
}

/**
 * The selected paths, each under the name that it counts by: relative to what was named, and for a glob with the matched name in front. A
 * directory whose content is copied counts only as being there. `onLeaf` hears of all but directories as they are found. Throws `COPY_NOT_FOUND`.
 */
export function selectPaths(tree: Tree, selector: CopySelector, onLeaf: (leaf: SelectedPath) => void = () => {}): readonly SelectedPath[] {
  const { allowWildcard: wildcard, followSymlink: followLinks } = selector;
  const matches = findMatches(tree, selector.src, { wildcard, followLinks });
  if (matches.length === 0 && !wildcard) throw missing(cleanPath(selector.src));
  const filters = copyFilters(selector);
  const selected: SelectedPath[] = [];
  for (const match of matches) {
    const prefix = wildcard ? baseName(match.named) : '';
    // Directories on the way count once something below them is selected.
    const waiting: SelectedPath[] = [];
    const open: SelectedPath[] = [];
    walkMatch(tree, match, filters, {
      enter: (entry, relative, isSelected) => {
        const counted = relative === '' && selector.dirCopyContents ? { ...THERE, path: entry.path } : entry;
        const item = { path: joinPath(prefix, relative), entry: counted };
        open.push(item);
        waiting.push(item);
        if (isSelected) selected.push(...waiting.splice(0));
        return true;
      },
      leave: () => {
        const item = open.pop();
        if (waiting.at(-1) === item) waiting.pop();
      },
      leaf: (entry, relative) => {
        selected.push(...waiting.splice(0));
        const leaf = { path: joinPath(prefix, relative), entry };
        selected.push(leaf);
        onLeaf(leaf);
      },
    });
  }
  checkRequired(selector, selected);
  return selected;
}

/** The directory that a selector takes whole, and what counts as itself (no attributes); undefined when it takes something else. */
export function selectedDirectory(tree: Tree, selector: CopySelector): { readonly path: BytePath; readonly top: Entry } | undefined {
  const { src, allowWildcard, followSymlink: followLinks, dirCopyContents, includePatterns, excludePatterns, requiredPaths } = selector;
  if (allowWildcard || includePatterns.length + excludePatterns.length + requiredPaths.length > 0) return undefined;
  const match = findMatches(tree, src, { wildcard: false, followLinks })[0];
  if (match?.entry.kind !== 'dir') return undefined;
  const top = dirCopyContents ? THERE : match.entry;
  return top.xattrs === undefined ? { path: match.path, top } : undefined;
}

/** A directory that counts without its own metadata. */
const THERE: Entry = { path: '', kind: 'dir', mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 };

function checkRequired(selector: CopySelector, selected: readonly SelectedPath[]): void {
  const base = cleanPath(selector.src);
  for (const required of selector.requiredPaths) {
    const wanted = cleanPath(required);
    const found = selected.some(({ path }) => {
      const whole = joinPath(base, path);
      return whole === wanted || whole.startsWith(wanted === '' ? '' : `${wanted}/`);
    });
    if (!found) throw missing(wanted);
  }
}

/**
 * Nothing matched below a folder that BuildKit would not have been sent, for nothing else of it is taken: a mistake there too, unlike a
 * wildcard at the top of the context. Throws `COPY_NOT_FOUND`.
 */
export function refuseUnsent(tree: Tree, selector: CopySelector, selected: readonly SelectedPath[], taken: readonly BytePath[]): void {
  const isPattern = selector.allowWildcard || selector.includePatterns.length > 0;
  if (!isPattern || selected.some(({ path, entry }) => path !== '' || entry.kind !== 'dir')) return;
  const base = selector.allowWildcard ? splitWildcard(selector.src).base : cleanPath(selector.src);
  if (base === '') return;
  const isSent = taken.some((source) => sentFor(tree, source).some(({ named, path }) => overlaps(named, base) || overlaps(path, base)));
  if (isSent) return;
  const error = missing(cleanPath(selector.allowWildcard ? selector.src : joinPath(base, selector.includePatterns[0] ?? '')));
  if (tree.lookup(resolvePath(tree, base, { followLast: true }))?.kind !== 'dir') throw error;
  const hint = `nothing in ${JSON.stringify(`/${fromBytePath(base)}`)} matches; BuildKit refuses that too unless more of that folder is copied`;
  throw new SlipwayError(error.code, error.message, { hint, facts: error.facts });
}

/** What BuildKit is sent for a source: where a wildcard on the way meets a symlink, all that this wildcard matches. */
function sentFor(tree: Tree, source: BytePath): readonly CopyMatch[] {
  const parts = cleanPath(source).split('/');
  for (let end = 1; end < parts.length; end += 1) {
    if (!hasWildcards(fromBytePath(parts[end - 1] as BytePath))) continue;
    const there = matchesOf(tree, parts.slice(0, end).join('/'), false);
    if (there.some(({ entry }) => entry.kind === 'symlink')) return there;
  }
  return matchesOf(tree, source);
}

function matchesOf(tree: Tree, source: BytePath, followLinks = true): readonly CopyMatch[] {
  try {
    return findMatches(tree, source, { wildcard: hasWildcards(fromBytePath(source)), followLinks });
  } catch (error) {
    if (isSlipwayError(error)) return []; // said where that path is taken
    throw error;
  }
}

/** One of them is, or is in, the other. */
function overlaps(first: BytePath, second: BytePath): boolean {
  const [a, b] = [cleanPath(first), cleanPath(second)];
  const isIn = (inner: BytePath, outer: BytePath): boolean => outer === '' || inner === outer || inner.startsWith(`${outer}/`);
  return isIn(a, b) || isIn(b, a);
}

/** Says more about a path that is not there: what else is, or which pattern hides it. */
export function explainMissing(
  error: SlipwayError,
  tree: Tree,
  about: { readonly where: string; readonly ignored?: (path: BytePath) => boolean; readonly patterns?: readonly string[] },
): SlipwayError {
  if (error.hint !== undefined) return error;
  const path = cleanPath(Buffer.from(String(error.facts['path'] ?? ''), 'utf8').toString('latin1'));
  const options = { facts: { ...error.facts, where: about.where }, cause: error };
  if (about.ignored?.(path) === true) {
    const pattern = about.patterns === undefined ? undefined : lastMatching(about.patterns, path);
    const by = pattern === undefined ? 'a pattern of .dockerignore' : `the pattern ${JSON.stringify(pattern)} of .dockerignore`;
    return new SlipwayError(error.code, error.message, { ...options, hint: `it is there, but ${by} leaves it out` });
  }
  if (/^(?:-|–|—)/.test(fromBytePath(path))) {
    const hint = 'this was taken for a path: flags begin with two plain hyphens, and stand in front of the paths';
    return new SlipwayError(error.code, error.message, { ...options, hint });
  }
  const above = parentPath(path);
  if (above !== '' && tree.lookup(resolvePath(tree, above, { followLast: true }))?.kind === 'file') {
    return new SlipwayError(error.code, error.message, { ...options, hint: `${JSON.stringify(`/${fromBytePath(above)}`)} is a file` });
  }
  const dangling = danglingLink(tree, path);
  if (dangling !== undefined) return new SlipwayError(error.code, error.message, { ...options, hint: dangling });
  let parent = parentPath(path);
  let name = baseName(path);
  while (parent !== '' && tree.lookup(resolvePath(tree, parent, { followLast: true }))?.kind !== 'dir') {
    name = baseName(parent);
    parent = parentPath(parent);
  }
  const near = suggest(fromBytePath(name), tree.list(resolvePath(tree, parent, { followLast: true })).map(fromBytePath));
  const hint =
    near === undefined
      ? `there is no such file or directory in ${about.where}; paths are relative to its root`
      : `did you mean ${JSON.stringify(`/${fromBytePath(joinPath(parent, ''))}${parent === '' ? '' : '/'}${near}`)}?`;
  return new SlipwayError(error.code, error.message, { ...options, hint });
}

/** Says where the symlink goes that a path ends at, or passes, where nothing is behind it. */
function danglingLink(tree: Tree, path: BytePath): string | undefined {
  let at: BytePath = '';
  for (const part of path.split('/')) {
    at = joinPath(at, part);
    const entry = tree.lookup(resolvePath(tree, at, { followLast: false }));
    if (entry?.kind !== 'symlink') continue;
    if (tree.lookup(resolvePath(tree, at, { followLast: true })) !== undefined) continue;
    return `${JSON.stringify(`/${fromBytePath(at)}`)} is a symlink to ${JSON.stringify(fromBytePath(entry.link ?? ''))}, which is not there`;
  }
  return undefined;
}

function lastMatching(patterns: readonly string[], path: BytePath): string | undefined {
  return [...patterns].reverse().find((pattern) => {
    if (pattern.startsWith('!')) return false;
    const compiled = PatternMatcher.compile([pattern]);
    return compiled.ok && compiled.value.matches(path);
  });
}
