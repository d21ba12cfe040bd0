// Results as clients hold them: an id for an output that may not have been solved yet.

import { randomUUID } from 'node:crypto';
import type { SourceText } from '../../base/index.ts';
import type { AttestationRef } from '../backend.ts';
import type { GraphEdge, GraphResult } from '../engine.ts';
import type { Definition } from '../gen/llb_pb.ts';
import { encodeDefinition } from '../llb/encode.ts';

/** An output with an id. */
export class Ref {
  readonly id = randomUUID().replaceAll('-', '');
  readonly edge: GraphEdge;
  #definition: Definition | undefined;

  constructor(edge: GraphEdge, definition?: Definition) {
    this.edge = edge;
    this.#definition = definition;
  }

  /** The output as LLB, so that a client can build on it. */
  get definition(): Definition {
    return (this.#definition ??= encodeDefinition(this.edge));
  }
}

/** What a frontend answered. */
export interface FrontendOutcome {
  /** One output under the key `''`, or several by platform id. An undefined ref is the empty file system. */
  readonly refs: ReadonlyMap<string, Ref | undefined>;
  readonly single: boolean;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  readonly attestations: ReadonlyMap<string, readonly AttestationRef[]>;
  /** When our own frontend made it. */
  readonly graph?: GraphResult;
  readonly dockerfile?: SourceText;
  /** What the Dockerfile was read from. */
  readonly dockerfileEdge?: GraphEdge;
}

/** An outcome without extras. */
export function outcome(
  refs: ReadonlyMap<string, Ref | undefined>,
  single: boolean,
  metadata: ReadonlyMap<string, Uint8Array> = new Map(),
): FrontendOutcome {
  return { refs, single, metadata, attestations: new Map() };
}
