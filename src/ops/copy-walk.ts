// Which entries a copy selects: globs at the top, include and exclude patterns below. The key and the copy walk alike.

import { baseName, type BytePath, fromBytePath, parentPath, SlipwayError } from '../base/index.ts';
import { type DirectoryMatch, PatternMatcher } from '../dockerfile/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import { FolderTree } from '../source/index.ts';
import { compilePathGlob, splitWildcard } from './file-glob.ts';
import { cleanPath, joinPath, resolvePath } from './file-path.ts';

/** What limits a copied directory. */
export interface CopyFilters {
  readonly include: PatternMatcher | undefined;
  readonly exclude: PatternMatcher | undefined;
}

/** Compiles the patterns of a copy. Throws `COPY_PATTERN` for a malformed one. */
export function copyFilters(patterns: {
  readonly includePatterns: readonly BytePath[];
  readonly excludePatterns: readonly BytePath[];
}): CopyFilters {
  const { includePatterns, excludePatterns } = patterns;
  // `--parents dir/./`: nothing behind the pivot is everything below it.
  const everything = includePatterns.some((pattern) => cleanPath(pattern) === '');
  return {
    include: everything ? undefined : compile('includepatterns', includePatterns),
    exclude: compile('excludepatterns', excludePatterns),
  };
}

function compile(label: string, patterns: readonly string[]): PatternMatcher | undefined {
  if (patterns.length === 0) return undefined;
  const compiled = PatternMatcher.compile(patterns.map(fromBytePath));
  if (compiled.ok) return compiled.value;
  const { message, hint } = compiled.problem;
  throw new SlipwayError(
    'COPY_PATTERN',
    `invalid ${label}: [${patterns.map(fromBytePath).join(' ')}]: ${message}`,
    hint === undefined ? {} : { hint },
  );
}

/** One source after globs: what the user named, and what it is. */
export interface CopyMatch {
  /** As named or matched; gives the base name at the destination. */
  readonly named: BytePath;
  /** With symlinks resolved. */
  readonly path: BytePath;
  readonly entry: Entry;
}

/** Told about a selected tree, a directory around what is in it. `relative` is `''` for the top. */
export interface CopyVisitor {
  /** `selected` false: only on the way to what may be selected below. False: what is in it is passed over. */
  enter(entry: Entry, relative: BytePath, selected: boolean): boolean;
  leave(entry: Entry, relative: BytePath, selected: boolean): void;
  leaf(entry: Entry, relative: BytePath): void;
}

/** Sources of a copy: the path, or all that a glob matches (each directory once, not what is in it). */
export function findMatches(
  tree: Tree,
  source: BytePath,
  options: { readonly wildcard: boolean; readonly followLinks: boolean },
): CopyMatch[] {
  const { base, pattern } = options.wildcard ? splitWildcard(source) : { base: source, pattern: '' };
  if (pattern === '') {
    const found = describe(tree, base, options.followLinks);
    return found === undefined ? [] : [found];
  }
  const glob = compilePathGlob(pattern, { emptyRanges: !(tree instanceof FolderTree) });
  const start = resolvePath(tree, base, { followLast: options.followLinks });
  const top = tree.lookup(start);
  // As BuildKit: what stands in front of the wildcard must be there; where it is a file nothing matches.
  if (top === undefined) throw missing(base);
  if (top.kind !== 'dir') return [];
  const matches: CopyMatch[] = [];
  const search = (relative: BytePath): void => {
    for (const name of tree.list(joinPath(start, relative))) {
      const path = joinPath(relative, name);
      if (glob.matches(path)) {
        const found = describe(tree, joinPath(start, path), options.followLinks);
        // BuildKit stops at a dangling symlink that a glob matches.
        if (found === undefined) throw missing(joinPath(base, path));
        matches.push(found);
      } else if (glob.mayMatchBelow(path)) search(path);
    }
  };
  search('');
  return matches;
}

/** Walks one match in order: names sorted bytewise, a directory around its content. */
export function walkMatch(tree: Tree, match: CopyMatch, filters: CopyFilters, visitor: CopyVisitor): void {
  const { include, exclude } = filters;
  const visit = (
    path: BytePath,
    relative: BytePath,
    entry: Entry,
    parentInclude?: DirectoryMatch,
    parentExclude?: DirectoryMatch,
  ): void => {
    if (entry.kind !== 'dir') {
      // A file that a glob in front of the pivot matches (`--parents */./deep`): include patterns speak of what is below a folder.
      const wanted = relative === '' ? include === undefined : (include?.file(relative, parentInclude) ?? true);
      if (wanted && (relative === '' || exclude?.file(relative, parentExclude) !== true)) visitor.leaf(entry, relative);
      return;
    }
    const inside = relative === '' ? undefined : include?.directory(relative, parentInclude);
    const outside = relative === '' ? undefined : exclude?.directory(relative, parentExclude);
    const excluded = outside?.matched === true;
    const selected = relative === '' || (!excluded && inside?.matched !== false);
    // Directories that nothing can be selected from are not looked into: of a lazy tree they are never read.
    const fruitless =
      (excluded && exclude?.mayReinclude(relative) !== true) || (inside?.matched === false && include?.mayMatchBelow(relative) !== true);
    if (fruitless) return;
    const goesOn = visitor.enter(entry, relative, selected);
    const entries = goesOn ? tree.entries?.(path) : undefined;
    for (const [at, name] of (goesOn ? tree.list(path) : []).entries()) {
      const child = entries === undefined ? tree.lookup(joinPath(path, name)) : entries[at];
      if (child !== undefined) visit(child.path, joinPath(relative, name), child, inside, outside);
    }
    visitor.leave(entry, relative, selected);
  };
  visit(match.path, '', match.entry);
}

/** `"/x": not found`, in BuildKit's words. */
export function missing(path: BytePath): SlipwayError {
  const shown = `/${fromBytePath(path)}`;
  return new SlipwayError('COPY_NOT_FOUND', `${JSON.stringify(shown)}: not found`, { facts: { path: shown } });
}

function describe(tree: Tree, named: BytePath, followLinks: boolean): CopyMatch | undefined {
  const path = followLinks
    ? resolvePath(tree, named, { followLast: true })
    : joinPath(resolvePath(tree, parentPath(named), { followLast: true }), baseName(named));
  const entry = tree.lookup(path);
  return entry === undefined ? undefined : { named, path, entry };
}
