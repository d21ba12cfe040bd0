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
}

/** What it was worked out from. */
interface Known extends DeclaredArgs {
  readonly env: readonly string[];
  readonly count: number;
}

const known = new WeakMap<StageState, Known>();

/** The arguments that the stage, and what it starts from, declared so far. */
export function declaredArgs({ scope, state }: { readonly scope: Scope; readonly state: StageState }): DeclaredArgs {
  const env = state.env.toList();
  const count = state.args.length;
  const last = known.get(state);
  if (last !== undefined && last.env === env && last.count === count) return last;
  const values = new Map<string, string>();
  const visible = new Set<string>();
  for (const { name, value } of state.args) {
    const current = state.env.get(name);
    values.set(name, current ?? value ?? '');
    if (current === value) visible.add(name);
  }
  let shown = values.size === 0 ? '' : `|${values.size} `;
  for (const [name, value] of values) shown += `${name}=${value} `;
  const args = [...visible];
  const declared = { shown, args, defaultArgs: args.filter((name) => !Object.hasOwn(scope.buildArgs, name)), env, count };
  known.set(state, declared);
  return declared;
}
