// What a build tells of its vertices when it is over.

import type { Digest, StepReason } from '../base/index.ts';
import type { Node } from './node.ts';
import type { Output } from './types.ts';

/** What became of one vertex. */
export interface VertexFacts<O extends Output = Output> {
  readonly digest: string;
  readonly progress: Node<Output>['vertex']['progress'];
  readonly state: 'executed' | 'cached' | 'adopted' | 'canceled' | 'failed';
  readonly reason: StepReason | undefined;
  readonly key: Digest | undefined;
  /** What it stands for in this build; undefined unless it was solved. */
  readonly outputs: readonly O[] | undefined;
  /** Milliseconds since the epoch. */
  readonly started: number | undefined;
  readonly completed: number | undefined;
}

/** What a node came to. */
export function factsOf<O extends Output>(node: Node<O>): VertexFacts<O> {
  return {
    digest: node.vertex.digest,
    progress: node.vertex.progress,
    state: stateOf(node),
    reason: node.result === undefined || node.result.how === 'executed' ? node.reason : undefined,
    key: node.map?.key,
    outputs: node.result?.outputs,
    started: node.startedAt,
    completed: node.completedAt,
  };
}

/** Whether the work was done, and by whom. What makes nothing of its own (a merge of layers) counts as cached. */
export function stateOf<O extends Output>(node: Node<O>): VertexFacts['state'] {
  switch (node.phase) {
    case 'solved':
      return howToState(node);
    case 'failed':
      return 'failed';
    default:
      return 'canceled';
  }
}

function howToState<O extends Output>(node: Node<O>): VertexFacts['state'] {
  switch (node.result?.how) {
    case 'executed':
      return 'executed';
    case 'adopted':
      return 'adopted';
    case 'made':
      return node.vertex.op.resource === 'none' ? 'cached' : 'executed';
    default:
      return 'cached';
  }
}
