// The door's main way: a Dockerfile and options to vertices and configs, for every platform.

import { type Diagnostic, SlipwayError, type SourceLocation } from '../base/index.ts';
import { type Dockerfile, lintConfigOf, lintDockerfile, Linter, parseGoBool } from '../dockerfile/index.ts';
import { type ImageConfig, normalizePlatform, type Platform } from '../oci/index.ts';
import { type Answers, rememberedAnswers, resolveBases } from './bases.ts';
import { checkBuildArgs } from './build-args.ts';
import { addEntries, continueDraft, finishDraft, historyOf } from './config-draft.ts';
import { ContextNames, treeEdge } from './contexts.ts';
import { resolveEpoch, SOURCE_DATE_EPOCH, withEpoch } from './epoch.ts';
import { evaluateStages } from './evaluate.ts';
import { brokenDockerfile, Fault, invalidDockerfile } from './fault.ts';
import { globalScope, platformArgs, proxyVariables } from './global-args.ts';
import { EvaluationLint } from './lint.ts';
import { multiStageRules } from './multi-stage-rules.ts';
import type { GraphEdge } from './op-spec.ts';
import type { GraphOptions, TreeInput } from './options.ts';
import { type Outline, outlineOf } from './outline.ts';
import type { ImageResolver } from './resolver.ts';
import type { GraphResult, InstructionFacts, PlatformGraph, StageFacts, StageRoot } from './result.ts';
import { chooseGates, chooseTarget } from './roots.ts';
import { locationOf, type Scope } from './scope.ts';
import { enterStages, linkStages, reachableFrom } from './stages.ts';
import { type StageState, StageTable } from './stage-state.ts';
import { VertexPool } from './vertex-pool.ts';

/**
 * Evaluates a Dockerfile. Only what the target (and gates, and `allStages`) need is resolved and evaluated. Mistakes of the user end in
 * `DOCKERFILE_INVALID`, whose `facts.diagnostics` has all that were found; what `resolver` rejects with comes through, with its place.
 */
export async function buildGraph(
  dockerfile: Dockerfile,
  options: GraphOptions,
  resolver: ImageResolver,
  signal?: AbortSignal,
): Promise<GraphResult> {
  const diagnostics: Diagnostic[] = [];
  const linter = openLinter(dockerfile, options, (diagnostic) => {
    diagnostics.push(diagnostic);
    options.report?.(diagnostic);
  });
  lintDockerfile(dockerfile, linter);
  const broken = brokenDockerfile(dockerfile);
  if (broken !== undefined) throw broken;
  const pool = new VertexPool();
  const answers = rememberedAnswers(resolver, signal);
  const wanted = options.platforms ?? [];
  const targets = wanted.length === 0 ? [options.buildPlatform] : wanted;
  checkBuildArgs(options.buildArgs ?? {}, targets.length);
  try {
    const scopes = await Promise.all(
      targets.map((target, index) =>
        openScope({
          dockerfile,
          options,
          resolver,
          signal,
          pool,
          target,
          implicit: wanted.length === 0,
          linter: index === 0 ? linter : undefined, // the others would say the same again
        }),
      ),
    );
    const ready = await Promise.all(scopes.map((scope) => prepare(scope, answers)));
    signal?.throwIfAborted();
    const platforms = ready.map(finish); // one after the other: the first platform's names stay on shared vertices
    const [first] = ready;
    if (options.ownRules === true && first !== undefined) multiStageRules(first.scope, linter, first.target, first.gates);
    const violation = linter.failure();
    if (violation !== undefined)
      throw new SlipwayError('LINT_VIOLATION', violation, { hint: 'cure what was found, or change error=true', facts: { diagnostics } });
    const admit = resolver.admitSource?.bind(resolver);
    if (admit !== undefined) await pool.replaceSources((source, { platform, about }) => admit(source, platform, about, signal));
    return { platforms, multiPlatform: scopes[0]?.multiPlatform === true, vertices: pool.vertices, diagnostics };
  } catch (error) {
    if (error instanceof Fault) throw invalidDockerfile([error.diagnostic], dockerfile.source);
    throw error;
  }
}

