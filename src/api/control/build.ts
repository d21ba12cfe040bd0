// One build that a client asked for: its session, its progress, and everything its frontends make until it is exported.

import { posix } from 'node:path';
import type { ProgressEvent } from '../../base/index.ts';
import { create, fromBinary } from '@bufbuild/protobuf';
import type { BackendBuild, BuildBackend, CacheEntry, ClientServices } from '../backend.ts';
import type { GraphEdge, GraphVertex, OpSpec, Platform, SourceSpec } from '../engine.ts';
import { noteVertex } from '../failure.ts';
import { readFile } from '../gateway/files.ts';
import type { SolveRequest } from '../gen/control_pb.ts';
import { type Definition, DefinitionSchema, type SourceOp, SourceOpSchema } from '../gen/llb_pb.ts';
import { decodeDefinition } from '../llb/decode.ts';
import { decodePlatform, decodeSource, encodeSource } from '../llb/source-id.ts';
import { checkPolicies } from '../policy.ts';
import { admitSource, type PolicyVerifier } from '../policy-verifier.ts';
import type { ProvenanceStore, RequestNode } from '../provenance/request-node.ts';
import type { Policy } from '../gen/policy_pb.ts';
import { PolicyVerifier as PolicyVerifierService } from '../gen/policy_session_pb.ts';
import type { Sessions } from '../session/sessions.ts';
import { sourceMeta } from '../source-meta.ts';
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

  /** The source after the client's rules, `policies` and the client's verifier. Rejects one that is denied. */
  async admit(source: SourceOp, platform: Platform, policies: readonly Policy[]): Promise<SourceOp> {
    const rules = [...new Set([...this.policies, ...policies])];
    const verifier = await this.#verifier(platform);
    if (rules.length === 0 && verifier === undefined) return source;
    checkPolicies(policies);
    return admitSource(this.#canonical(source, platform), platform, rules, verifier);
  }

  /** The same for a source in our form. */
  async admitSpec(source: SourceSpec['source'], platform: Platform, policies: readonly Policy[]): Promise<SourceSpec['source']> {
    const op = encodeSource(source);
    const admitted = await this.admit(op, platform, policies);
    return admitted === op ? source : decodeSource(admitted, platform);
  }

  /** Different words for one source are one to policies. */
  #canonical(op: SourceOp, platform: Platform): SourceOp {
    const source = decodeSource(op, platform);
    if (source.kind === 'image') {
      const identifier = `docker-image://${this.engine.parseReference(source.ref).canonical}`;
      return identifier === op.identifier ? op : create(SourceOpSchema, { identifier, attrs: op.attrs });
    }
    if (source.kind !== 'git') return op;
    const { subdir, ...repository } = source;
    const folder = subdir === undefined ? '' : posix.resolve('/', subdir).slice(1);
    const { identifier } = encodeSource(folder === '' ? repository : { ...repository, subdir: folder });
    return identifier === op.identifier ? op : create(SourceOpSchema, { identifier, attrs: { ...op.attrs, 'git.fullurl': source.remote } });
  }

  async #verifier(platform: Platform): Promise<PolicyVerifier | undefined> {
    const id = this.request.sourcePolicySession;
    if (id === '') return undefined;
    const { channel } = await this.host.sessions.get(id, this.signal);
    return {
      ask: (question) => channel.unary(PolicyVerifierService.method.checkPolicy, question, this.signal),
      lookUp: async (request) => {
        const wanted = request.platform === undefined ? platform : decodePlatform(request.platform);
        return (await sourceMeta(this.engine, request.source as SourceOp, wanted, request)).answer;
      },
    };
  }

  /** A source as a vertex of this build, once the policies admitted it. */
  async sourceEdge(source: SourceSpec['source'], name: string, policies: readonly Policy[]): Promise<GraphEdge> {
    const platform = this.host.backend.worker.platforms[0] as Platform;
    return this.edge({ type: 'source', source: await this.admitSpec(source, platform, policies) }, name);
  }

  /** Reads a definition; sources are put to the policies. */
  decode(definition: Definition, policies: readonly Policy[]): Promise<GraphEdge | undefined> {
    const { backend } = this.host;
    return decodeDefinition(definition, {
      edge: (op, inputs, platform, about) => backend.edge(op, inputs, platform, about),
      platform: backend.worker.platforms[0] as Platform,
      onVertex: (_digest, edge, metadata) => {
        if (metadata?.ignoreCache === true) this.#freshCaches(edge);
      },
      policy: (source, platform) => this.admit(source, platform, policies),
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
   * client's folders is brought here now, since that client is gone before this build is over. What it was told to do without the cache is
   * done by then: once more would be another result than its own, and its secrets are not known here.
   */
  async decodeInput(definition: Definition, policies: readonly Policy[]): Promise<GraphEdge | undefined> {
    let edge = await this.decode(definition, policies);
    if (edge === undefined) return undefined;
    const owner = this.host.owners.find(edge);
    if (owner !== undefined && owner !== this.#solveHere) {
      await this.#whileRunning(owner(edge));
      edge = (await this.decode(withCache(definition), policies)) ?? edge;
    }
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

/** The same work, none of it to be done anew. */
function withCache(definition: Definition): Definition {
  const metadata = Object.entries(definition.metadata).map(([digest, one]) => [digest, { ...one, ignoreCache: false }] as const);
  return { ...definition, metadata: Object.fromEntries(metadata) };
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
