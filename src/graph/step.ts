// One instruction while it is evaluated.

import type { SourceLocation, SourceRange } from '../base/index.ts';
import { type ExpandOptions, expandText, hasMeaning, type Problem, problemRange, type Word } from '../dockerfile/index.ts';
import { commit } from './config-draft.ts';
import { Fault } from './fault.ts';
import { hintOf } from './global-args.ts';
import type { GraphEdge, GraphVertex, OpSpec } from './op-spec.ts';
import type { InstructionFacts } from './result.ts';
import { locationOf, type Scope } from './scope.ts';
import { seenVariables } from './seen-variables.ts';
import { type LaterText, StepAbout, StepName } from './step-about.ts';
import type { StageCommand, StageState } from './stage-state.ts';

const NO_VERTICES: readonly GraphVertex[] = [];

/** An instruction in its surroundings, and afterwards what is known of it. */
export class Step implements InstructionFacts {
  readonly scope: Scope;
  readonly state: StageState;
  readonly command: StageCommand;
  /** Which of its kind it is in its stage, from 0: by this a step is found again in another version of the file. */
  readonly ordinal: number;
  /** Vertices made by it. */
  made: GraphVertex[] | undefined;
  /** Variables that its words were expanded with so far. */
  used: Map<string, string> | undefined;

  constructor(scope: Scope, state: StageState, command: StageCommand, ordinal: number) {
    this.scope = scope;
    this.state = state;
    this.command = command;
    this.ordinal = ordinal;
    this.made = undefined;
    this.used = undefined;
  }

  get kind(): string {
    return this.command.instruction.kind;
  }

  get text(): string {
    return this.command.instruction.original;
  }

  get location(): SourceLocation {
    return locationOf(this.scope, this.command.range);
  }

  get onbuild(): boolean {
    return this.command.onbuild;
  }

  get vertices(): readonly GraphVertex[] {
    return this.made ?? NO_VERTICES;
  }
}

/**
 * Expands a word of the instruction with the stage's environment; names that nothing declares are reported. What is wrong with it is a
 * Fault at the word, or at the instruction where only the text is handed in.
 */
export function expand(step: Step, word: Word | string, options?: ExpandOptions): string {
  const text = typeof word === 'string' ? word : word.text;
  return hasMeaning(text) ? expandMeaning(step, word, text, options) : text;
}

/** Instructions whose vertices are told what their words were expanded with. */
const MAKES_VERTICES = /^(?:ADD|COPY|WORKDIR)$/;

function expandMeaning(step: Step, word: Word | string, text: string, options: ExpandOptions | undefined): string {
  const { scope, state } = step;
  const makesVertices = MAKES_VERTICES.test(step.kind);
  let missed: Set<string> | undefined;
  const lookup = (name: string): string | undefined => {
    const value = state.env.get(name);
    if (value === undefined) (missed ??= new Set()).add(name);
    else if (makesVertices) (step.used ??= new Map<string, string>()).set(name, value);
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

/** Makes a vertex of this step. `sources`: the words that say where the files of each action come from. */
export function makeEdge(
  step: Step,
  op: OpSpec,
  inputs: readonly GraphEdge[],
  name: StepName | string,
  ignoreCache = false,
  sources?: readonly Word[],
): GraphEdge {
  const about = new StepAbout(step, name, seenVariables(step), ignoreCache, sources);
  const vertex = step.scope.pool.vertex(op, inputs, step.state.platform, about);
  if (step.made === undefined) step.made = [vertex];
  else step.made.push(vertex);
  return { vertex, output: 0 };
}

/** The next name of the stage's count. `again`: another name for the same count. */
export function nameStep(step: Step, text: LaterText, again = false): StepName {
  const { steps } = step.state;
  if (!again && steps.total > 0) steps.done += 1;
  return new StepName(step, steps.done, seenVariables(step), text);
}

/** Adds the history entry. `output` undefined: no layer. */
export function record(step: Step, text: string | (() => string), output?: GraphEdge): void {
  commit(step.state.draft, text, output, step.scope.epoch);
}

/** Inputs of an operation, each edge once. */
export class InputList {
  edges: readonly GraphEdge[] = [];

  /** Index of the edge; -1 for the empty tree. */
  add(edge: GraphEdge | undefined): number {
    if (edge === undefined) return -1;
    const { edges } = this;
    for (let index = 0; index < edges.length; index += 1) {
      const one = edges[index];
      if (one?.vertex === edge.vertex && one.output === edge.output) return index;
    }
    this.edges = edges.length === 0 ? [edge] : [...edges, edge];
    return edges.length;
  }
}
