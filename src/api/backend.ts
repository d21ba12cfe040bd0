// What this room asks of the engine, and what the engine asks of a client through it. `build/` stands behind it.

import type { BuildRequest, Settings } from '../build/index.ts';
import type { JobContext, ProgressSink, SourceRange, SourceText } from '../base/index.ts';
import type {
  Container,
  ContainerProcessSpec,
  ContainerSpec,
  GraphEdge,
  GraphOptions,
  GraphResult,
  GraphVertex,
  ImageConfig,
  ImageResolver,
  OciLayoutSource,
  LocalSource,
  OpSpec,
  Platform,
  ResolvedImage,
  SourceFacts,
  SourceSpec,
  Tree,
  VertexAbout,
} from './engine.ts';
import type { Peer } from './peer.ts';
import type { ResultProvenance } from './provenance/of-result.ts';
import type { MachineCalls } from './session/machine-calls.ts';

/** The engine, opened on one store. */
export interface BuildBackend extends AsyncDisposable {
  readonly machine: MachineCalls;
  readonly worker: WorkerFacts;
  /** Version of this program. */
  readonly version: string;
  /** Folder for what this room keeps (history). */
  readonly folder: string;
  /** Folder for copies of clients' folders: it counts as usage, and is collected. */
  readonly mirrorFolder: string;
  /** A path on the store's disk that nobody has. What is left there when this process is killed is swept away. */
  temporary(hint: string): string;
  /** Holds a name of this store for this caller alone; undefined: somebody has it, here or in another process. */
  lock(name: string): Disposable | undefined;
  /** Says that a path of the store is used now: nothing takes it away while the build goes on. */
  use(path: string): void;
  /** Whether files can be given any owner. */
  readonly owners: boolean;
  readonly now: () => Date;
  /** A vertex for this work. Equal work has equal digests. */
  edge(op: OpSpec, inputs: readonly GraphEdge[], platform: Platform, about: VertexAbout): GraphEdge;
  /** Starts serving one build request. Disposed when it is over: leases end, the client is asked nothing more. */
  open(client: ClientServices, surroundings: Surroundings): BackendBuild;
  /** One whole build, as the command does it, the result kept under its tags. `client`: who asks, with its logins by registry. */
  buildImage(
    request: BuildRequest,
    client: { readonly peer: Peer; readonly logins: Logins },
    progress: ProgressSink,
    signal: AbortSignal,
  ): Promise<{ readonly digest?: string; readonly configDigest?: string }>;
  /** What this store keeps under names. */
  images(): Promise<readonly ImageFacts[]>;
  /** By name or digest. Throws `IMAGE_UNKNOWN`; so do the next three. */
  image(name: string): Promise<ImageFacts>;
  tagImage(name: string, other: string): Promise<void>;
  removeImage(name: string): Promise<void>;
  pushImage(
    name: string,
    client: { readonly peer: Peer; readonly auth: { readonly username: string; readonly secret: string } | undefined },
    signal: AbortSignal,
  ): Promise<{ readonly digest: string }>;
  /** What the store holds and one of `filters` passes; without filters all. Throws `FILTER_INVALID`. */
  usage(filters: readonly string[]): Promise<readonly UsageFacts[]>;
  /** Removes what `request` allows; told of each record removed. */
  prune(request: PruneOptions, onRemoved: (record: UsageFacts) => void, job: JobContext): Promise<void>;
}

/** A client's logins by registry, as Docker's configuration file has them. */
export type Logins = NonNullable<NonNullable<Settings['dockerConfig']>['auths']>;

export interface WorkerFacts {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** This machine's first. */
  readonly platforms: readonly Platform[];
}

export interface Surroundings {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
  readonly entitlements: readonly string[];
  readonly cacheImports: readonly CacheEntry[];
}

