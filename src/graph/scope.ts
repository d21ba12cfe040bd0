// What the evaluation for one platform works with.

import type { Diagnostic, SourceLocation, SourceRange } from '../base/index.ts';
import { type Dockerfile, expandWord, type Expansion, problemRange, type Word } from '../dockerfile/index.ts';
import type { Platform } from '../oci/index.ts';
import type { ContextNames } from './contexts.ts';
import type { Environment } from './environment.ts';
import { Fault } from './fault.ts';
import { type GlobalScope, hintOf } from './global-args.ts';
import type { EvaluationLint } from './lint.ts';
import type { KnownMount } from './mounts.ts';
import type { GraphEdge } from './op-spec.ts';
import type { GraphOptions } from './options.ts';
import type { StageTable } from './stage-state.ts';
import type { VertexPool } from './vertex-pool.ts';

/** One evaluation. Shared by its stages; the pool by all evaluations of a call. */
export interface Scope {
  readonly dockerfile: Dockerfile;
  readonly options: GraphOptions;
  readonly pool: VertexPool;
  /** The platform to build for. */
  readonly target: Platform;
  /** Nobody asked for that platform: a base image of another one that this machine runs decides. */
  readonly implicit: boolean;
  /** Names say the platform. */
  readonly multiPlatform: boolean;
  /** With `SOURCE_DATE_EPOCH` as a number, or without it. */
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly globals: GlobalScope;
  readonly epoch: number | undefined;
  readonly proxyEnv: Readonly<Record<string, string>> | undefined;
  readonly contexts: ContextNames;
  readonly lint: EvaluationLint;
  readonly table: StageTable;
  /** Mounts without variables read so far, by their text. */
  readonly mounts: Map<string, KnownMount>;
  /** Mistakes so far; the evaluation goes on with other stages. */
  readonly faults: Diagnostic[];
  /** The build context, made a vertex when first asked for. */
  readonly buildContext: () => GraphEdge | undefined;
}

/** A place in the Dockerfile. */
export function locationOf(scope: Pick<Scope, 'dockerfile'>, range: SourceRange): SourceLocation {
  return { source: scope.dockerfile.source, range };
}

/**
 * Expands a word of a FROM or another word that no stage's environment counts for; what is wrong with it is a Fault there. `missed` hears
 * of names that have no value, also when a required one is what is wrong.
 */
export function expandAt(
  scope: Pick<Scope, 'dockerfile'>,
  word: Word,
  env: Environment,
  within?: SourceRange,
  missed?: (names: readonly string[]) => void,
): Expansion {
  const unset = new Set<string>();
  const lookup = (name: string): string | undefined => {
    const value = env.get(name);
    if (value === undefined) unset.add(name);
    return value;
  };
  const expansion = expandWord(word.text, lookup, { escape: scope.dockerfile.escape });
  missed?.([...unset]);
  if (expansion.ok) return expansion.value;
  const { message, hint } = expansion.problem;
  throw new Fault(message, problemRange(word, expansion.problem.span), { ...(within === undefined ? {} : { within }), ...hintOf(hint) });
}

/** Runs one stage's work; a Fault is kept and the answer is false. */
export function guard(scope: Pick<Scope, 'faults' | 'options' | 'lint'>, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    scope.faults.push(error.diagnostic);
    // BuildKit ends at the first mistake, and so do its checks; `slipway check` says all it can.
    if (scope.options.ownRules !== true) scope.lint.end();
    return false;
  }
}
