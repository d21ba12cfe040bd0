// A mistake of the user's that ends the evaluation of a stage. It leaves the instruction as an exception and the graph as data.

import { type Diagnostic, SlipwayError, type SourceRange, type SourceText } from '../base/index.ts';

/** Code of all mistakes that show only when a Dockerfile is evaluated. */
export const INVALID = 'DOCKERFILE_INVALID';

/** Never leaves this room. */
export class Fault extends Error {
  readonly diagnostic: Diagnostic;

  constructor(message: string, range: SourceRange, more: Pick<Diagnostic, 'hint' | 'related' | 'fix' | 'within'> = {}) {
    super(message);
    this.diagnostic = { rule: INVALID, severity: 'error', message, ...more, range };
  }
}

/** Runs `work`; a Fault, or a failure that another room threw about user text, becomes a Fault at `range`. */
export function at<T>(range: SourceRange, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SlipwayError) throw new Fault(error.message, range, error.hint === undefined ? {} : { hint: error.hint });
    throw error;
  }
}

/**
 * The error a graph ends with: the first mistake's words and place, and all of them as `facts.diagnostics`. `facts.malformed`: the text
 * was not even taken apart into instructions.
 */
export function invalidDockerfile(diagnostics: readonly Diagnostic[], source: SourceText, malformed = false): SlipwayError {
  const first = diagnostics[0];
  if (first === undefined) throw new Error('internal: no mistake to report');
  return new SlipwayError(INVALID, first.message, {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    facts: { diagnostics, ...(malformed ? { malformed } : {}) },
    location: { source, range: first.range },
  });
}
