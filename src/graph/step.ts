// One instruction while it is evaluated.

import { canonicalJson, digestOf, type SourceLocation, type SourceRange } from '../base/index.ts';
import { type ExpandOptions, expandText, hasMeaning, type Problem, problemRange, type Word } from '../dockerfile/index.ts';
import type { ImageConfig, Platform } from '../oci/index.ts';
import { commit } from './config-draft.ts';
import { declaredArgs } from './declared-args.ts';
import { Fault } from './fault.ts';
import { hintOf } from './global-args.ts';
import type { GraphEdge, GraphVertex, OpSpec, VertexAbout } from './op-spec.ts';
import type { Scope } from './scope.ts';
import type { StageCommand, StageState } from './stage-state.ts';
import { stepName } from './step-name.ts';

/** The surroundings of an instruction. */
export interface Step {
  readonly scope: Scope;
  readonly state: StageState;
  readonly command: StageCommand;
  readonly location: SourceLocation;
  /** Which of its kind it is in its stage, from 0: by this a step is found again in another version of the file. */
  readonly ordinal: number;
  /** Vertices made by it. */
  made: GraphVertex[] | undefined;
  /** Variables that its words were expanded with so far. */
  used: Map<string, string> | undefined;
}

/**
 * Expands a word of the instruction with the stage's environment; names that nothing declares are reported. What is wrong with it is a
 * Fault at the word, or at the instruction where only the text is handed in.
 */
export function expand(step: Step, word: Word | string, options?: ExpandOptions): string {
  const text = typeof word === 'string' ? word : word.text;
  if (!hasMeaning(text)) return text;
  const { scope, state } = step;
  let missed: Set<string> | undefined;
  const lookup = (name: string): string | undefined => {
    const value = state.env.get(name);
    if (value === undefined) (missed ??= new Set()).add(name);
    else (step.used ??= new Map<string, string>()).set(name, value);
    return value;
  };
  const expansion = expandText(text, lookup, options ?? { escape: scope.dockerfile.escape });
  if (missed !== undefined) reportUnset(step, missed); // also when a required one is what is wrong
  if (!expansion.ok) throw wordFault(step, expansion.problem, typeof word === 'string' ? undefined : word);
  return expansion.value;
}

/** Reports variables that neither the environment nor a declared ARG has. */
export function reportUnset(step: Step, names: Iterable<string>): void {
  const { scope, state, command } = step;
  if (state.baseUnknown) return; // the base may have set them
  for (const name of names) {
    if (!state.args.has(name)) scope.lint.undefinedVariable(name, state.env, command);
  }
}

/** Where in an instruction a mistake is. */
interface FaultPlace {
  readonly word?: Word | undefined;
  /** The part of the word's text. */
  readonly span?: Problem['span'];
  readonly related?: { range: SourceRange; message: string };
}

/** A problem of a word's text as a mistake in the instruction. */
export function wordFault(step: Step, { message, hint, span }: Problem, word: Word | undefined): Fault {
  const isArray = word !== undefined && /^\[["']/.test(word.text);
  return fault(step, message, isArray ? 'in an array strings stand in double quotes, commas between them' : hint, { word, span });
}

/** A mistake in the instruction; in its `word`, where that is known. */
export function fault(step: Step, message: string, hint?: string, { word, related, span }: FaultPlace = {}): Fault {
  const { range, onbuild } = step.command;
  // A trigger's words are in another text: of it only the FROM that made it run has a place here.
  const exact = word === undefined || onbuild ? {} : { range: problemRange(word, span), within: range };
  return new Fault(message, exact.range ?? range, {
    ...hintOf(hint),
    ...(exact.within === undefined ? {} : { within: exact.within }),
    ...(related === undefined ? {} : { related: [related] }),
  });
}

/** Makes a vertex of this step. */
export function makeEdge(
  step: Step,
  op: OpSpec,
  inputs: readonly GraphEdge[],
  name: string,
  options: { readonly platform?: Platform; readonly ignoreCache?: boolean; readonly sources?: readonly SourceRange[] | undefined } = {},
): GraphEdge {
  const { platform = step.state.platform, ignoreCache, sources } = options;
  const said: Draft<VertexAbout> = about(step, name, ignoreCache);
  if (sources !== undefined) said.sources = sources;
  const vertex = step.scope.pool.vertex(op, inputs, platform, said);
  if (step.made === undefined) step.made = [vertex];
  else step.made.push(vertex);
  return { vertex, output: 0 };
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** What people are told about a vertex of this step. */
export function about(step: Step, name: string, ignoreCache = false): VertexAbout {
  const { state, command, location, ordinal, used } = step;
  const { original: instruction, kind } = command.instruction;
  const said: Draft<VertexAbout> = { name, stage: state.name, stageIndex: state.index, instruction, location, ordinal };
  if (kind === 'RUN') addOrigins(step, said);
  if (used !== undefined) said.uses = usesOf(step, used);
  if (ignoreCache) said.ignoreCache = ignoreCache;
  return said;
}

const configDigests = new WeakMap<ImageConfig, string>();

/** Tells configurations apart; computed once for each. */
function configDigest(config: ImageConfig): string {
  let digest = configDigests.get(config);
  if (digest === undefined) configDigests.set(config, (digest = digestOf(canonicalJson(config.config ?? {}))));
  return digest;
}

/** What a RUN has from elsewhere: which variables are ARG's, and the base's configuration, so that a change is called what it is. */
function addOrigins(step: Step, said: Draft<VertexAbout>): void {
  const { state } = step;
  if (state.baseConfig !== undefined) said.baseConfig = configDigest(state.baseConfig);
  if (state.args.size === 0) return;
  const { args, defaultArgs } = declaredArgs(step);
  said.args = args;
  said.defaultArgs = defaultArgs;
}

/** What the words of the instruction were expanded with. */
function usesOf({ scope, state }: Step, used: ReadonlyMap<string, string>): NonNullable<VertexAbout['uses']> {
  const kindOf = (name: string, value: string): 'arg' | 'default' | 'env' => {
    if (state.args.get(name) !== value) return 'env';
    return Object.hasOwn(scope.buildArgs, name) ? 'arg' : 'default';
  };
  return Array.from(used, ([name, value]) => ({ name, value, kind: kindOf(name, value) }));
}

/** The next name of the stage's count. `again`: another name for the same count. */
export function nameStep(step: Step, text: string, again = false): string {
  const { state, command } = step;
  return stepName(state.steps, command.onbuild ? `ONBUILD ${text}` : text, state.platform, state.env, again);
}

/** Adds the history entry. `output` undefined: no layer. */
export function record(step: Step, text: string, output?: GraphEdge): void {
  commit(step.state.draft, text, output, step.scope.epoch);
}

/** Inputs of an operation, each edge once. */
export class InputList {
  edges: readonly GraphEdge[] = [];

  /** Index of the edge; -1 for the empty tree. */
  add(edge: GraphEdge | undefined): number {
    if (edge === undefined) return -1;
    const { edges } = this;
    const known = edges.findIndex((one) => one.vertex === edge.vertex && one.output === edge.output);
    if (known >= 0) return known;
    this.edges = edges.length === 0 ? [edge] : [...edges, edge];
    return edges.length;
  }
}
