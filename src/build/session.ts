// One build request's use of the engine: graph vertices become solver vertices, with what the user gave to this build behind them.

import { setMaxListeners } from 'node:events';
import { AsyncDisposableStack, type BytePath, digestOf, hideLogin, type JobContext, SlipwayError } from '../base/index.ts';
import type { Tree } from '../layer/index.ts';
import type { GraphEdge, GraphVertex, LocalSource, SourceSpec } from '../graph/index.ts';
import { formatPlatform } from '../oci/index.ts';
import {
  AskedSources,
  createDiffOp,
  createExecOp,
  createFileOp,
  createImageOp,
  createMergeOp,
  createPassOp,
  createGitOp,
  createHttpOp,
  createLocalOp,
  keepFolders,
  type Container,
  type ContainerSpec,
  openContainer,
  snapshotFolder,
  treeOf,
  type OpDeps,
} from '../ops/index.ts';
import { CacheMounts } from '../runtime/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { type Edge, type Op, SolveSession, type Vertex, type VertexFacts } from '../solver/index.ts';
import { FileSpool } from '../source/index.ts';
import type { Engine } from './engine.ts';
import { FailedSteps } from './failed-steps.ts';
import { tellingFullDisk } from './full-disk.ts';
import type { ImageSources } from './image-sources.ts';
import type { BuildRequest, StepLimits } from './options.ts';
import { Secrets } from './secrets.ts';
import type { MakeBlobs } from './soon-exported.ts';
import { soonMounted } from './soon-mounted.ts';
import { openAgents } from './ssh-agents.ts';
import { takenPaths } from './taken-paths.ts';
import { verticesBehind } from './vertices-behind.ts';

/** After a failure what runs may still fail, or end, so long: several mistakes are told at once, and nobody waits for a long step in vain. */
const FAILURE_GRACE_MS = 3000;

/** What a build's owner (the command, a client's session) answers when a step asks. */
export interface BuildServices {
  /** Folder of a local source; undefined: there is none of that name. `vertex` is the step that asks, for its progress. */
  readonly folder: (source: LocalSource, job: JobContext, vertex: string) => Promise<{ readonly path: string } | undefined>;
  readonly secret: (id: string) => Promise<Uint8Array | undefined>;
  readonly sshSocket: (id: string, job: JobContext) => Promise<string | undefined>;
}

/** How a session works. */
export interface SessionOptions {
  readonly services: BuildServices;
  readonly images: ImageSources;
  readonly limits: StepLimits;
  /** Cache mounts start empty. A function is asked when a mount is made: a client says it late. */
  readonly freshCaches: boolean | ((id: string) => boolean);
  /** How sources reach the network; default: the engine's way. */
  readonly network?: OpDeps['network'];
  /** Tells Dockerfiles apart in explanations: context and file. */
  readonly project: string;
  /** What failed steps left can be looked at (`failedState`) until the session ends. */
  readonly keepsFailed?: boolean;
  /** Folders are read where they lie; a client sends only what is taken of them. */
  readonly foldersInPlace?: boolean;
  /** A build that this one is made together with: what one executes is not executed again. */
  readonly beside?: SolveSession<RootFS>;
}

/** A session for a build of this machine: folders by name (filled in while the inputs are read), secrets and agents of the request. */
export function openSession(
  engine: Engine,
  job: JobContext,
  {
    images,
    request,
    folders,
    beside,
  }: {
    readonly images: ImageSources;
    readonly request: BuildRequest;
    readonly folders: ReadonlyMap<string, string>;
    readonly beside?: SolveSession<RootFS> | undefined;
  },
): BuildSession {
  const secrets = new Secrets(request.secrets ?? []);
  const agents = openAgents(request.ssh ?? [], engine);
  const session = new BuildSession(engine, job, {
    images,
    limits: request.limits ?? {},
    freshCaches: request.noCache === true,
    project: projectOf(request),
    foldersInPlace: true,
    ...(beside === undefined ? {} : { beside }),
    services: {
      folder: ({ name }) => {
        const path = folders.get(name);
        return Promise.resolve(path === undefined ? undefined : { path });
      },
      secret: (id) => secrets.get(id),
      sshSocket: (id) => agents.socket(id),
    },
  });
  session.own(agents);
  return session;
}

