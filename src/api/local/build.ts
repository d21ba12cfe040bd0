// One request's use of the engine of this machine.

import {
  AsyncDisposableStack,
  type Diagnostic,
  type JobContext,
  type ProgressEvent,
  SlipwayError,
  type SourceText,
} from '../../base/index.ts';
import {
  BuildSession,
  buildGraph,
  detectSyntax,
  type Engine,
  familiarReference,
  formatWholePlatform,
  formatReference,
  type FoundImage,
  gitSource,
  ImageSources,
  normalizePlatform,
  openRegistry,
  parseDockerfile,
  parseGitRef,
  parseIgnore,
  parsePlatform,
  parseReference,
  PatternMatcher,
  type Platform,
  type RegistryClient,
  sourceFacts,
  type SourceFacts,
  withDefaultTag,
} from '../../build/parts.ts';
import type {
  BackendBuild,
  CacheEntry,
  CallAnswer,
  ClientServices,
  ExportOutcome,
  FinishedResult,
  Lease,
  OutputRequest,
  Surroundings,
} from '../backend.ts';
import type {
  Container,
  ContainerProcessSpec,
  ContainerSpec,
  GraphEdge,
  GraphOptions,
  GraphResult,
  GraphVertex,
  ImageResolver,
  OciLayoutSource,
  ResolvedImage,
  SourceSpec,
  Tree,
} from '../engine.ts';
import { registrySettings } from './registry-settings.ts';
import { BuildCaches } from './caches.ts';
import { answerCall } from './calls.ts';
import { checkEntitlements, EntitlementGate } from './entitlements.ts';
import { exportResult } from './export.ts';
import { uploadNetwork } from './upload-network.ts';

export interface LocalBuildOptions {
  readonly allowedEntitlements: readonly string[];
  readonly buildPlatform: Platform;
  /** What the configuration adds to every provenance. */
  readonly provenanceEnv: Readonly<Record<string, unknown>>;
  /** Told when nothing goes on any more of a build that ran steps. */
  readonly over: () => void;
}

/** Parts of a build of this machine whose frontend alone is asked. */
export interface SharedBuild {
  readonly session: BuildSession;
  readonly images: ImageSources;
}

/** Output of a step that is kept, bytes, and per second: what BuildKit's server keeps. */
const LOG_BYTES = 2 << 20;
const LOG_BYTES_PER_SECOND = 200 << 10;

let asked = 0;

/** A client's build by the engine of this machine. */
export class LocalBuild implements BackendBuild {
  readonly job: JobContext;
  readonly session: BuildSession;
  readonly engine: Engine;
  readonly client: ClientServices;
  readonly registry: RegistryClient;
  readonly options: LocalBuildOptions;
  readonly gate: EntitlementGate;
  readonly caches: BuildCaches;
  readonly images: ImageSources;
  readonly #stack = new AsyncDisposableStack();
  readonly #ownsSession: boolean;
  readonly #folders = new Map<string, Promise<string>>();
  #fresh = false;
  readonly #freshIds = new Set<string>();

  /** `shared`: what a build that has begun already brings along; it stays that build's. */
  constructor(engine: Engine, client: ClientServices, surroundings: Surroundings, options: LocalBuildOptions, shared?: SharedBuild) {
    this.engine = engine;
    this.client = client;
    this.options = options;
    this.#ownsSession = shared === undefined;
    this.gate = new EntitlementGate(checkEntitlements(surroundings.entitlements, options.allowedEntitlements));
    this.job = {
      signal: surroundings.signal,
      progress: (event) => surroundings.progress(this.#wasAsked(event)),
      now: engine.now,
    };
    this.registry =
      shared !== undefined
        ? engine.registry
        : this.#stack.use(
            openRegistry({
              ...registrySettings(engine.settings),
              now: engine.now,
              credentialSource: {
                credentials: (host) => client.credentials(host, this.job.signal),
                token: (request) => client.token({ ...request, scopes: [...request.scopes] }, this.job.signal),
              },
            }),
          );
    this.images =
      shared?.images ??
      new ImageSources(engine.store, this.registry, engine.trust(this.registry), (message) => this.#notice(message), {
        layouts: (source) => {
          const content = client.content(`oci:${source.path}`, source.session === '' ? undefined : source.session);
          return {
            size: (digest, job) => content.size(digest, job.signal),
            open: (digest, job) => Promise.resolve(content.read(digest, job.signal)),
          };
        },
        asker: () => client.peer(this.job.signal),
      });
    this.session =
      shared?.session ??
      this.#stack.use(
        new BuildSession(engine, this.job, {
          images: this.images,
          limits: { logBytes: LOG_BYTES, logBytesPerSecond: LOG_BYTES_PER_SECOND },
          freshCaches: (id) => this.#fresh || this.#freshIds.has(id),
          project: '',
          keepsFailed: true,
          network: uploadNetwork(engine.network, client, this.job.signal),
          services: {
            folder: async (source, job, vertex) => ({ path: await this.#folder(source, job, vertex) }),
            secret: (id) => client.secret(id, this.job.signal),
            sshSocket: (id) => this.#agent(id),
          },
        }),
      );
    this.caches = new BuildCaches(this);
    this.caches.import(surroundings.cacheImports);
  }

