// Failures in the words that BuildKit's clients and their users know: what we keep apart (message, hint, place) is one sentence there.

import type { Diagnostic, SlipwayError } from '../base/index.ts';

/** The message with what BuildKit says in it: `dockerfile parse error on line 2: …`, `… (did you mean build?)`. */
export function clientMessage(error: SlipwayError): string {
  return `${parsePrefix(error)}${error.message.replace(COMPONENT, platformComponent)}${nearMiss(error)}`;
}

const COMPONENT = /invalid platform (".*?"): (".*?") is no valid component/;

function platformComponent(_: string, platform: string, component: string): string {
  return `${component} is an invalid component of ${platform}: platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`;
}

/** BuildKit says the line that a wrong instruction begins on; not of a text that it cannot take apart, or that has no stage. */
function parsePrefix(error: SlipwayError): string {
  const { diagnostics, malformed } = error.facts as { readonly diagnostics?: readonly Diagnostic[]; readonly malformed?: boolean };
  const first = diagnostics?.[0];
  const tellsLine = malformed !== true && error.message !== 'no build stage in current context';
  return tellsLine && first?.rule === 'DOCKERFILE_SYNTAX' && first.message === error.message
    ? `dockerfile parse error on line ${(first.within ?? first.range).start.line}: `
    : '';
}

function nearMiss({ hint, message }: SlipwayError): string {
  const near = /^did you mean (?:--)?(.*)\?$/.exec(hint ?? '')?.[1];
  return near === undefined || message.includes('did you mean') ? '' : ` (did you mean ${near}?)`;
}
