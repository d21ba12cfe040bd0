// Builds that are made together may stand on each other: the named context `target:NAME` is the result of the build of that name. Its
// vertices are taken into the graph that asks; only its folders get names of their own, for both builds have one called `context`.

import { SlipwayError } from '../base/index.ts';
import { type GraphEdge, type GraphResult, type OpSpec, type PlatformGraph, type ResolvedContext, VertexPool } from '../graph/index.ts';
import { formatPlatform, type Platform } from '../oci/index.ts';
import { verticesBehind } from './vertices-behind.ts';

/** The build that a named context names; undefined: it is no such context. */
export function linkedTarget(value: string): string | undefined {
  return /^target:(.*)$/s.exec(value)?.[1];
}

/** What a build is to those that stand on it, once its file was read. */
interface Offer {
  readonly graph: GraphResult;
  readonly folders: ReadonlyMap<string, string>;
}

/** The build whose vertex it is, and what it is there. */
export interface Origin extends Pick<Offer, 'folders'> {
  readonly target: string;
  readonly digest: string;
}

/** One build's side of it. */
export interface Links {
  /** Tells those who wait what this build makes. `folders`: by name, all that the graph names. */
  readonly offer: (graph: GraphResult, folders: ReadonlyMap<string, string>) => void;
  /** The result of another build for a platform. Its folders are added to `folders`. Rejects with what that build failed of. */
  readonly context: (target: string, platform: Platform, folders: Map<string, string>) => Promise<ResolvedContext>;
  /** Whose a vertex is, when it is another build's. */
  readonly originOf: (digest: string) => Origin | undefined;
}

/** The graphs of builds that are made together, for each other. */
export class LinkedTargets {
  readonly #offers = new Map<string, PromiseWithResolvers<Offer>>();
  /** Of vertices that builds took from others, by build and digest. */
  readonly #origins = new Map<string, Map<string, Origin>>();

  constructor(names: Iterable<string>) {
    for (const name of names) {
      const offer = withResolvers<Offer>();
      offer.promise.catch(() => {}); // perhaps nobody waits for it
      this.#offers.set(name, offer);
    }
  }

  /** The build of that name ended before it could say what it makes. */
  refuse(name: string, error: unknown): void {
    this.#offers.get(name)?.reject(error);
  }

  /** The side of the build of that name. */
  of(name: string): Links {
    const origins = new Map<string, Origin>();
    this.#origins.set(name, origins);
    return {
      offer: (graph, folders) => this.#offers.get(name)?.resolve({ graph, folders }),
      context: async (target, platform, folders) => {
        const offer = this.#offers.get(target);
        if (offer === undefined) throw new Error(`internal: no build is called ${target}`);
        const other = await offer.promise;
        const { root, config } = ofPlatform(target, other.graph, platform);
        for (const [folder, path] of other.folders) folders.set(`${target}:${folder}`, path);
        if (root === undefined) return { tree: { output: undefined }, config };
        const pool = new VertexPool();
        const take = (edge: GraphEdge): GraphEdge => pool.intern(edge, (op) => renamed(op, target));
        for (const vertex of verticesBehind([root])) {
          const { digest } = vertex;
          const origin = this.#origins.get(target)?.get(digest) ?? { target, digest, folders: other.folders };
          origins.set(take({ vertex, output: 0 }).vertex.digest, origin);
        }
        return { tree: { output: take(root) }, config };
      },
      originOf: (digest) => origins.get(digest),
    };
  }
}

function ofPlatform(target: string, { platforms }: GraphResult, platform: Platform): PlatformGraph {
  const wanted = formatPlatform(platform);
  // A single one serves all: a stage of another platform may be copied from, too.
  const found = platforms.find((one) => formatPlatform(one.platform) === wanted) ?? (platforms.length === 1 ? platforms[0] : undefined);
  if (found !== undefined) return found;
  const built = platforms.map((one) => formatPlatform(one.platform)).join(', ');
  throw new SlipwayError('CONTEXT_NOT_FOUND', `target ${target} is not built for ${wanted}, only for ${built}`, {
    hint: `add ${wanted} to the platforms of ${target}`,
  });
}

function renamed(op: OpSpec, target: string): OpSpec {
  if (op.type !== 'source' || op.source.kind !== 'local') return op;
  return { ...op, source: { ...op.source, name: `${target}:${op.source.name}` } };
}

/** `Promise.withResolvers` of newer Nodes. */
interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}
