// One build that a client asked for: its session, its progress, and everything its frontends make until it is exported.

import type { ProgressEvent } from '../../base/index.ts';
import { fromBinary } from '@bufbuild/protobuf';
import type { BackendBuild, BuildBackend, CacheEntry, ClientServices } from '../backend.ts';
import type { GraphEdge, GraphVertex, OpSpec, Platform, SourceSpec } from '../engine.ts';
import { noteVertex } from '../failure.ts';
import { readFile } from '../gateway/files.ts';
import type { SolveRequest } from '../gen/control_pb.ts';
import { type Definition, DefinitionSchema } from '../gen/llb_pb.ts';
import { decodeDefinition } from '../llb/decode.ts';
import { applyPolicies } from '../policy.ts';
import type { ProvenanceStore, RequestNode } from '../provenance/request-node.ts';
import type { Policy } from '../gen/policy_pb.ts';
import type { Sessions } from '../session/sessions.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { ResultOwners, SolveInOwner } from './result-owners.ts';
import type { StatusSink } from './spool.ts';

/** What a frontend is asked, by the client or by another frontend. */
export interface FrontendRequest {
  /** `dockerfile.v0`, `gateway.v0`; empty: `definition` is the answer. */
  readonly frontend: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, Definition>>;
  readonly definition?: Definition;
  readonly cacheImports: readonly CacheEntry[];
  readonly policies: readonly Policy[];
  /** How many frontends stand between this request and the client. */
  readonly depth: number;
  /** Whose request this is. */
  readonly node: RequestNode;
}

/** Shared by all builds of a server. */
export interface BuildHost {
  readonly backend: BuildBackend;
  readonly sessions: Sessions;
  readonly provenance: ProvenanceStore;
  readonly owners: ResultOwners;
}

/** One `Solve` call, from its request to its end. Disposing gives back what its frontends opened. */
export class Build implements AsyncDisposable {
  readonly ref: string;
  readonly request: SolveRequest;
  readonly host: BuildHost;
  readonly spool: StatusSink;
  readonly engine: BackendBuild;
  readonly #abort = new AbortController();
  readonly #atEnd: (() => void)[] = [];
  readonly #followed = new Map<string, { readonly paths: readonly string[] | undefined }>();

