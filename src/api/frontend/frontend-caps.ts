// Abilities that a client requires of the frontend before it sends options that an older one would ignore.

import { detail, RpcError } from '../wire/rpc-error.ts';

const KNOWN: readonly string[] = [
  'moby.buildkit.frontend.inputs',
  'moby.buildkit.frontend.subrequests',
  'moby.buildkit.frontend.contexts',
  'moby.buildkit.frontend.gitquerystring',
];

/** Reads the list; `known` is what the frontend can. A name with `+forward` may be unknown here when another frontend does the work. */
export function checkCaps(
  list: string,
  known: readonly string[] = KNOWN,
): { readonly refusal: RpcError | undefined; readonly mayForward: boolean } {
  let refusal: RpcError | undefined;
  let mayForward = true;
  for (const word of list.split(',')) {
    if (word === '') continue;
    const forward = word.endsWith('+forward');
    const name = forward ? word.slice(0, -'+forward'.length) : word;
    if (known.includes(name)) continue;
    if (!forward) mayForward = false;
    refusal = new RpcError('unimplemented', `unsupported frontend capability ${name}`, [detail('errdefs.FrontendCap', { name })]);
  }
  return { refusal, mayForward };
}
