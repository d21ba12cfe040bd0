// A mistake of the user's that ends the evaluation of a stage. It leaves the instruction as an exception and the graph as data.

import { type Diagnostic, SlipwayError, type SourceRange, type SourceText } from '../base/index.ts';
import type { Dockerfile } from '../dockerfile/index.ts';

/** Code of all mistakes that show only when a Dockerfile is evaluated. */
const INVALID = 'DOCKERFILE_INVALID';

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

/** The error a graph ends with: the first mistake's words and place, and all of them as `facts.diagnostics`. */
export function invalidDockerfile(diagnostics: readonly Diagnostic[], source: SourceText): SlipwayError {
  const first = diagnostics[0];
  if (first === undefined) throw new Error('internal: no mistake to report');
  return mistake(first, { diagnostics }, source);
}

/**
 * The error that a text with mistakes is refused by; undefined when it has none. It has the words of what BuildKit's parser stops at, else of the
 * first. `facts.malformed`: the text was not even taken apart into instructions.
 */
export function brokenDockerfile({ diagnostics, malformed, stopsAt, source }: Dockerfile): SlipwayError | undefined {
  const mistakes = diagnostics.filter(({ severity }) => severity === 'error');
  const first = stopsAt ?? mistakes[0];
  return first === undefined ? undefined : mistake(first, { diagnostics: mistakes, ...(malformed ? { malformed } : {}) }, source);
}

function mistake({ message, hint, range }: Diagnostic, facts: Readonly<Record<string, unknown>>, source: SourceText): SlipwayError {
  return new SlipwayError('DOCKERFILE_INVALID', message, { ...(hint === undefined ? {} : { hint }), facts, location: { source, range } });
}
