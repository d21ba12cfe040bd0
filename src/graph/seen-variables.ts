// What an instruction sees of variables and arguments, as they are at its time.

import { Environment } from './environment.ts';
import type { Scope } from './scope.ts';
import { NO_ARGS, type StageState } from './stage-state.ts';

/** One for all instructions between two that set something. What is in it is worked out when somebody asks. */
export class SeenVariables {
  /** `NAME=value`, in order. */
  readonly env: readonly string[];
  /** The arguments that the stage, and what it starts from, declared so far. */
  readonly args: ReadonlyMap<string, string | undefined>;
  readonly buildArgs: Readonly<Record<string, string>>;
  byName: Environment | undefined;
  told: DeclaredArgs | undefined;

  constructor(env: readonly string[], args: ReadonlyMap<string, string | undefined>, buildArgs: Readonly<Record<string, string>>) {
    this.env = env;
    this.args = args;
    this.buildArgs = buildArgs;
    this.byName = undefined;
    this.told = undefined;
  }

  /** The environment by name. */
  get variables(): Environment {
    if (this.byName === undefined) {
      this.byName = new Environment();
      this.byName.addAll(this.env);
    }
    return this.byName;
  }

  /** What a RUN has of the arguments. */
  get declared(): DeclaredArgs {
    return (this.told ??= declaredArgs(this));
  }
}

/** Of a step without vertices. */
export const NOTHING_SEEN = new SeenVariables([], NO_ARGS, {});

/** What a RUN has of the arguments declared so far. */
export interface DeclaredArgs {
  /** `|2 a=1 b=2 `, as history shows them; empty when there are none. */
  readonly shown: string;
  /** Those whose value a process sees. */
  readonly args: readonly string[];
  /** Those of them that have their default. */
  readonly defaultArgs: readonly string[];
}

function declaredArgs({ args: all, variables, buildArgs }: SeenVariables): DeclaredArgs {
  let shown = all.size === 0 ? '' : `|${all.size} `;
  const args: string[] = [];
  const defaultArgs: string[] = [];
  all.forEach((value, name) => {
    const current = variables.get(name);
    shown += `${name}=${current ?? value ?? ''} `;
    if (current !== value) return;
    args.push(name);
    if (!Object.hasOwn(buildArgs, name)) defaultArgs.push(name);
  });
  return { shown, args, defaultArgs };
}

/** What the stage's next instruction sees. */
export function seenVariables({ scope, state }: { readonly scope: Scope; readonly state: StageState }): SeenVariables {
  const env = state.env.toList();
  if (state.seen?.env !== env) state.seen = new SeenVariables(env, state.args, scope.buildArgs);
  return state.seen;
}

/** Enters an argument. What was seen before stays as it was. */
export function declareArg(state: StageState, name: string, value: string | undefined): void {
  if (state.seen !== undefined || state.args === (state.parent?.args ?? NO_ARGS)) {
    state.seen = undefined;
    const before = state.args;
    state.args = new Map();
    before.forEach((given, known) => state.args.set(known, given)); // a map made of a map makes a list of each entry
  }
  state.args.set(name, value);
}