export interface CacheEntry {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** One request's use of the engine. */
export interface BackendBuild extends AsyncDisposable {
  readonly job: JobContext;
  /** More caches to look in (a frontend names them only when it runs). */
  importCaches(entries: readonly CacheEntry[]): void;
  /** From a Dockerfile's text to vertices. Findings come as events of the vertex `origin`. Rejects with what the user wrote wrong. */
  graph(dockerfile: SourceText, options: GraphOptions, resolver: ImageResolver, origin?: string): Promise<GraphResult>;
  /** Answers a call beside the build. */
  call(
    request: 'outline' | 'targets' | 'lint' | 'describe',
    dockerfile: SourceText,
    options: GraphOptions,
    resolver: ImageResolver,
  ): Promise<CallAnswer>;
  resolveImage(
    ref: string,
    platform: Platform,
    mode: 'default' | 'pull' | 'local',
    about: string,
  ): Promise<ResolvedImage & { readonly rawConfig: Uint8Array }>;
  resolveLayout(source: OciLayoutSource, about: string): Promise<ResolvedImage & { readonly rawConfig: Uint8Array }>;
  /** What is behind a git or http source now. */
  resolveSource(source: SourceSpec['source'], about: string): Promise<SourceFacts>;
  /** Patterns of a `.dockerignore`. Throws what is wrong with it. */
  readIgnore(text: string, filename: string): readonly string[];
  /** Image word of `# syntax=` with the whole value, when there is one. */
  detectSyntax(text: string): { readonly ref: string; readonly cmdline: string; readonly range: SourceRange } | undefined;
  /** A git context's address; undefined when it is none. Throws what is wrong with it. */
  gitSource(address: string): Extract<SourceSpec['source'], { kind: 'git' }> | undefined;
  parsePlatform(text: string): Platform;
  formatPlatform(platform: Platform): string;
  /** `busybox` → `docker.io/library/busybox:latest`, and the short form. Throws for what is no reference. */
  parseReference(text: string): { readonly canonical: string; readonly familiar: string };
  /** The cache mount of this id starts empty. */
  freshCache(id: string): void;
  /** What a source turned out to be (commit, digest); undefined: it was not looked at in this build. */
  pinOf(vertex: GraphVertex): string | undefined;
  /** Makes sure the outputs are there. */
  solve(edges: readonly GraphEdge[]): Promise<void>;
  /** What a failed step left in one of its mounts, as an output; undefined: nothing was kept. */
  failedState(vertex: GraphVertex, mount: number): GraphEdge | undefined;
  /** The output's files; undefined edge: none. */
  tree(edge: GraphEdge | undefined): Promise<Tree>;
  /** A root for processes that are no steps. `inputs` are what its mounts count. Disposed before the build is. */
  container(id: string, spec: ContainerSpec, inputs: readonly GraphEdge[]): Promise<Container>;
  /** Refuses what a container must not do without being granted it. Throws PermissionDenied. */
  checkProcess(process: Pick<ContainerProcessSpec, 'security'>): void;
  /** Solves, gathers attestations, exports, and exports caches. Resolves with the exporters' answers. */
  finish(result: FinishedResult, outputs: readonly OutputRequest[], cacheExports: readonly CacheEntry[]): Promise<ExportOutcome>;
}

/** An answer as document and as text. */
export interface CallAnswer {
  readonly json: string;
  readonly text: string;
  readonly version: string;
  /** Of a check: 1 when the build would fail for what was found. */
  readonly statusCode?: number;
}

/** What a frontend returned. */
export interface FinishedResult {
  /** One output, or several by platform id. */
  readonly refs: ReadonlyMap<string, GraphEdge | undefined>;
  readonly single: boolean;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  /** Attestations by platform id that the frontend made itself. */
  readonly attestations: ReadonlyMap<string, readonly AttestationRef[]>;
  /** The graph behind each output, when our own frontend made it: history of each layer, stages, sources. */
  readonly graph?: GraphResult;
  readonly request: RequestFacts;
  /** What is taken in the place of a source that the engine itself wants, as the policies have it. Rejects for one that is denied. */
  admit(source: SourceSpec['source'], platform: Platform): Promise<SourceSpec['source']>;
  /** Provenance of the result for a platform id; to be asked for after the result was solved. */
  provenance(id: string, platforms: { readonly own: Platform; readonly all: readonly Platform[] }): ResultProvenance | undefined;
}

/** What a build was asked, for its attestations. */
export interface RequestFacts {
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly dockerfile?: SourceText;
  /** What the Dockerfile was read from. */
  readonly dockerfileEdge?: GraphEdge;
  readonly startedAt: Date;
}

export interface AttestationRef {
  readonly kind: 'in-toto' | 'bundle';
  readonly predicateType: string;
  readonly path: string;
  readonly edge: GraphEdge | undefined;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  readonly subjects: readonly { readonly kind: 'self' | 'raw'; readonly name: string; readonly digests: readonly string[] }[];
}

/** One exporter: `target` is where its bytes go on the client's side. */
export interface OutputRequest {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly index: number;
}

export interface ExportedDocument {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** The manifests that it names, when it is an index. */
  readonly parts: readonly Uint8Array[];
}

export interface ExportOutcome {
  readonly response: Readonly<Record<string, string>>;
  /** Manifest or index that each exporter made, by its index. */
  readonly documents: ReadonlyMap<number, ExportedDocument>;
  /** Provenance predicates for the history, by platform id. */
  readonly provenance: ReadonlyMap<string, { readonly predicateType: string; readonly predicate: Uint8Array }>;
}

/** A thing that must be given back. */
export interface Lease<T> extends AsyncDisposable {
  readonly value: T;
}

/** What the engine may ask of the client that wants the build. */
export interface ClientServices {
  /** Who the client is; empty where nothing vouches for that. */
  peer(signal: AbortSignal): Promise<Peer>;
  /** The client's folder, brought here; stays as it is until the lease ends. */
  folder(source: LocalSource, onBytes: (total: number) => void, signal: AbortSignal): Promise<Lease<string>>;
  secret(id: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Socket of an agent; undefined when the client forwards none of that id. */
  agent(
    id: string,
    owner: { readonly uid: number; readonly gid: number; readonly mode: number } | undefined,
    signal: AbortSignal,
  ): Promise<Lease<string> | undefined>;
  credentials(host: string, signal: AbortSignal): Promise<{ readonly username: string; readonly secret: string } | undefined>;
  token(
    request: { readonly host: string; readonly realm: string; readonly service: string; readonly scopes: string[] },
    signal: AbortSignal,
  ): Promise<{ readonly token: string; readonly expiresIn: number } | undefined>;
  /** Blobs of an OCI layout or local cache of the client. */
  content(store: string, session?: string): ContentAccess;
  /** Bytes behind `http://buildkit-session/…`. */
  upload(url: URL, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Sends one file to the target of exporter `index`. */
  sendFile(index: number, facts: Readonly<Record<string, string>>, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Sends a folder, which is all that exporter `index` has for its target. */
  sendFolder(index: number, folder: string, signal: AbortSignal): Promise<void>;
}

export interface ContentAccess {
  size(digest: string, signal: AbortSignal): Promise<number | undefined>;
  read(digest: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  write(digest: string, size: number, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
}

/** An image with names. */
export interface ImageFacts {
  /** Digest of its config. */
  readonly id: string;
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes of the manifest or index. */
  readonly size: number;
  readonly names: readonly string[];
  readonly createdAt: number;
  readonly bytes: number;
  readonly config: ImageConfig | undefined;
}

/** One thing in the store. */
export interface UsageFacts {
  readonly id: string;
  readonly mutable: boolean;
  readonly inUse: boolean;
  readonly shared: boolean;
  readonly bytes: number;
  readonly parents: readonly string[];
  readonly createdAt: number;
  readonly lastUsedAt?: number;
  readonly usageCount: number;
  readonly description: string;
  /** `regular`, `source.local`, `exec.cachemount`, `internal`, `frontend`, `source.git.checkout`. */
  readonly recordType: string;
}

export interface PruneOptions {
  readonly filter: readonly string[];
  readonly all: boolean;
  /** Milliseconds that what was used since stays. */
  readonly keepMs: number;
  readonly reservedBytes: number;
  readonly maxBytes: number;
  readonly minFreeBytes: number;
}
