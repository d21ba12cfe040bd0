// Failures: the world refused. What the user wrote wrong is a Diagnostic; a bug is a plain Error.

import type { SourceLocation } from './diagnostic.ts';

/** What a SlipwayError may carry beside its code and message. */
export interface SlipwayErrorOptions extends ErrorOptions {
  /** The next step for the user, one sentence, lower case. */
  readonly hint?: string;
  /** Typed facts for programs; never secrets. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** The place in a Dockerfile that led here. Set once, by the innermost that knows. */
  readonly location?: SourceLocation;
}

/** A failure with a stable `code` (listed in docs/errors.md). */
export class SlipwayError extends Error {
  override readonly name = 'SlipwayError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  /** The Dockerfile place; added going up by `locate`. */
  location: SourceLocation | undefined;

  constructor(code: string, message: string, options: SlipwayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.facts = options.facts ?? {};
    this.location = options.location;
  }
}

/** Several independent first causes of one failed build (two stages that both broke). */
export class BuildErrors extends SlipwayError {
  readonly errors: readonly Error[];

  constructor(errors: readonly Error[]) {
    super('BUILD_FAILED', `${errors.length} steps failed: ${errors.map((error) => error.message).join('; ')}`);
    this.errors = errors;
  }
}

/** Whether `error` is a SlipwayError, of that code when one is given. */
export function isSlipwayError(error: unknown, code?: string): error is SlipwayError {
  return error instanceof SlipwayError && (code === undefined || error.code === code);
}

/** Gives a SlipwayError its Dockerfile place unless it has one; returns the same error, to be rethrown. */
export function locate(error: unknown, location: SourceLocation | undefined): unknown {
  if (error instanceof SlipwayError && location !== undefined) error.location ??= location;
  return error;
}

/** Of a block that failed and whose clean-up failed too, the block's own failure: `using` hides it behind the other one. */
export function firstFailure(error: unknown): unknown {
  let first = error;
  while (first instanceof Error && first.name === 'SuppressedError' && 'suppressed' in first) first = first.suppressed;
  return first;
}

/** The code of a Node system error (`ENOENT`, …), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** For the end of a `switch` over a union: reaching it is a bug. */
export function unreachable(value: never): never {
  throw new Error(`internal: unexpected ${JSON.stringify(value)}`);
}