/** Which findings are wanted: the file's `# check=` says, or the build arg in its place. */
function openLinter(dockerfile: Dockerfile, options: GraphOptions, sink: (diagnostic: Diagnostic) => void): Linter {
  const config = lintConfigOf(dockerfile.source.text, options.buildArgs?.['BUILDKIT_DOCKERFILE_CHECK']);
  if (config.ok) return new Linter(config.value, sink, options.ownRules === true ? ['buildkit', 'slipway'] : ['buildkit']);
  const override = options.buildArgs?.['BUILDKIT_DOCKERFILE_CHECK'];
  const directive = override === undefined ? dockerfile.directives.find(({ name }) => name === 'check') : undefined;
  throw new SlipwayError('CHECK_OPTION_INVALID', config.problem.message, {
    ...(config.problem.hint === undefined ? {} : { hint: config.problem.hint }),
    ...(directive === undefined ? {} : { location: { source: dockerfile.source, range: directive.value.range } }),
  });
}

interface ScopeEntry {
  readonly dockerfile: Dockerfile;
  readonly options: GraphOptions;
  readonly resolver: ImageResolver;
  readonly signal: AbortSignal | undefined;
  readonly pool: VertexPool;
  readonly target: Platform;
  readonly implicit: boolean;
  readonly linter: Linter | undefined;
}

/** What a build is given when nobody says otherwise: the folder called `context`. */
function defaultContext(options: GraphOptions): TreeInput {
  return options.context ?? { source: { kind: 'local', name: 'context', exclude: options.ignore ?? [] } };
}

async function openScope(entry: ScopeEntry): Promise<Scope> {
  const { dockerfile, options, pool, target } = entry;
  const given = { ...options.buildArgs };
  if (options.sourceDateEpoch !== undefined) given[SOURCE_DATE_EPOCH] ??= String(options.sourceDateEpoch);
  const lint = new EvaluationLint(dockerfile, options, entry.linter);
  const targetStage = options.target ?? dockerfile.stages.at(-1)?.name ?? '';
  const base = platformArgs(options.buildPlatform, target, targetStage, given);
  lint.defaultBases(base);
  const written = globalScope(base, dockerfile.metaArgs, given, dockerfile.escape);
  const contexts = new ContextNames(options.namedContexts ?? []);
  const epoch = await resolveEpoch({ ...entry, contexts, globals: written, buildArgs: given });
  const { buildArgs, globals } = withEpoch(given, written, epoch);
  let context: { readonly edge: GraphEdge | undefined } | undefined;
  return {
    dockerfile,
    options,
    pool,
    target,
    implicit: entry.implicit,
    multiPlatform: options.multiPlatform ?? parseGoBool(given['BUILDKIT_MULTI_PLATFORM'] ?? '') ?? (options.platforms ?? []).length > 1,
    buildArgs,
    globals,
    epoch,
    proxyEnv: proxyVariables(buildArgs, options.proxyEnv),
    contexts,
    lint,
    table: new StageTable(),
    mounts: new Map(),
    faults: [],
    buildContext: () => {
      context ??= { edge: treeEdge(pool, defaultContext(options), target, { name: '[internal] load build context' }) };
      return context.edge;
    },
  };
}

/** A platform's stages with their bases: ready to be evaluated without waiting for anything. */
interface Prepared {
  readonly scope: Scope;
  readonly target: StageState;
  readonly gates: readonly StageState[];
  readonly extra: readonly StageState[];
  readonly wanted: ReadonlySet<StageState>;
}

async function prepare(scope: Scope, answers: Answers): Promise<Prepared> {
  enterStages(scope);
  refuseFaults(scope);
  const target = chooseTarget(scope);
  const gates = chooseGates(scope);
  linkStages(scope);
  refuseFaults(scope);
  const extra = scope.options.allStages === true ? stagesUpTo(scope, target).filter((state) => state !== target) : [];
  const wanted = await resolveBases(scope, answers, [target, ...gates, ...extra]);
  refuseFaults(scope);
  return { scope, target, gates, extra, wanted };
}

function stagesUpTo(scope: Scope, target: StageState): readonly StageState[] {
  return scope.table.stages.filter(({ index }) => index <= target.index);
}

function refuseFaults(scope: Scope): void {
  if (scope.faults.length > 0) throw invalidDockerfile(scope.faults, scope.dockerfile.source);
}

