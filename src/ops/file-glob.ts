// Wildcards in the paths of copies and removals: where they begin, and which directories need not be searched for them.

import { type BytePath, fromBytePath, SlipwayError } from '../base/index.ts';
import { compileGlob, type Glob, hasWildcards } from '../dockerfile/index.ts';

/** A compiled pattern of `filepath.Match`, asked from the top of a tree down. */
export interface PathGlob {
  matches(path: BytePath): boolean;
  /** Whether something below `path` may match: its depth is not beyond the pattern's and its own names fit so far. */
  mayMatchBelow(path: BytePath): boolean;
}

/** Splits an absolute path at its first component with a wildcard; `pattern` is empty when there is none. Both without leading `/`. */
export function splitWildcard(path: BytePath): { readonly base: BytePath; readonly pattern: BytePath } {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const first = parts.findIndex(hasWildcards);
  if (first < 0) return { base: parts.join('/'), pattern: '' };
  return { base: parts.slice(0, first).join('/'), pattern: parts.slice(first).join('/') };
}

/** Compiles a relative pattern; `emptyRanges`: `[2-1]` matches nothing (default), else it is malformed. Throws `COPY_PATTERN`. */
export function compilePathGlob(pattern: BytePath, options: { readonly emptyRanges?: boolean } = {}): PathGlob {
  const whole = compile(pattern, options);
  // A class may match `/` as well: then nothing can be said about single components.
  const components = pattern.includes('[') ? undefined : pattern.split('/').map((part) => compile(part));
  return {
    matches: (path) => whole.matches(path),
    mayMatchBelow: (path) => {
      if (components === undefined) return true;
      const names = path.split('/');
      return names.length < components.length && names.every((name, index) => components[index]?.matches(name) === true);
    },
  };
}

function compile(pattern: BytePath, options: { readonly emptyRanges?: boolean } = {}): Glob {
  const compiled = compileGlob(fromBytePath(pattern), options);
  if (compiled.ok) return compiled.value;
  const { message, hint } = compiled.problem;
  throw new SlipwayError('COPY_PATTERN', message, hint === undefined ? {} : { hint });
}
