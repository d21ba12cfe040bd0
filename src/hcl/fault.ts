// How everything that is wrong in an HCL text leaves the room: an error with a place, and all that were found as `facts.diagnostics`.

import { type Diagnostic, isSlipwayError, SlipwayError, type SourceLocation } from '../base/index.ts';

/** One mistake at one place. */
export function fault(message: string, location: SourceLocation, hint?: string): SlipwayError {
  const diagnostic: Diagnostic = {
    rule: 'HCL_INVALID',
    severity: 'error',
    message,
    range: location.range,
    ...(hint === undefined ? {} : { hint }),
  };
  return new SlipwayError('HCL_INVALID', message, {
    ...(hint === undefined ? {} : { hint }),
    facts: { diagnostics: [diagnostic] },
    location,
  });
}

/** Several mistakes of one text: the words and place of the first. */
export function faults(all: readonly SlipwayError[]): SlipwayError {
  const [first] = all;
  if (first === undefined) throw new Error('internal: no mistake to report');
  return new SlipwayError('HCL_INVALID', first.message, {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    facts: { diagnostics: all.flatMap((one) => one.facts['diagnostics'] as readonly Diagnostic[]) },
    ...(first.location === undefined ? {} : { location: first.location }),
  });
}

export function isFault(error: unknown): error is SlipwayError {
  return isSlipwayError(error, 'HCL_INVALID');
}

/** ` (did you mean "…"?)`, or nothing. */
export function didYouMean(word: string | undefined): string {
  return word === undefined ? '' : ` (did you mean ${JSON.stringify(word)}?)`;
}
