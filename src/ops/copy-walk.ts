// Which entries a copy selects: globs at the top, include and exclude patterns below. The key and the copy walk alike.

import { type BytePath, fromBytePath, isSlipwayError, SlipwayError } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import { compileGlob, hasWildcard, splitWildcard } from './file-glob.ts';
import { baseName, joinPath, parentPath, resolvePath } from './file-path.ts';

/** Patterns of `.dockerignore`'s language, to be asked from the top down. */
export interface PathPatterns {
  /** Some pattern is an exception (`!x`): a matched directory may have unmatched things in it. */
  readonly hasExceptions: boolean;
  /** `parent` is the state that this gave for the directory of `path`; undefined at the top. */
  match(path: string, parent: unknown): { readonly matched: boolean; readonly state: unknown };
}

/** Compiles patterns; throws for a malformed one. */
export type CompilePatterns = (patterns: readonly string[]) => PathPatterns;

/** What limits a copied directory. */
export interface CopyFilters {
  readonly include: PathPatterns | undefined;
  readonly exclude: PathPatterns | undefined;
  /** Whether an include pattern may match below this directory: what it cannot is never read. */
  readonly mayInclude: (directory: BytePath) => boolean;
}

/** Compiles the patterns of a copy. */
export function copyFilters(
  patterns: { readonly includePatterns: readonly string[]; readonly excludePatterns: readonly string[] },
  compile: CompilePatterns,
): CopyFilters {
  const named = (label: string, list: readonly string[]): PathPatterns | undefined => {
    if (list.length === 0) return undefined;
    try {
      return compile(list);
    } catch (error) {
      if (!isSlipwayError(error)) throw error;
      throw new SlipwayError('COPY_PATTERN', `invalid ${label}: ${JSON.stringify(list)}: ${error.message}`, { cause: error });
    }
  };
  const wanted = patterns.includePatterns.map((pattern) => pattern.split('/').filter((part) => part !== '' && part !== '.'));
  const plain = wanted.every((parts) => parts.every((part) => part !== '..' && !part.includes('**') && !part.startsWith('!')));
  return {
    include: named('includepatterns', patterns.includePatterns),
    exclude: named('excludepatterns', patterns.excludePatterns),
    mayInclude: (directory) => {
      if (!plain || wanted.length === 0) return true;
      const names = fromBytePath(directory).split('/');
      return wanted.some((parts) =>
        names.every((name, at) => at >= parts.length || parts[at] === name || hasWildcard(parts[at] as string)),
      );
    },
  };
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
  /** `selected` false: only on the way to what may be selected below. */
  enter(entry: Entry, relative: BytePath, selected: boolean): void;
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
  const glob = compileGlob(pattern);
  const start = resolvePath(tree, base, { followLast: options.followLinks });
  if (tree.lookup(start) === undefined) throw missing(base);
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
  const visit = (path: BytePath, relative: BytePath, parentInclude: unknown, parentExclude: unknown): void => {
    let selected = true;
    let excluded = false;
    let includeState: unknown;
    let excludeState: unknown;
    if (relative !== '' && (include !== undefined || exclude !== undefined)) {
      const text = fromBytePath(relative);
      if (include !== undefined) ({ matched: selected, state: includeState } = include.match(text, parentInclude));
      if (exclude !== undefined) ({ matched: excluded, state: excludeState } = exclude.match(text, parentExclude));
      if (excluded) selected = false;
      if (!selected && include === undefined && exclude?.hasExceptions !== true) return;
    }
    const entry = relative === '' ? match.entry : tree.lookup(path);
    if (entry === undefined) return;
    if (entry.kind !== 'dir') {
      if (selected) visitor.leaf(entry, relative);
      return;
    }
    visitor.enter(entry, relative, selected);
    if ((!excluded || exclude?.hasExceptions === true) && (selected || relative === '' || filters.mayInclude(relative))) {
      for (const name of tree.list(path)) visit(joinPath(path, name), joinPath(relative, name), includeState, excludeState);
    }
    visitor.leave(entry, relative, selected);
  };
  visit(match.path, '', undefined, undefined);
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
