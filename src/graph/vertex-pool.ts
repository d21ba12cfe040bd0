// Equal work is one vertex, whichever stage or platform asks for it first.

import { digestOf } from '../base/index.ts';
import { formatPlatform, type Platform } from '../oci/index.ts';
import type { GraphEdge, GraphVertex, OpSpec, SourceSpec, VertexAbout } from './op-spec.ts';

/** All vertices of one graph. */
export class VertexPool {
  readonly #made: PooledVertex[] = [];
  /** The only vertex of an operation, as far as `telling` tells: most have none beside them. */
  readonly #byOperation = new Map<string, PooledVertex | 'several'>();
  /** Where there are several, the first of each outline. */
  readonly #byOutline = new Map<string, PooledVertex>();
  /** Vertices whose outline was met again, by digest. */
  readonly #byDigest = new Map<string, PooledVertex>();
  readonly #interned = new Map<GraphVertex, GraphVertex>();

  /**
   * The vertex for this work: the one known already when digests are equal (then `about` of the first one that belongs to a stage
   * of the file stays, but `ignoreCache` of any of them counts), else a new one. `inputs` are of this pool.
   */
  vertex(op: OpSpec, inputs: readonly GraphEdge[], platform: Platform, about: VertexAbout): GraphVertex {
    const vertex = new PooledVertex(op, inputs, platform, about, this.#made.length);
    const known = this.#known(vertex);
    if (known === undefined) this.#made.push(vertex);
    else known.about = joinAbout(known.about, about);
    return known ?? vertex;
  }

  /** The vertex of the same work, if there is one. Digests are made only where outlines are equal. */
  #known(vertex: PooledVertex): PooledVertex | undefined {
    const operation = telling(vertex.op);
    const like = this.#byOperation.get(operation);
    if (like === undefined) {
      this.#byOperation.set(operation, vertex);
      return undefined;
    }
    if (like !== 'several') {
      this.#byOperation.set(operation, 'several');
      this.#byOutline.set(outlineOf(like), like);
    }
    const outline = outlineOf(vertex);
    const first = this.#byOutline.get(outline);
    if (first === undefined) {
      this.#byOutline.set(outline, vertex);
      return undefined;
    }
    this.#byDigest.set(first.digest, first);
    const known = this.#byDigest.get(vertex.digest);
    if (known === undefined) this.#byDigest.set(vertex.digest, vertex);
    return known;
  }

  /** The same, giving its first output. */
  edge(op: OpSpec, inputs: readonly GraphEdge[], platform: Platform, about: VertexAbout): GraphEdge {
    return { vertex: this.vertex(op, inputs, platform, about), output: 0 };
  }

  /** Takes in an edge of another graph (a linked build) with all that it stands on. `change`: what an operation is here. */
  intern(edge: GraphEdge, change: (op: OpSpec) => OpSpec = (op) => op): GraphEdge {
    const known = (vertex: GraphVertex): GraphVertex | undefined => (this.#has(vertex) ? vertex : this.#interned.get(vertex));
    // Step by step, as for digests.
    const open = [edge.vertex];
    for (let vertex = open.at(-1); vertex !== undefined; vertex = open.at(-1)) {
      const before = open.length;
      if (known(vertex) === undefined) for (const { vertex: input } of vertex.inputs) if (known(input) === undefined) open.push(input);
      if (open.length > before) continue;
      open.pop();
      if (known(vertex) !== undefined) continue;
      const { op, inputs, platform, about } = vertex;
      const own = inputs.map((input) => ({ vertex: known(input.vertex) as GraphVertex, output: input.output }));
      this.#interned.set(vertex, this.vertex(change(op), own, platform, about));
    }
    return { vertex: known(edge.vertex) as GraphVertex, output: edge.output };
  }

  /** Takes sources from elsewhere: what stands on them becomes other work. For a pool that nothing is added to any more. */
  async replaceSources(replace: (source: SourceSpec['source'], vertex: GraphVertex) => Promise<SourceSpec['source']>): Promise<void> {
    let replaced = false;
    for (const vertex of this.#made) {
      if (vertex.op.type !== 'source') continue;
      const source = await replace(vertex.op.source, vertex);
      if (source === vertex.op.source) continue;
      vertex.op = { type: 'source', source };
      replaced = true;
    }
    if (replaced) for (const vertex of this.#made) vertex.digestMade = undefined;
  }

  /** Every vertex made, inputs before their users. */
  get vertices(): readonly GraphVertex[] {
    return this.#made;
  }

  #has(vertex: GraphVertex): boolean {
    return vertex instanceof PooledVertex && this.#made[vertex.number] === vertex;
  }
}

/** A vertex whose digest is made when somebody asks for it: who only looks at a graph needs none. */
class PooledVertex implements GraphVertex {
  op: OpSpec;
  readonly inputs: readonly GraphEdge[];
  readonly platform: Platform;
  about: VertexAbout;
  /** Which of its pool it is, from 0. */
  readonly number: number;
  digestMade: string | undefined;

  constructor(op: OpSpec, inputs: readonly GraphEdge[], platform: Platform, about: VertexAbout, number: number) {
    this.op = op;
    this.inputs = inputs;
    this.platform = platform;
    this.about = about;
    this.number = number;
    this.digestMade = undefined;
  }

  get digest(): string {
    // What it stands on first, step by step: a recursion would be as deep as the file is long.
    const open: PooledVertex[] = this.digestMade === undefined ? [this] : [];
    for (let vertex = open.at(-1); vertex !== undefined; vertex = open.at(-1)) {
      const before = open.length;
      if (vertex.digestMade === undefined)
        for (const { vertex: input } of vertex.inputs)
          if (input instanceof PooledVertex && input.digestMade === undefined) open.push(input);
      if (open.length > before) continue;
      vertex.digestMade ??= vertexDigest(vertex.op, vertex.inputs, vertex.platform);
      open.pop();
    }
    return this.digestMade as string;
  }
}

/** The same for equal work, and different for nearly all other. */
function outlineOf({ op, inputs }: PooledVertex): string {
  let outline = telling(op);
  for (let at = 0; at < inputs.length; at += 1) {
    const vertex = inputs[at]?.vertex;
    outline += ` ${vertex instanceof PooledVertex ? vertex.number : '?'}`;
  }
  return outline;
}

/** What of an operation tells it from most others, without much ado. */
function telling(op: OpSpec): string {
  if (op.type === 'exec') return op.args[op.args.length - 1] ?? '';
  if (op.type === 'source') return op.source.kind;
  const action = op.type === 'file' ? op.actions[0]?.action : undefined;
  if (action === undefined) return op.type;
  return action.kind === 'copy' ? action.src : action.path;
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
  if (!ignoreCache || chosen.ignoreCache === true) return chosen;
  return Object.create(chosen, { ignoreCache: { value: true, enumerable: true } }) as VertexAbout; // a copy would read all of it
}
