// What stages start from: images and contexts, asked for in parallel, and only for what is reachable.

import { BuildErrors, isSlipwayError, locate, SlipwayError, suggest } from '../base/index.ts';
import {
  formatPlatform,
  formatReference,
  parseReference,
  platformOfConfig,
  type Platform,
  type Reference,
  withDefaultTag,
} from '../oci/index.ts';
import { draftOf, emptyDraft } from './config-draft.ts';
import { treeEdge } from './contexts.ts';
import { Fault } from './fault.ts';
import { hintOf } from './global-args.ts';
import type { ImageResolver, ResolveAbout, ResolvedContext, ResolvedImage } from './resolver.ts';
import { guard, locationOf, type Scope } from './scope.ts';
import { addTriggers, reachableFrom } from './stages.ts';
import { SCRATCH, type StageState } from './stage-state.ts';
import { nextStepName } from './step-name.ts';

/** Asks the world; equal questions of all platforms are asked once. */
export interface Answers {
  image(ref: string, platform: Platform, scope: Scope, state: StageState): Promise<ResolvedImage>;
  context(name: string, platform: Platform, scope: Scope, state: StageState): Promise<ResolvedContext>;
}

/**
 * Resolves the bases of everything that `roots` stand on, and adds ONBUILD triggers, until nothing new comes up.
 * Returns the stages that are to be evaluated.
 */
export async function resolveBases(scope: Scope, answers: Answers, roots: readonly StageState[]): Promise<ReadonlySet<StageState>> {
  checkReferences(scope);
  for (; scope.faults.length === 0;) {
    const reachable = reachableFrom(roots);
    const open = [...scope.table.stages, ...scope.table.others].filter(
      (state) => reachable.has(state) && state.parent === undefined && !state.resolved && !state.failed,
    );
    const outcomes = await Promise.allSettled(open.map((state) => resolveBase(scope, answers, state)));
    throwFailures(outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : [])));
    // Vertices are made in the order of the file, whichever answer came first.
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') outcome.value();
    let grown = false;
    for (const state of scope.table.stages) {
      if (!reachable.has(state) || state.triggersRead || state.contextName !== undefined) continue;
      state.triggersRead = true;
      const triggers = triggersOf(state);
      if (triggers.length === 0) continue;
      state.failed = !guard(scope, () => {
        if (addTriggers(scope, state, triggers)) grown = true;
      });
    }
    if (!grown) return reachable;
  }
  return new Set(); // the caller refuses
}

/** An image name that cannot be one is a mistake even in a stage that nothing needs. */
function checkReferences(scope: Scope): void {
  for (const state of [...scope.table.stages, ...scope.table.others]) {
    if (state.parent !== undefined || state.base === SCRATCH || state.contextName !== undefined) continue;
    guard(scope, () => referenceOf(scope, state));
  }
}

function referenceOf(scope: Scope, state: StageState): Reference {
  try {
    return parseReference(state.base);
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    state.failed = true;
    const stage = scope.table.find(state.base) ?? undefined;
    const near = stage === undefined || stage.name === state.base ? undefined : `write ${stage.name}: stage names are lower case`;
    throw new Fault(`failed to parse stage name ${JSON.stringify(state.base)}: ${error.message}`, state.stage?.base.range ?? state.range, {
      within: state.range,
      ...hintOf(near ?? emptyHint(scope, state) ?? error.hint),
    });
  }
}

/** Where a variable made nothing of a name: which one has no value. */
function emptyHint(scope: Scope, { stage }: StageState): string | undefined {
  const written = stage?.base.text ?? '';
  const names = [...written.matchAll(/\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?/g)].map(([, name = '']) => name);
  const empty = names.find((name) => (scope.globals.env.get(name) ?? '') === '');
  return empty === undefined
    ? undefined
    : `${empty} has no value here: give it by --build-arg ${empty}=…, or a default above FROM: ARG ${empty}=…`;
}

function triggersOf(state: StageState): readonly string[] {
  const { parent } = state;
  if (parent === undefined || parent.contextName !== undefined) return (parent ?? state).draft.config.OnBuild ?? [];
  const triggers: string[] = [];
  parent.commands.forEach(({ instruction }) => {
    if (instruction.kind === 'ONBUILD') triggers.push(instruction.expression);
  });
  return triggers;
}