  constructor(request: SolveRequest, host: BuildHost, spool: StatusSink, clientGone: AbortSignal, services: ClientServices) {
    this.ref = request.ref;
    this.request = request;
    this.host = host;
    this.spool = spool;
    const end = AbortSignal.any([clientGone, this.#abort.signal]);
    const folder: ClientServices['folder'] = (source, onBytes, signal) => {
      const isOwn = source.session === undefined || source.session === request.session;
      const followed = isOwn && source.followPaths === undefined ? this.#followed.get(source.name)?.paths : undefined;
      return services.folder(followed === undefined ? source : { ...source, followPaths: followed }, onBytes, signal);
    };
    this.engine = host.backend.open(
      { ...services, folder },
      {
        signal: end,
        progress: (event) => this.progress(event),
        entitlements: request.entitlements,
        cacheImports: (request.cache?.imports ?? []).map(({ type, attrs }) => ({ type, attributes: attrs })),
      },
    );
    // A build lives no longer than the client that wants it.
    void this.#endWithSession(end);
  }

  /** Rules of the client about sources. */
  get policies(): readonly Policy[] {
    return this.request.sourcePolicy === undefined ? [] : [this.request.sourcePolicy];
  }

  /** A vertex of this build for this machine's platform. */
  edge(op: OpSpec, name: string, inputs: readonly GraphEdge[] = []): GraphEdge {
    const { backend } = this.host;
    return backend.edge(op, inputs, backend.worker.platforms[0] as Platform, { name });
  }

  /** Reads a definition; sources are put to the policies. */
  decode(definition: Definition, policies: readonly Policy[]): Promise<GraphEdge | undefined> {
    const { backend } = this.host;
    const rules = [...new Set([...this.policies, ...policies])];
    return decodeDefinition(definition, {
      edge: (op, inputs, platform, about) => backend.edge(op, inputs, platform, about),
      platform: backend.worker.platforms[0] as Platform,
      onVertex: (_digest, edge, metadata) => {
        if (metadata?.ignoreCache === true) this.#freshCaches(edge);
      },
      policy: async (source) => applyPolicies(rules, source),
      nested: async (input, filename) => fromBinary(DefinitionSchema, readFile(await this.engine.tree(input), filename)),
    });
  }

  /** Makes a result known to other builds, which may be built on it. */
  share(edge: GraphEdge): void {
    this.atEnd(this.host.owners.register(edge, this.#solveHere));
  }

  readonly #solveHere: SolveInOwner = (edge) => this.engine.solve([edge]);

  /**
   * Reads a definition that another frontend's result is. When that one's build still runs, it is solved there; and what it took from its
   * client's folders is brought here now, since that client is gone before this build is over.
   */
  async decodeInput(definition: Definition, policies: readonly Policy[]): Promise<GraphEdge | undefined> {
    const edge = await this.decode(definition, policies);
    if (edge === undefined) return undefined;
    const owner = this.host.owners.find(edge);
    if (owner !== undefined && owner !== this.#solveHere) await this.#whileRunning(owner(edge));
    const folders = sourcesOf(edge).filter(({ vertex: { op } }) => op.type === 'source' && this.#isOthers(op.source));
    if (folders.length > 0) await this.engine.solve(folders);
    return edge;
  }

  #isOthers(source: SourceSpec['source']): boolean {
    return source.kind === 'local' && source.session !== undefined && source.session !== this.request.session;
  }

  /** Gives up waiting when this build is given up. */
  async #whileRunning(work: Promise<void>): Promise<void> {
    work.catch(() => {});
    let stop: () => void = () => {};
    const given = new Promise<never>((_, reject) => {
      stop = () => reject(this.signal.reason as Error);
      this.signal.addEventListener('abort', stop, { once: true });
    });
    try {
      this.signal.throwIfAborted();
      await Promise.race([work, given]);
    } finally {
      this.signal.removeEventListener('abort', stop);
    }
  }

  /** A step that must not use what is known must not find what an earlier one left either. */
  #freshCaches(edge: GraphEdge | undefined): void {
    if (edge?.vertex.op.type !== 'exec') return;
    for (const { cache } of edge.vertex.op.mounts) if (cache !== undefined) this.engine.freshCache(cache.id);
  }

  /** Paths of the client's folder that steps read; undefined: all of it. Several frontends add up. */
  follow(folder: string, paths: readonly string[] | undefined): void {
    const known = this.#followed.get(folder);
    const both = known === undefined ? paths : known.paths === undefined || paths === undefined ? undefined : [...known.paths, ...paths];
    this.#followed.set(folder, { paths: both });
  }

  get signal(): AbortSignal {
    return this.engine.job.signal;
  }

  progress(event: ProgressEvent): void {
    if (event.type === 'failed') noteVertex(event.error, event.id);
    this.spool.add(event);
  }

  /** Does something when the build is over. */
  atEnd(work: () => void): void {
    this.#atEnd.push(work);
  }

  /** Gives everything up. */
  cancel(reason: unknown): void {
    this.#abort.abort(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const work of this.#atEnd) work();
    await this.engine[Symbol.asyncDispose]();
    this.#abort.abort(new RpcError('canceled', 'the build is over'));
  }

  async #endWithSession(end: AbortSignal): Promise<void> {
    if (this.request.session === '') return;
    const session = await this.host.sessions.get(this.request.session, end).catch(() => undefined);
    session?.closed.addEventListener('abort', () => this.cancel(new RpcError('canceled', 'the client is gone')), {
      once: true,
      signal: end,
    });
  }
}

/** Outputs behind `edge` that nothing goes into. */
function sourcesOf(edge: GraphEdge): readonly GraphEdge[] {
  const found: GraphEdge[] = [];
  const seen = new Set<GraphVertex>();
  const stack = [edge];
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    if (seen.has(one.vertex)) continue;
    seen.add(one.vertex);
    if (one.vertex.inputs.length === 0) found.push(one);
    for (const input of one.vertex.inputs) stack.push(input);
  }
  return found;
}