  importCaches(entries: readonly CacheEntry[]): void {
    this.caches.import(entries);
  }

  async graph(source: SourceText, options: GraphOptions, resolver: ImageResolver, origin?: string): Promise<GraphResult> {
    const dockerfile = parseDockerfile(source.text, { filename: source.filename });
    const report = (diagnostic: Diagnostic): void => this.#warn(diagnostic, dockerfile.source, origin);
    if (options.noCache === true) this.#fresh = true;
    return buildGraph(dockerfile, { ...options, report }, resolver, this.job.signal);
  }

  call(
    request: 'outline' | 'targets' | 'lint' | 'describe',
    source: SourceText,
    options: GraphOptions,
    resolver: ImageResolver,
  ): Promise<CallAnswer> {
    return answerCall(request, source, options, resolver, this.job.signal);
  }

  async resolveImage(
    ref: string,
    platform: Platform,
    mode: 'default' | 'pull' | 'local',
    about: string,
  ): Promise<ResolvedImage & { rawConfig: Uint8Array }> {
    const found = await this.#shown(about, () => this.images.find({ kind: 'image', ref, platform, resolveMode: mode }, this.job));
    return imageFacts(found);
  }

  async resolveLayout(source: OciLayoutSource, about: string): Promise<ResolvedImage & { rawConfig: Uint8Array }> {
    return imageFacts(await this.#shown(about, () => this.images.find(source, this.job)));
  }

  resolveSource(source: SourceSpec['source'], about: string): Promise<SourceFacts> {
    return this.#shown(about, () => sourceFacts(source, this.session.deps, this.job));
  }

  readIgnore(text: string, filename: string): readonly string[] {
    const patterns = parseIgnore(text);
    const compiled = PatternMatcher.compile(patterns);
    if (!compiled.ok) throw new SlipwayError('IGNORE_INVALID', `failed parsing ${filename}: ${compiled.problem.message}`);
    return patterns;
  }

  detectSyntax(text: string): ReturnType<BackendBuild['detectSyntax']> {
    const found = detectSyntax(text);
    return found === undefined ? undefined : { ref: found.word, cmdline: found.value, range: found.range };
  }

  gitSource(address: string): ReturnType<BackendBuild['gitSource']> {
    const ref = parseGitRef(address);
    return ref === undefined ? undefined : gitSource(ref);
  }

  parsePlatform(text: string): Platform {
    return normalizePlatform(parsePlatform(text, this.options.buildPlatform));
  }

  formatPlatform(platform: Platform): string {
    return formatWholePlatform(platform);
  }

  parseReference(text: string): { canonical: string; familiar: string } {
    const reference = withDefaultTag(parseReference(text));
    return { canonical: formatReference(reference), familiar: familiarReference(reference) };
  }

  freshCache(id: string): void {
    this.#freshIds.add(id);
  }

  pinOf(vertex: GraphVertex): string | undefined {
    return this.session.pinOf(vertex);
  }

  async solve(edges: readonly GraphEdge[]): Promise<void> {
    this.gate.check(edges);
    await this.caches.ready();
    await this.session.solve(edges);
  }

  failedState(vertex: GraphVertex, mount: number): GraphEdge | undefined {
    return this.session.failedState(vertex, mount);
  }

  async tree(edge: GraphEdge | undefined): Promise<Tree> {
    if (edge === undefined) return EMPTY;
    this.gate.check([edge]);
    await this.caches.ready();
    return this.session.tree(edge);
  }

  async container(id: string, spec: ContainerSpec, inputs: readonly GraphEdge[]): Promise<Container> {
    this.gate.check(inputs);
    this.gate.checkProcess({ network: spec.network, security: 'sandbox' });
    await this.caches.ready();
    return this.session.container(id, spec, inputs);
  }

  checkProcess({ security }: Pick<ContainerProcessSpec, 'security'>): void {
    this.gate.checkProcess({ network: 'none', security });
  }

  finish(result: FinishedResult, outputs: readonly OutputRequest[], cacheExports: readonly CacheEntry[]): Promise<ExportOutcome> {
    return exportResult(this, result, outputs, cacheExports);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const others = this.#ownsSession ? this.session.afterwards() : undefined;
    if (others === undefined) await this.#giveBack();
    // The client is not kept waiting for steps that only others still want; those must not lose what they read.
    else this.engine.later(others.then(() => this.#giveBack()));
  }

  async #giveBack(): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
    // A build that ran nothing left nothing; clients ask small things in builds of their own.
    if (this.#ownsSession && this.session.facts.some(({ state }) => state === 'executed')) this.options.over();
  }

  /** Shows work as a vertex of its own. */
  async shown<T>(name: string, work: (id: string) => Promise<T>, inputs: readonly string[] = []): Promise<T> {
    asked += 1;
    const id = `sha256:${'f'.repeat(40)}${asked.toString(16).padStart(24, '0')}`;
    const send = (event: ProgressEvent): void => this.job.progress(event);
    const time = (): number => this.job.now().getTime();
    send({ type: 'vertex', vertex: { id, name, inputs }, time: time() });
    send({ type: 'started', id, time: time() });
    try {
      const answer = await work(id);
      send({ type: 'completed', id, cached: false, time: time() });
      return answer;
    } catch (error) {
      if (this.job.signal.aborted) send({ type: 'canceled', id, time: time() });
      else send({ type: 'failed', id, error: error as Error, time: time() });
      throw error;
    }
  }

  #shown<T>(about: string, work: () => Promise<T>): Promise<T> {
    return about === '' ? work() : this.shown(about, work);
  }

  /** A client that was asked for its folder is not told that the folder was known, however little of it had changed. */
  #wasAsked(event: ProgressEvent): ProgressEvent {
    return event.type === 'completed' && event.cached && this.#folders.has(event.id) ? { ...event, cached: false } : event;
  }

  /** A folder is brought here once in a build, however often it is asked for. */
  #folder(source: Parameters<ClientServices['folder']>[0], job: JobContext, vertex: string): Promise<string> {
    let folder = this.#folders.get(vertex);
    if (folder === undefined) {
      folder = this.#bring(source, job, vertex);
      this.#folders.set(vertex, folder);
    }
    return folder;
  }