/** Solves edges for one build. Leases what it uses until it is disposed. */
export class BuildSession implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #options: SessionOptions;
  readonly #job: JobContext;
  readonly #deps: OpDeps;
  readonly #vertices = new Map<string, Vertex<RootFS>>();
  readonly #results = new Map<string, RootFS>();
  readonly #facts = new Map<string, VertexFacts<RootFS>>();
  /** Each vertex is solved once in this build, however often it is asked for. */
  readonly #solving: SolveSession<RootFS>;
  #soonMounted: ReadonlySet<string> = new Set();
  #takenPaths: ReadonlyMap<string, readonly BytePath[]> = new Map();
  readonly #pins = new Map<string, string>();
  readonly #failedStates = new Map<string, { readonly vertex: GraphVertex; readonly mount: number }>();
  /** What steps that failed left behind. */
  readonly failed: FailedSteps;
  readonly #stack = new AsyncDisposableStack();
  #makeBlobs: readonly MakeBlobs[] = [];
  /** What goes on beside steps and exports; what it fails with, the export finds again. */
  readonly #beside = new Set<Promise<void>>();
  readonly #end = new AbortController();
  /** Of what goes on beside. */
  readonly #besideJob: JobContext;

  constructor(engine: Engine, job: JobContext, options: SessionOptions) {
    this.#engine = engine;
    this.#job = job;
    this.#options = options;
    this.#solving = new SolveSession<RootFS>(options.beside);
    this.#besideJob = { ...job, signal: AbortSignal.any([job.signal, this.#end.signal]) };
    setMaxListeners(0, job.signal, this.#besideJob.signal); // each question and step in flight listens
    this.#stack.use(engine.store.lease());
    const { services, limits } = options;
    this.failed = this.#stack.use(new FailedSteps(() => engine.store.temp.path('failed')));
    this.#deps = {
      layers: engine.layers,
      pathDigests: engine.cache.pathDigests,
      folder: (source, job) => services.folder(source, job, ''),
      secret: services.secret,
      sshSocket: services.sshSocket,
      stateFolder: engine.stateFolder,
      tempFolder: () => engine.store.temp.path('op'),
      asked: this.#stack.use(new AskedSources()),
      spool: this.#stack.use(new FileSpool(() => engine.store.temp.path('spool'))),
      sandbox: engine.sandbox,
      network: options.network ?? engine.network,
      pinned: (vertex, pin) => this.#pins.set(vertex, pin),
      onLargeLayer: () => {
        if (this.#makeBlobs.length > 0) engine.layers.expectBlob();
      },
      limits,
      failed: (step) => this.failed.add(step),
      keepsFailed: options.keepsFailed === true,
      caches: new CacheMounts(engine.stateFolder('cache-mounts'), { fresh: options.freshCaches }),
      whileRunning: (vertex, below) => this.#whileRunning(vertex, below),
      isSoonMounted: (vertex) => this.#soonMounted.has(vertex),
      ...(options.foldersInPlace === true && { takenPaths: (folder) => this.#takenPaths.get(folder) ?? [] }),
      notice: (id, text) => job.progress({ type: 'log', id, stream: 2, data: Buffer.from(`note: ${text}\n`), time: job.now().getTime() }),
    };
    this.#stack.defer(() => keepFolders(this.#deps));
  }

  /** What is solved will become images, or go into caches: blobs of its layers are wanted. */
  expectBlobs(...makeBlobs: readonly MakeBlobs[]): void {
    this.#makeBlobs = makeBlobs;
  }

  #whileRunning(vertex: string, { layers }: RootFS): void {
    for (const make of this.#makeBlobs) this.beside((job) => make(vertex, layers, job));
  }

  /** Work ahead of its time, which nobody waits for: it ends with the session, and whoever needs it and does not find it done does it then. */
  beside(work: (job: JobContext) => Promise<void>): void {
    const going = work(this.#besideJob)
      .catch(() => {})
      .finally(() => this.#beside.delete(going));
    this.#beside.add(going);
  }

  /** Takes over what ends with the session. */
  own(resource: AsyncDisposable): void {
    this.#stack.use(resource);
  }

  /** What the ops of this build share. */
  get deps(): OpDeps {
    return this.#deps;
  }

  /** What became of every vertex so far, in the order they were asked for. */
  get facts(): readonly VertexFacts<RootFS>[] {
    return [...this.#facts.values()];
  }

  /**
   * The state that a failed step left in one of its mounts, as an output that this session can solve; undefined: nothing was kept. Where a
   * secret is in it, it is the state before the step.
   */
  failedState(vertex: GraphVertex, mount: number): GraphEdge | undefined {
    if (!this.failed.has(vertex.digest, mount)) return undefined;
    const state: GraphEdge = { vertex: { ...vertex, digest: digestOf(`failed ${vertex.digest} ${mount}`) }, output: 0 };
    this.#failedStates.set(edgeName(state), { vertex, mount });
    return state;
  }

  /** Solves edges together; each identical vertex once. The results of `bytes` (default: none) can be read afterwards. */
  async solve(edges: readonly GraphEdge[], bytes: readonly GraphEdge[] = []): Promise<readonly RootFS[]> {
    const states = edges.map((edge) => this.#failedStates.get(edgeName(edge)));
    if (states.every((state) => state === undefined)) return await this.#solve(edges, bytes);
    const isPlain = (edge: GraphEdge): boolean => !this.#failedStates.has(edgeName(edge));
    const plain = edges.filter(isPlain);
    const solved = plain.length === 0 ? [] : [...(await this.#solve(plain, bytes.filter(isPlain)))];
    const found: RootFS[] = [];
    for (const state of states) found.push(state === undefined ? (solved.shift() as RootFS) : await this.#stateOf(state));
    return found;
  }

  async #stateOf({ vertex, mount }: { readonly vertex: GraphVertex; readonly mount: number }): Promise<RootFS> {
    const kept = await this.failed.state(vertex.digest, mount, this.#engine.layers, this.#job);
    if (kept !== undefined) return kept;
    const before = vertex.op.type === 'exec' ? vertex.inputs[vertex.op.mounts[mount]?.input ?? -1] : undefined;
    if (before === undefined)
      throw new SlipwayError('SECRET_IN_LAYER', 'what the step left holds a secret, and nothing was there before it');
    return ((await this.#solve([before], [before])) as [RootFS])[0];
  }

  async #solve(edges: readonly GraphEdge[], bytes: readonly GraphEdge[]): Promise<readonly RootFS[]> {
    this.#soonMounted = new Set([...this.#soonMounted, ...soonMounted(edges)]);
    this.#takenPaths = takenPaths(edges);
    for (const vertex of verticesBehind(edges)) {
      if (!this.#vertices.has(vertex.digest)) this.#vertices.set(vertex.digest, this.#vertex(vertex));
    }
    const { outputs } = await this.#engine.solver.solve(
      edges.map((edge) => this.#edge(edge)),
      this.#job,
      {
        session: this.#solving,
        store: this.#engine.cache,
        failureGraceMs: FAILURE_GRACE_MS,
        hasBytes: ({ layers }) => layers.every((layer) => this.#engine.layers.hasBytes(layer)),
        rootsNeedBytes: new Set(bytes.map(({ vertex }) => vertex.digest)),
        onFacts: (facts) => {
          for (const fact of facts) this.#facts.set(fact.digest, fact);
        },
      },
    );
    const layered = await Promise.all(outputs.map((output) => this.#layered(output)));
    for (const [index, edge] of edges.entries()) this.#results.set(edgeName(edge), layered[index] as RootFS);
    return layered;
  }

  /** A user's folder that is a result itself (`FROM` a named context) is an image's layer from now on. */
  async #layered(output: RootFS): Promise<RootFS> {
    if (output.folder === undefined) return output;
    return { identity: output.identity, layers: [await snapshotFolder(output, '', this.#deps, this.#job)] };
  }

  /** Outputs of a vertex as far as this session knows them. */
  outputsOf({ digest }: GraphVertex): readonly RootFS[] {
    return this.#facts.get(digest)?.outputs ?? [];
  }

  /** What a source turned out to be: a commit, a digest. */
  pinOf({ digest }: GraphVertex): string | undefined {
    return this.#pins.get(digest);
  }

  /** The result of an edge that was solved in this session. */
  resultOf(edge: GraphEdge): RootFS {
    const result = this.#results.get(edgeName(edge));
    if (result === undefined) throw new Error(`internal: ${edge.vertex.about.name} was not solved`);
    return result;
  }

  /** As `resultOf`, for what may not have been solved. */
  knownResult(edge: GraphEdge | undefined): RootFS | undefined {
    if (edge === undefined) return undefined;
    const result = this.#results.get(edgeName(edge)) ?? this.outputsOf(edge.vertex)[edge.output];
    return result?.folder === undefined ? result : undefined;
  }

  /** Bytes of the files of layers, as far as the store knows them by now: a pulled layer's are known once it was looked into. */
  sizeOf(layers: RootFS['layers']): number {
    return layers.reduce((sum, { id, size }) => sum + (size ?? this.#engine.layers.get(id)?.size ?? 0), 0);
  }

  /** As `sizeOf`; undefined when one of them is not known. */
  knownSizeOf(layers: RootFS['layers']): number | undefined {
    let sum = 0;
    for (const { id, size } of layers) {
      const known = size ?? this.#engine.layers.get(id)?.size;
      if (known === undefined) return undefined;
      sum += known;
    }
    return sum;
  }

  /** The files of an edge, solved if need be. */
  async tree(edge: GraphEdge): Promise<Tree> {
    const known = this.#results.get(edgeName(edge));
    const [result] =
      known?.layers.every((layer) => this.#engine.layers.hasBytes(layer)) === true ? [known] : await this.solve([edge], [edge]);
    return await treeOf(result, 0, 'bytes', this.#deps, this.#job);
  }

  /** A root of results for processes that are no steps. It does not outlive the session. */
  async container(id: string, spec: ContainerSpec, inputs: readonly GraphEdge[]): Promise<Container> {
    const results = inputs.length === 0 ? [] : await this.solve(inputs, inputs);
    return openContainer(id, spec, results, this.#deps, this.#job);
  }

  /**
   * Settles when nothing of this build runs any more; undefined: nothing does. Steps that other builds wait for too go on when this build is
   * given up, and read what it brought along.
   */
  afterwards(): Promise<unknown> | undefined {
    return this.#solving.afterwards();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.afterwards();
    this.#end.abort(new Error('the build ended'));
    await Promise.all(this.#beside);
    await this.#stack[Symbol.asyncDispose]();
  }

  /** The vertices of the edges and of all that they stand on are made before. */
  #edge({ vertex, output }: GraphEdge): Edge<RootFS> {
    return { vertex: this.#vertices.get(vertex.digest) as Vertex<RootFS>, output };
  }

  #vertex(vertex: GraphVertex): Vertex<RootFS> {
    const { about } = vertex;
    return {
      digest: vertex.digest,
      inputs: vertex.inputs.map((input) => this.#edge(input)),
      op: tellingFullDisk(this.#op(vertex), this.#engine.store.root),
      ignoreCache: about.ignoreCache === true,
      progress: {
        id: vertex.digest,
        name: about.name,
        inputs: vertex.inputs.map((input) => input.vertex.digest),
        ...(about.stage === undefined ? {} : { stage: about.stage }),
        ...(about.instruction === undefined ? {} : { instruction: about.instruction }),
        ...(about.location === undefined ? {} : { location: about.location }),
        platform: formatPlatform(vertex.platform),
      },
    };
  }

  #sourceOp(vertex: GraphVertex, source: SourceSpec['source'], step: string): Op<RootFS> {
    switch (source.kind) {
      case 'image':
      case 'oci-layout':
        return createImageOp(vertex.digest, source, this.#engine.layers, async (wanted, job) => {
          const found = await this.#options.images.find(wanted, job);
          this.#pins.set(vertex.digest, found.digest);
          return found;
        });
      case 'local':
        return createLocalOp(source, step, {
          ...this.#deps,
          folder: (wanted, job) => this.#options.services.folder(wanted, job, vertex.digest),
        });
      case 'git':
        return createGitOp(vertex, source, step, this.#deps);
      case 'http':
        return createHttpOp(vertex, source, step, this.#deps);
    }
  }

  #op(vertex: GraphVertex): Op<RootFS> {
    const { op } = vertex;
    const step = stepName(this.#options.project, vertex);
    switch (op.type) {
      case 'source':
        return this.#sourceOp(vertex, op.source, step);
      case 'exec':
        return createExecOp(vertex, op, step, this.#deps);
      case 'file':
        return createFileOp(vertex, op, step, this.#deps);
      case 'merge':
        return createMergeOp();
      case 'pass':
        return createPassOp(op.of);
      case 'diff':
        return createDiffOp(vertex.digest, op.lower ?? 0, op.upper ?? 1, step, this.#deps);
    }
  }
}

function edgeName({ vertex, output }: GraphEdge): string {
  return `${vertex.digest} ${output}`;
}

/** Place of a step for explanations: `<dockerfile>\0<stage>\0<platform>/<KIND> <n>`. What only helps a step is not compared with it. */
function stepName(project: string, { about, platform, op }: GraphVertex): string {
  const instruction = about.instruction?.split(/\s/, 1)[0]?.toUpperCase();
  const kind = about.name.startsWith('[internal]') ? `internal ${instruction ?? op.type}` : (instruction ?? op.type);
  return `${project}\0${about.stage ?? ''}\0${formatPlatform(platform)}/${kind} ${about.ordinal ?? 0}`;
}

/** What tells one Dockerfile from another in explanations and the history. */
function projectOf({ context, dockerfile, name, tags = [] }: BuildRequest): string {
  const where =
    context === undefined || context.kind === 'empty'
      ? ''
      : context.kind === 'url'
        ? hideLogin(context.url)
        : // One that came in a stream is kept under another path each time; the image's name tells projects apart.
          context.kind === 'archive' && name !== undefined
          ? `${name} ${tags[0] ?? ''}`
          : context.path;
  const file =
    dockerfile === undefined
      ? 'Dockerfile'
      : dockerfile.kind === 'path'
        ? dockerfile.path
        : dockerfile.kind === 'url'
          ? hideLogin(dockerfile.url)
          : dockerfile.filename;
  return `${where} ${file}`;
}
