// The outline of a target: arguments, secrets and ssh sockets that a build of it can be given.

import type { SourceRange } from '../base/index.ts';
import type { ArgFacts } from './global-args.ts';
import type { StageState } from './stage-state.ts';

/** What a target can be given. */
export interface Outline {
  /** Name of the target; undefined when it has none. */
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly args: readonly Omit<ArgFacts, 'deps'>[];
  readonly secrets: readonly OutlineSecret[];
  readonly ssh: readonly OutlineSecret[];
}

/** A secret or ssh socket. Its first mention says whether it is required. */
export interface OutlineSecret {
  readonly name: string;
  readonly required: boolean;
  readonly range: SourceRange;
}

/** What one stage adds. Maps are made when there is something to put in. */
export interface StageOutline {
  /** The arguments of the global scope; those of the stage come first. */
  readonly globals: ReadonlyMap<string, ArgFacts>;
  args?: Map<string, ArgFacts>;
  readonly used: Set<string>;
  secrets?: Map<string, OutlineSecret>;
  ssh?: Map<string, OutlineSecret>;
}

/** A stage's outline as it starts: the global arguments, and what its parent's FROM used. */
export function startOutline(
  globals: ReadonlyMap<string, ArgFacts>,
  parent: StageOutline | undefined,
  used: readonly string[],
): StageOutline {
  const names = new Set<string>();
  parent?.used.forEach((name) => names.add(name));
  used.forEach((name) => names.add(name));
  return { globals, used: names };
}

/** Gathers over the stages a target stands on, itself first. */
export function outlineOf(target: StageState, stages: Iterable<StageState>): Outline {
  const args = new Map<string, Omit<ArgFacts, 'deps'>>();
  const secrets = new Map<string, OutlineSecret>();
  const ssh = new Map<string, OutlineSecret>();
  for (const state of stages) {
    const { outline } = state;
    withDeps(outline).forEach((name) => {
      const fact = argOf(outline, name);
      if (fact !== undefined && !args.has(name)) args.set(name, fact);
    });
    outline.secrets?.forEach((secret, id) => {
      if (!secrets.has(id)) secrets.set(id, secret);
    });
    outline.ssh?.forEach((socket, id) => {
      if (!ssh.has(id)) ssh.set(id, socket);
    });
  }
  return {
    name: target.stage?.name,
    description: target.stage?.description,
    args: byLine(args),
    secrets: byLine(secrets),
    ssh: byLine(ssh),
  };
}

/** The used arguments and those that their defaults refer to. */
function withDeps(outline: StageOutline): ReadonlySet<string> {
  if (outline.globals.size === 0) return outline.used; // no others refer to any
  const used = new Set(outline.used);
  for (const name of used) for (const dep of argOf(outline, name)?.deps ?? []) used.add(dep); // a set's iteration visits what is added
  return used;
}

function argOf(outline: StageOutline, name: string): ArgFacts | undefined {
  return outline.args?.get(name) ?? outline.globals.get(name);
}

function byLine<T extends { readonly range: SourceRange }>(facts: ReadonlyMap<string, T>): T[] {
  return [...facts.values()].sort((a, b) => a.range.start.line - b.range.start.line);
}