function finish({ scope, target, gates, extra, wanted }: Prepared): PlatformGraph {
  evaluateStages(scope, wanted);
  refuseFaults(scope);
  target.paths.add('/');
  const stages = scope.table.stages.filter((state) => wanted.has(state));
  // Stages that go on from the target do not become the image.
  const draft = (target.draft = continueDraft(target.draft));
  let config: ImageConfig | undefined;
  let outline: Outline | undefined;
  draft.platform = imagePlatform(scope, draft.platform);
  const labels = Object.entries(scope.options.labels ?? {}).map(([name, value]) => ({ name, value }));
  if (labels.length > 0) addEntries(draft, 'Labels', labels);
  return {
    platform: scope.implicit ? draft.platform : scope.target,
    root: target.root,
    get config(): ImageConfig {
      return (config ??= finishDraft(draft));
    },
    history: historyOf(draft),
    ...(target.baseConfig === undefined ? {} : { baseConfig: target.baseConfig }),
    ...(target.baseTree === undefined ? {} : { baseTree: target.baseTree }),
    ...(target.treeName === undefined ? {} : { treeName: target.treeName }),
    stages: stages.map((state) => new EvaluatedStage(scope, state)),
    gates: gates.map(rootOf),
    extraStages: extra.map(rootOf),
    contextPaths: pathList(contextPathsOf(stages)),
    namedContextPaths: namedPaths(scope, [...stages, ...scope.table.others]),
    sbom: {
      context: stages.some(({ scanContext }) => scanContext) ? scope.buildContext() : undefined,
      stages: stages.filter((state) => state !== target && state.scanStage).map(rootOf),
    },
    ...(scope.epoch === undefined ? {} : { epoch: scope.epoch }),
    get outline(): Outline {
      return (outline ??= outlineOf(target, reachableFrom([target])));
    },
  };
}

/** The image says the platform it was built for, whatever its stages ran on. */
function imagePlatform(scope: Scope, actual: Platform): Platform {
  if (scope.implicit) return normalizePlatform(actual);
  const { os, architecture, variant, osVersion, osFeatures } = scope.target;
  const kept = os === actual.os && architecture === actual.architecture ? actual : undefined;
  const chosen = {
    variant: variant ?? kept?.variant,
    osVersion: osVersion ?? kept?.osVersion,
    osFeatures: osFeatures ?? actual.osFeatures,
  };
  return normalizePlatform({
    os,
    architecture,
    ...(chosen.variant === undefined ? {} : { variant: chosen.variant }),
    ...(chosen.osVersion === undefined ? {} : { osVersion: chosen.osVersion }),
    ...(chosen.osFeatures === undefined ? {} : { osFeatures: chosen.osFeatures }),
  });
}

function rootOf(state: StageState): StageRoot {
  return { name: state.name, index: state.index, output: state.root };
}

/** A stage's facts, each read when somebody asks. */
class EvaluatedStage implements StageFacts {
  readonly #scope: Scope;
  readonly #state: StageState;

  constructor(scope: Scope, state: StageState) {
    this.#scope = scope;
    this.#state = state;
  }

  get name(): string {
    return this.#state.name;
  }

  get index(): number {
    return this.#state.index;
  }

  get base(): string {
    return this.#state.base;
  }

  get baseStage(): number | undefined {
    return this.#state.parent?.index;
  }

  get platform(): Platform {
    return this.#state.platform;
  }

  get output(): GraphEdge | undefined {
    return this.#state.root;
  }

  get config(): ImageConfig {
    return finishDraft(this.#state.draft);
  }

  get instructions(): readonly InstructionFacts[] {
    return this.#state.commands;
  }

  get uses(): readonly number[] {
    return [...this.#state.deps.keys()].map(({ index }) => index).filter((index) => index >= 0);
  }

  get location(): SourceLocation {
    return locationOf(this.#scope, this.#state.range);
  }
}

function contextPathsOf(stages: readonly StageState[]): ReadonlySet<string> {
  const all = new Set<string>();
  stages.forEach(({ contextPaths }) => contextPaths.forEach((path) => all.add(path)));
  return all;
}

/** Relative and sorted; undefined when all is used. */
function pathList(paths: ReadonlySet<string>): readonly string[] | undefined {
  if (paths.has('/')) return undefined;
  return [...paths].map((path) => path.slice(1)).sort();
}

function namedPaths(scope: Scope, states: readonly StageState[]): PlatformGraph['namedContextPaths'] {
  const used = new Map<string, Set<string>>();
  for (const state of states) {
    const name = state.contextName ?? scope.contexts.find(state.writtenBase, state.flagPlatform ?? scope.target);
    if (name === undefined || state.parent !== undefined) continue;
    const paths = used.get(name) ?? new Set<string>();
    state.paths.forEach((path) => paths.add(path));
    used.set(name, paths);
  }
  return new Map(Array.from(used, ([name, paths]) => [name, pathList(paths)]));
}