/** Asks what must be asked, and returns what then begins the stage. */
async function resolveBase(scope: Scope, answers: Answers, state: StageState): Promise<() => void> {
  state.resolved = true;
  if (state.stage === undefined) state.dispatched = true;
  if (state.contextName !== undefined) return replaceByContext(scope, answers, state, state.contextName);
  if (state.base === SCRATCH) {
    return () => {
      state.platform = scope.target;
      state.draft = emptyDraft(scope.target);
    };
  }
  const reference = withDefaultTag(referenceOf(scope, state));
  const platform = state.flagPlatform ?? scope.target;
  const contextName = scope.contexts.find(state.base, platform);
  if (contextName !== undefined) return startFromContext(scope, answers, state, contextName, platform);
  const image = await answers.image(formatReference(reference), platform, scope, state);
  return () => startFromImage(scope, state, image, platform);
}

/** A named context with the stage's name: the stage is that, and none of its instructions count. */
async function replaceByContext(scope: Scope, answers: Answers, state: StageState, name: string): Promise<() => void> {
  const platform = state.flagPlatform ?? scope.target;
  const context = await answers.context(name, platform, scope, state);
  state.dispatched = true;
  return () => {
    state.root = treeEdge(scope.pool, context.tree, platform, contextAbout(scope, state, name, context));
    state.treeName = treeName(context, name);
    state.draft = context.config === undefined ? { ...emptyDraft(platform), config: {} } : draftOf(context.config);
    state.baseConfig = context.config;
    state.baseTree = 'output' in context.tree && context.config !== undefined ? state.root : undefined;
    state.platform = context.config === undefined ? platform : platformOfConfig(context.config);
  };
}

/** A named context with the image's name: the stage starts from it. */
async function startFromContext(scope: Scope, answers: Answers, state: StageState, name: string, platform: Platform): Promise<() => void> {
  const context = await answers.context(name, platform, scope, state);
  return () => {
    state.root = treeEdge(scope.pool, context.tree, platform, contextAbout(scope, state, name, context));
    state.treeName = treeName(context, name);
    state.draft = context.config === undefined ? emptyDraft(platform) : draftOf(context.config);
    state.baseConfig = context.config;
    state.baseTree = 'output' in context.tree && context.config !== undefined ? state.root : undefined;
    state.platform = platform;
  };
}

/** What history says of a folder's layer that no instruction made. */
function treeName({ tree, config }: ResolvedContext, name: string): string | undefined {
  return config === undefined && 'source' in tree && tree.source.kind === 'local' ? `local source for ${name}` : undefined;
}

function contextAbout(
  scope: Scope,
  state: StageState,
  name: string,
  context: ResolvedContext,
): { readonly name: string; readonly stage: string; readonly location: ReturnType<typeof locationOf> } {
  const what = context.image?.ref ?? 'load from client';
  return { name: `[context ${name}] ${what}`, stage: state.name, location: locationOf(scope, state.range) };
}

function startFromImage(scope: Scope, state: StageState, image: ResolvedImage, wanted: Platform): void {
  const resolved = parseReference(image.ref);
  state.base = formatReference(image.digest === undefined ? resolved : { ...resolved, digest: image.digest });
  state.baseConfig = image.config;
  state.baseUnknown = image.unknown === true;
  state.draft = draftOf(image.config);
  const platform = scope.implicit && state.flagPlatform === undefined ? detectPlatform(image, wanted, scope.options.buildPlatform) : wanted;
  state.platform = platform;
  if (isEmptyImage(image)) return;
  scope.lint.basePlatform(state.writtenBase, platform, platformOfConfig(image.config), state);
  const name = nextStepName(state.steps, `FROM ${state.base}`, platform);
  state.root = scope.pool.edge(
    { type: 'source', source: { kind: 'image', ref: state.base, platform, resolveMode: scope.options.resolveMode ?? 'default' } },
    [],
    platform,
    {
      name,
      stage: state.name,
      ...(state.stage === undefined ? {} : { stageIndex: state.index, instruction: state.stage.from.original }),
      location: locationOf(scope, state.range),
    },
  );
}

