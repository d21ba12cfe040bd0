// One build's view of the graph: a node for each vertex digest, with what became of it so far.

import type { StepReason } from '../base/index.ts';
import type { Interest } from './execution.ts';
import type { CacheHit, CacheMap, Edge, Output, Resource, Vertex } from './types.ts';

/** How a result came to be. `made`: by an op that is not cacheable. */
export type How = 'hit' | 'executed' | 'adopted' | 'made';

/** What a vertex stands for in this build. */
export interface NodeResult<O extends Output> {
  readonly outputs: readonly O[];
  readonly how: How;
  readonly key: string;
  readonly reason?: StepReason;
}

export type Phase = 'waiting' | 'keying' | 'executing' | 'solved' | 'failed' | 'canceled';

/** State of one vertex in one build. Only the build's own machine changes it. */
export interface Node<O extends Output> {
  readonly vertex: Vertex<O>;
  readonly inputs: readonly NodeInput<O>[];
  readonly consumers: Set<Node<O>>;
  /** Any of the vertices that are this node wants it. */
  ignoreCache: boolean;
  /** Weight of the longest path from here to a root: what is started first when there is a choice. */
  height: number;
  phase: Phase;
  /** Counts resets: an answer to a question of an earlier epoch is of no use. */
  epoch: number;
  result: NodeResult<O> | undefined;
  /** It must execute in this build; who needs its bytes. */
  forcedBy: Node<O> | undefined;
  /** All results of its key, when there are several to choose from. */
  hits: readonly CacheHit<O>[];
  /** Identity of the first output of the result that was chosen among them. */
  choice: string | undefined;
  switches: number;
  forces: number;
  /** It was keyed anew already because what it was keyed on changed. */
  rekeyed: boolean;
  /** It was executed here after another build's execution failed. */
  retried: boolean;
  map: CacheMap | undefined;
  interest: Interest<O> | undefined;
  /** An execution of an earlier epoch, kept running until it is known whether it is still wanted. */
  held: Interest<O> | undefined;
  startedAt: number | undefined;
  completedAt: number | undefined;
  reason: StepReason | undefined;
  error: Error | undefined;
}

export interface NodeInput<O extends Output> {
  readonly node: Node<O>;
  readonly output: number;
}

/** How much longer a path is for a step of this kind. Rough: processes take seconds, files tenths. */
const WEIGHT: Readonly<Record<Resource, number>> = { process: 10, network: 4, files: 2, none: 1 };

/** The nodes below some edges, producers first; vertices of equal digest are one node. Without recursion: a graph may be deep. */
export function gatherNodes<O extends Output>(roots: readonly Edge<O>[]): readonly Node<O>[] {
  const known = new Map<string, Node<O>>();
  const seen = new Set<Vertex<O>>();
  const open: { readonly vertex: Vertex<O>; next: number }[] = [];
  const enter = (vertex: Vertex<O>): void => {
    if (seen.has(vertex)) return;
    seen.add(vertex);
    const twin = known.get(vertex.digest);
    if (twin === undefined) open.push({ vertex, next: 0 });
    else twin.ignoreCache ||= vertex.ignoreCache;
  };
  for (const root of roots) {
    enter(root.vertex);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const input = top.vertex.inputs[top.next++];
      if (input !== undefined) enter(input.vertex);
      else addNode(open.pop()?.vertex as Vertex<O>, known);
    }
  }
  const order = [...known.values()];
  for (const node of [...order].reverse()) {
    let above = 0;
    for (const consumer of node.consumers) above = Math.max(above, consumer.height);
    node.height = above + WEIGHT[node.vertex.op.resource];
  }
  return order;
}

/** Makes the node of a vertex whose inputs are known. */
function addNode<O extends Output>(vertex: Vertex<O>, known: Map<string, Node<O>>): void {
  const node = newNode(
    vertex,
    vertex.inputs.map((edge) => ({ node: known.get(edge.vertex.digest) as Node<O>, output: edge.output })),
  );
  known.set(vertex.digest, node);
  for (const input of node.inputs) input.node.consumers.add(node);
}

/** The outputs that a node's inputs have now; undefined while one of them is not solved. */
export function inputOutputs<O extends Output>(node: Node<O>): readonly O[] | undefined {
  const outputs: O[] = [];
  for (const input of node.inputs) {
    const output = input.node.result?.outputs[input.output];
    if (output === undefined) {
      if (input.node.result !== undefined) throw new Error(`internal: ${input.node.vertex.progress.name} has no output ${input.output}`);
      return undefined;
    }
    outputs.push(output);
  }
  return outputs;
}

/** Whether the work of a node was really done in this build, or is being done. */
export function hasRun<O extends Output>(node: Node<O>): boolean {
  return node.phase === 'executing' || node.held !== undefined || node.result?.how === 'executed' || node.result?.how === 'adopted';
}

/** Everything that depends on a node, itself not included, in no order. */
export function dependents<O extends Output>(node: Node<O>): ReadonlySet<Node<O>> {
  const reached = new Set<Node<O>>();
  const open = [...node.consumers];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    for (const consumer of next.consumers) open.push(consumer);
  }
  return reached;
}

/** Everything a node depends on, itself not included. */
export function ancestors<O extends Output>(node: Node<O>): ReadonlySet<Node<O>> {
  const reached = new Set<Node<O>>();
  const open = node.inputs.map((input) => input.node);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    for (const input of next.inputs) open.push(input.node);
  }
  return reached;
}

function newNode<O extends Output>(vertex: Vertex<O>, inputs: readonly NodeInput<O>[]): Node<O> {
  return {
    vertex,
    inputs,
    consumers: new Set(),
    ignoreCache: vertex.ignoreCache,
    height: 0,
    phase: 'waiting',
    epoch: 0,
    result: undefined,
    forcedBy: undefined,
    hits: [],
    choice: undefined,
    switches: 0,
    forces: 0,
    rekeyed: false,
    retried: false,
    map: undefined,
    interest: undefined,
    held: undefined,
    startedAt: undefined,
    completedAt: undefined,
    reason: undefined,
    error: undefined,
  };
}
