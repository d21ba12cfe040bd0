// What a RUN has of the arguments declared so far.

import type { Scope } from './scope.ts';
import type { StageState } from './stage-state.ts';

/** Worked out once for steps that see the same arguments and environment. */
export interface DeclaredArgs {
  /** `|2 a=1 b=2 `, as history shows them; empty when there are none. */
  readonly shown: string;
  /** Those whose value a process sees. */
  readonly args: readonly string[];
  /** Those of them that have their default. */
  readonly defaultArgs: readonly string[];
  /** The environment that this is true for. */
  readonly env: readonly string[];
}

/** The arguments that the stage, and what it starts from, declared so far. */
export function declaredArgs({ scope, state }: { readonly scope: Scope; readonly state: StageState }): DeclaredArgs {
  const env = state.env.toList();
  const last = state.declared;
  if (last !== undefined && last.env === env) return last;
  let shown = state.args.size === 0 ? '' : `|${state.args.size} `;
  const args: string[] = [];
  const defaultArgs: string[] = [];
  state.args.forEach((value, name) => {
    const current = state.env.get(name);
    shown += `${name}=${current ?? value ?? ''} `;
    if (current !== value) return;
    args.push(name);
    if (!Object.hasOwn(scope.buildArgs, name)) defaultArgs.push(name);
  });
  return (state.declared = { shown, args, defaultArgs, env });
}
