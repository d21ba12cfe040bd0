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

/** The nodes below some edges, producers first; vertices of equal digest are one node. */
export function gatherNodes<O extends Output>(roots: readonly Edge<O>[]): readonly Node<O>[] {
  const known = new Map<string, Node<O>>();
  const order: Node<O>[] = [];
  const visit = (vertex: Vertex<O>): Node<O> => {
    const seen = known.get(vertex.digest);
    if (seen !== undefined) {
      seen.ignoreCache ||= vertex.ignoreCache;
      return seen;
    }
    const inputs = vertex.inputs.map((edge) => ({ node: visit(edge.vertex), output: edge.output }));
    const node = newNode(vertex, inputs);
    known.set(vertex.digest, node);
    for (const input of inputs) input.node.consumers.add(node);
    order.push(node);
    return node;
  };
  for (const root of roots) visit(root.vertex);
  for (const node of [...order].reverse()) {
    const above = Math.max(0, ...[...node.consumers].map((consumer) => consumer.height));
    node.height = above + WEIGHT[node.vertex.op.resource];
  }
  return order;
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
    open.push(...next.consumers);
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
    open.push(...next.inputs.map((input) => input.node));
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
    map: undefined,
    interest: undefined,
    held: undefined,
    startedAt: undefined,
    completedAt: undefined,
    reason: undefined,
    error: undefined,
  };
}