  async #bring(source: Parameters<ClientServices['folder']>[0], job: JobContext, vertex: string): Promise<string> {
    const say = (current: number, done: boolean): void =>
      job.progress({
        type: 'status',
        id: vertex,
        status: `transferring ${source.name}:`,
        current,
        unit: 'bytes',
        done,
        time: job.now().getTime(),
      });
    let bytes = 0;
    const lease: Lease<string> = await this.client.folder(
      source,
      (total) => {
        bytes = total;
        say(total, false);
      },
      job.signal,
    );
    say(bytes, true);
    this.#stack.defer(() => lease[Symbol.asyncDispose]());
    return lease.value;
  }

  async #agent(id: string): Promise<string | undefined> {
    const lease = await this.client.agent(id, undefined, this.job.signal);
    if (lease === undefined) return undefined;
    this.#stack.defer(() => lease[Symbol.asyncDispose]());
    return lease.value;
  }

  #warn(diagnostic: Diagnostic, source: SourceText, origin: string | undefined): void {
    if (diagnostic.severity === 'error') return;
    const time = this.job.now().getTime();
    this.job.progress({ type: 'warning', ...(origin !== undefined && { id: origin }), diagnostic, source, time });
  }

  #notice(message: string): void {
    const nowhere = { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };
    this.job.progress({
      type: 'warning',
      diagnostic: { rule: 'Notice', severity: 'warning', message, range: nowhere },
      time: this.job.now().getTime(),
    });
  }
}

const EMPTY: Tree = {
  lookup: () => undefined,
  list: () => [],
  open: () => {
    throw new SlipwayError('FILE_NOT_FOUND', 'the tree is empty');
  },
  digest: () => {
    throw new SlipwayError('FILE_NOT_FOUND', 'the tree is empty');
  },
  linkKey: () => undefined,
};

function imageFacts(found: FoundImage): ResolvedImage & { rawConfig: Uint8Array } {
  return { ref: found.ref, digest: found.digest, config: found.config, rawConfig: found.rawConfig };
}