/** No layers, and none in the history either: as `scratch`. */
function isEmptyImage(image: ResolvedImage): boolean {
  return image.config.rootfs.diff_ids.length === 0 && (image.config.history ?? []).every((entry) => entry.empty_layer === true);
}

/** The image's own platform when this machine runs it. */
function detectPlatform(image: ResolvedImage, target: Platform, build: Platform): Platform {
  const { os, architecture } = image.config;
  if (target.os === os && target.architecture === architecture) return target;
  return build.os === os && build.architecture === architecture ? build : target;
}

/** Answers of one call, each question asked once. */
export function rememberedAnswers(resolver: ImageResolver, signal: AbortSignal | undefined): Answers {
  const images = new Map<string, Promise<ResolvedImage>>();
  const contexts = new Map<string, Promise<ResolvedContext>>();
  const remember = <T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> => {
    let answer = known.get(key);
    if (answer === undefined) known.set(key, (answer = ask()));
    return answer;
  };
  const about = (scope: Scope, state: StageState, name: string): ResolveAbout => ({
    name,
    ...(state.stage === undefined ? {} : { stage: state.name }),
    location: locationOf(scope, state.range),
  });
  return {
    image: async (ref, platform, scope, state) => {
      const mode = scope.options.resolveMode ?? 'default';
      const where = scope.multiPlatform ? `[${formatPlatform(platform)} internal]` : '[internal]';
      const ask = (): Promise<ResolvedImage> =>
        resolver.resolveImage(ref, platform, mode, about(scope, state, `${where} load metadata for ${ref}`), signal);
      try {
        return await remember(images, `${ref} ${JSON.stringify(platform)}`, ask);
      } catch (error) {
        throw isSlipwayError(error) ? withStageHint(error, scope, state) : error;
      }
    },
    context: async (name, platform, scope, state) => {
      const ask = (): Promise<ResolvedContext> =>
        resolver.resolveContext(name, platform, about(scope, state, `[context ${name}] load metadata`), signal);
      try {
        return await remember(contexts, `${name} ${JSON.stringify(platform)}`, ask);
      } catch (error) {
        throw locate(error, locationOf(scope, state.range));
      }
    },
  };
}

/** A base that cannot be had may be a stage's name with a slip of the pen. */
function withStageHint(error: SlipwayError, scope: Scope, state: StageState): SlipwayError {
  const location = error.location ?? locationOf(scope, state.range);
  const near = suggest(state.writtenBase, scope.table.names()) ?? nearImage(state.writtenBase);
  if (near === undefined || near === state.writtenBase) {
    error.location = location;
    return error;
  }
  const what = `did you mean ${scope.table.find(near) === undefined ? near : `the stage ${near}`}?`;
  const hint = error.hint === undefined ? what : `${what} Else: ${error.hint}`;
  return new SlipwayError(error.code, error.message, { hint, facts: error.facts, location, cause: error });
}

/** A common image whose name is nearly that, with the tag as it was written. */
function nearImage(written: string): string | undefined {
  const [, name = '', tag = ''] = /^([^/:@]+)((?::[^/]*)?)$/.exec(written) ?? [];
  const near = suggest(name, COMMON_IMAGES);
  return name === '' || near === undefined || near === name ? undefined : `${near}${tag}`;
}

const COMMON_IMAGES = [
  'alpine',
  'busybox',
  'centos',
  'debian',
  'golang',
  'ubuntu',
  'fedora',
  'node',
  'python',
  'nginx',
  'postgres',
  'redis',
];

/** One failure as it is, several as one. A bug goes first. */
function throwFailures(failures: readonly unknown[]): void {
  if (failures.length === 0) return;
  const bug = failures.find((failure) => !isSlipwayError(failure));
  const distinct = [...new Set(failures)].filter((failure) => isSlipwayError(failure));
  if (bug === undefined && distinct.length > 1) throw new BuildErrors(distinct);
  throw (bug ?? distinct[0]) as Error;
}
