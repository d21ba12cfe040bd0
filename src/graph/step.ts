// One instruction while it is evaluated.

import type { SourceLocation, SourceRange } from '../base/index.ts';
import {
  type ExpandOptions,
  expandText,
  hasMeaning,
  type Problem,
  problemRange,
  type StageInstruction,
  type Word,
} from '../dockerfile/index.ts';
import type { HistoryEntry } from '../oci/index.ts';
import { historyEntry } from './config-draft.ts';
import { Fault } from './fault.ts';
import { hintOf } from './global-args.ts';
import type { GraphEdge, GraphVertex, OpSpec } from './op-spec.ts';
import type { GraphHistory, InstructionFacts } from './result.ts';
import { locationOf, type Scope } from './scope.ts';
import { NOTHING_SEEN, type SeenVariables, seenVariables } from './seen-variables.ts';
import { type LaterText, LinkAbout, StepAbout } from './step-about.ts';
import type { StageCommand, StageState } from './stage-state.ts';

const NO_VERTICES: readonly GraphVertex[] = [];

/** An instruction in its surroundings, and once it was evaluated what is known of it: facts, a line of history. */
export class Step implements StageCommand, InstructionFacts, GraphHistory {
  readonly scope: Scope;
  readonly state: StageState;
  readonly instruction: StageInstruction;
  readonly sources: StageCommand['sources'];
  /** Of a trigger: the FROM that set it off. */
  readonly setOffAt: SourceRange | undefined;
  /** `ordinal`, once somebody asked for one of the stage's. */
  counted: number | undefined;
  /** Which it is of the stage's steps that have a name. */
  number: number;
  /** What its vertices saw. */
  seen: SeenVariables;
  /** How it is shown, where that is more than its text. */
  shown: LaterText | undefined;
  /** Variables that its words were expanded with so far. */
  used: Map<string, string> | undefined;
  /** Vertices made by it: the first, and the others if there are any. */
  first: GraphVertex | undefined;
  more: GraphVertex[] | undefined;
  /** What history says, and the file system that it says it of; undefined: no layer. */
  says: string | LaterText;
  output: GraphEdge | undefined;
  recorded: HistoryEntry | undefined;

  constructor(
    scope: Scope,
    state: StageState,
    instruction: StageInstruction,
    sources: StageCommand['sources'],
    setOffAt: SourceRange | undefined,
  ) {
    this.scope = scope;
    this.state = state;
    this.instruction = instruction;
    this.sources = sources;
    this.setOffAt = setOffAt;
    this.counted = undefined;
    this.number = 0;
    this.seen = NOTHING_SEEN;
    this.shown = undefined;
    this.used = undefined;
    this.first = undefined;
    this.more = undefined;
    this.says = '';
    this.output = undefined;
    this.recorded = undefined;
  }

  get kind(): StageInstruction['kind'] {
    return this.instruction.kind;
  }

  get text(): string {
    return this.instruction.original;
  }

  get onbuild(): boolean {
    return this.setOffAt !== undefined;
  }

  get range(): SourceRange {
    return this.setOffAt ?? this.instruction.range;
  }

  get location(): SourceLocation {
    return locationOf(this.scope, this.range);
  }

  /** Which of its kind it is in its stage, from 0: by this a step is found again in another version of the file. */
  get ordinal(): number {
    if (this.counted === undefined) countKinds(this.state.commands);
    return this.counted ?? 0;
  }

  get vertices(): readonly GraphVertex[] {
    return this.first === undefined ? NO_VERTICES : [this.first, ...(this.more ?? NO_VERTICES)];
  }

  get entry(): HistoryEntry {
    return (this.recorded ??= historyEntry(this.historyText, this.output !== undefined, this.scope.epoch));
  }

  get historyText(): string {
    return typeof this.says === 'string' ? this.says : this.says(this);
  }
}

function countKinds(steps: readonly Step[]): void {
  const counts = new Map<string, number>();
  for (const step of steps) {
    step.counted = counts.get(step.kind) ?? 0;
    counts.set(step.kind, step.counted + 1);
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

function expandMeaning(step: Step, word: Word | string, text: string, options: ExpandOptions | undefined): string {
  const { scope, state } = step;
  const { kind } = step;
  // Their vertices are told what their words were expanded with.
  const makesVertices = kind === 'COPY' || kind === 'ADD' || kind === 'WORKDIR';
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
  const { scope, state } = step;
  if (state.baseUnknown) return; // the base may have set them
  for (const name of names) {
    if (!state.args.has(name)) scope.lint.undefinedVariable(name, state.env, step);
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
  const { range, onbuild } = step;
  // A trigger's words are in another text: of it only the FROM that made it run has a place here.
  const exact = word === undefined || onbuild ? {} : { range: problemRange(word, span), within: range };
  return new Fault(message, exact.range ?? range, {
    ...hintOf(hint),
    ...(exact.within === undefined ? {} : { within: exact.within }),
    ...(related === undefined ? {} : { related: [related] }),
  });
}

/**
 * Makes a vertex of this step, called as the step is where `name` is undefined. `sources`: the words that say where the files of each
 * action come from.
 */
export function makeEdge(
  step: Step,
  op: OpSpec,
  inputs: readonly GraphEdge[],
  name: string | undefined,
  ignoreCache = false,
  sources?: readonly Word[],
): GraphEdge {
  return addVertex(step, op, inputs, new StepAbout(step, name, ignoreCache, sources));
}

/** Makes the vertex that stacks what a step has copied on its stage. */
export function makeLink(step: Step, inputs: readonly GraphEdge[]): GraphEdge {
  return addVertex(step, { type: 'merge' }, inputs, new LinkAbout(step, undefined, step.state.ignoreCache, undefined));
}

function addVertex(step: Step, op: OpSpec, inputs: readonly GraphEdge[], about: StepAbout): GraphEdge {
  step.seen = seenVariables(step);
  const vertex = step.scope.pool.vertex(op, inputs, step.state.platform, about);
  if (step.first === undefined) step.first = vertex;
  else if (step.more === undefined) step.more = [vertex];
  else step.more.push(vertex);
  return { vertex, output: 0 };
}

/** Gives the step the next number of its stage's count. */
export function countStep(step: Step): void {
  const { steps } = step.state;
  if (steps.total > 0) steps.done += 1;
  step.number = steps.done;
}

/** Adds the history entry. `output` undefined: no layer. */
export function record(step: Step, text: string | LaterText, output?: GraphEdge): void {
  step.says = text;
  step.output = output;
  step.state.draft.history.push(step);
}

/** Inputs of an operation, each edge once. */
export class InputList {
  edges: readonly GraphEdge[] = [];

  /** Index of the edge; -1 for the empty tree. */
  add(edge: GraphEdge | undefined): number {
    if (edge === undefined) return -1;
    const { edges } = this;
    const first = edges[0];
    for (let index = 0; index < edges.length; index += 1) {
      const one = edges[index];
      if (one?.vertex === edge.vertex && one.output === edge.output) return index;
    }
    // Mostly there are two: a list that is added to has room for sixteen more.
    this.edges = first === undefined ? [edge] : edges.length === 1 ? [first, edge] : [...edges, edge];
    return edges.length;
  }
}
