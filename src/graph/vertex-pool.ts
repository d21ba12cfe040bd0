// Vertices by digest: equal work is one vertex, whichever stage or platform asks for it first.

import { digestOf } from '../base/index.ts';
import { formatPlatform, type Platform } from '../oci/index.ts';
import type { GraphEdge, GraphVertex, OpSpec, VertexAbout } from './op-spec.ts';

/** All vertices of one graph. */
export class VertexPool {
  readonly #vertices = new Map<string, GraphVertex>();

  /**
   * The vertex for this work: the one known already when digests are equal (then `about` of the first one that belongs to a stage
   * of the file stays, but `ignoreCache` of any of them counts), else a new one.
   */
  vertex(op: OpSpec, inputs: readonly GraphEdge[], platform: Platform, about: VertexAbout): GraphVertex {
    const digest = vertexDigest(op, inputs, platform);
    const known = this.#vertices.get(digest);
    if (known !== undefined) {
      (known as { about: VertexAbout }).about = joinAbout(known.about, about);
      return known;
    }
    const vertex: GraphVertex = { digest, op, inputs, platform, about };
    this.#vertices.set(digest, vertex);
    return vertex;
  }

  /** The same, giving its first output. */
  edge(op: OpSpec, inputs: readonly GraphEdge[], platform: Platform, about: VertexAbout): GraphEdge {
    return { vertex: this.vertex(op, inputs, platform, about), output: 0 };
  }

  /** Takes in an edge of another graph (a linked build) with all that it stands on. */
  intern(edge: GraphEdge): GraphEdge {
    const known = this.#vertices.get(edge.vertex.digest);
    if (known !== undefined) return { vertex: known, output: edge.output };
    const inputs = edge.vertex.inputs.map((input) => this.intern(input));
    return { vertex: this.vertex(edge.vertex.op, inputs, edge.vertex.platform, edge.vertex.about), output: edge.output };
  }

  /** Every vertex made, inputs before their users. */
  get vertices(): readonly GraphVertex[] {
    return [...this.#vertices.values()];
  }
}

/**
 * Digest of the work: op, inputs, and the platform where it matters (a process; sources carry theirs in the op; file
 * operations are the same everywhere). Proxy variables do not count: they say how to reach the network, not what to do.
 * Members count in the order in which they were set: two makers that order them differently make two vertices of equal work.
 */
export function vertexDigest(op: OpSpec, inputs: readonly GraphEdge[], platform: Platform): string {
  let text = '';
  for (const input of inputs) text += `${input.vertex.digest}:${input.output}\n`;
  if (op.type !== 'exec') return digestOf(text + JSON.stringify(op));
  const { proxyEnv: _, env, ...counted } = op;
  return digestOf(`${text}${formatPlatform(platform)}\n${jsonOfEnv(env)}\n${JSON.stringify(counted)}`);
}

const envJson = new WeakMap<readonly string[], string>();

/** Long, and the same for many steps. */
function jsonOfEnv(env: readonly string[]): string {
  let json = envJson.get(env);
  if (json === undefined) envJson.set(env, (json = JSON.stringify(env)));
  return json;
}

function joinAbout(first: VertexAbout, second: VertexAbout): VertexAbout {
  const chosen = first.stageIndex === undefined && second.stageIndex !== undefined ? second : first;
  const ignoreCache = first.ignoreCache === true || second.ignoreCache === true;
  return ignoreCache && chosen.ignoreCache !== true ? { ...chosen, ignoreCache } : chosen;
}
