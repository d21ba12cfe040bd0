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

function parsePrefix(error: SlipwayError): string {
  const { diagnostics } = error.facts as { readonly diagnostics?: readonly Diagnostic[] };
  const first = diagnostics?.[0];
  return first?.rule === 'DOCKERFILE_SYNTAX' && first.message === error.message
    ? `dockerfile parse error on line ${first.range.start.line}: `
    : '';
}

function nearMiss({ hint, message }: SlipwayError): string {
  const near = /^did you mean (?:--)?(.*)\?$/.exec(hint ?? '')?.[1];
  return near === undefined || message.includes('did you mean') ? '' : ` (did you mean ${near}?)`;
}
