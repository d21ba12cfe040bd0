// From the stages of the file to stages with bases, platforms and sources: what FROM, --from and from= refer to.

import { isSlipwayError, type SourceRange, suggest } from '../base/index.ts';
import { hasMeaning, parseTrigger, type Stage, type StageInstruction, type Word } from '../dockerfile/index.ts';
import { parsePlatform, type Platform } from '../oci/index.ts';
import { Environment } from './environment.ts';
import { Fault } from './fault.ts';
import { hintOf } from './global-args.ts';
import { isReference } from './is-reference.ts';
import { mountSource } from './mounts.ts';
import { startOutline } from './outline.ts';
import { expandAt, guard, type Scope } from './scope.ts';
import { SCRATCH, type StageCommand, type StageState, stageState } from './stage-state.ts';
import { Step } from './step.ts';

const NOTHING = new Environment();

/** Enters all stages of the file: names, bases and platforms, each FROM evaluated in the global scope. */
export function enterStages(scope: Scope): void {
  for (const stage of scope.dockerfile.stages) guard(scope, () => enterStage(scope, stage));
}

function enterStage(scope: Scope, stage: Stage): void {
  const { env, args } = scope.globals;
  const range = stage.from.range;
  const known = (): string[] => [...args.keys(), ...env.keys()];
  const base = expandAt(scope, stage.base, env, range, (names) => scope.lint.undeclaredInFrom(stage.base, names, args, env, stage));
  if (base.value === '') {
    const name = base.unset[0];
    const near = name === undefined ? undefined : suggest(name, known());
    const hint = near === undefined ? 'declare the argument by ARG in front of the first FROM, with a default' : `did you mean ${near}?`;
    throw new Fault(`base name (${stage.base.text}) should not be blank`, stage.base.range, { hint, within: range });
  }
  // `--platform=` with nothing behind it asks for nothing, as in BuildKit.
  const platform =
    stage.platform === undefined || stage.platform.text === '' ? undefined : stagePlatform(scope, stage, stage.platform, known);
  const used = platform === undefined ? base.used : [...base.used, ...platform.used];
  const parent = scope.table.baseOf(base.value);
  if (stage.name !== undefined) checkName(stage.name, stage);
  const contextName = stage.name === undefined ? undefined : scope.contexts.findForStage(stage.name, platform?.platform ?? scope.target);
  const name = stage.name ?? `stage-${stage.index}`;
  const total = countSteps(stage.instructions) + (base.value !== SCRATCH && parent === undefined ? 1 : 0);
  const steps = { stage: name, withPlatform: scope.multiPlatform, total, done: 0 };
  const state = stageState(
    {
      stage,
      index: stage.index,
      name,
      base: base.value,
      range,
      flagPlatform: platform?.platform,
      parent: contextName === undefined ? parent : undefined,
      contextName,
      steps,
      ignoreCache: ignoresCache(scope, stage),
      outline: startOutline(args, parent?.outline, used),
    },
    scope.target,
  );
  scope.table.add(state);
}

/** A named context may stand for any stage, so a stage is called as an image could be. */
function checkName(name: string, { from }: Stage): void {
  if (isReference(name)) return;
  throw new Fault(`invalid context name ${name}: invalid reference format`, from.name?.range ?? from.range, {
    within: from.range,
    hint: 'a stage is named as an image could be: "-", "_" and "." stand between letters or digits, one at a time',
  });
}

function stagePlatform(
  scope: Scope,
  stage: Stage,
  word: Word,
  known: () => string[],
): { readonly platform: Platform; readonly used: readonly string[] } {
  const { env, args } = scope.globals;
  const within = stage.from.range;
  const written = word.text;
  const expansion = expandAt(scope, word, env, within, (names) => scope.lint.undeclaredInFrom(word, names, args, env, stage));
  scope.lint.platformFlag(word, expansion, env, stage);
  const near = expansion.unset.map((name) => suggest(name, known())).find((name) => name !== undefined);
  const more = { within, ...hintOf(near === undefined ? undefined : `did you mean ${near}?`) };
  if (expansion.value === '') throw new Fault(`empty platform value from expression ${written}`, word.range, more);
  try {
    return { platform: parsePlatform(expansion.value, scope.options.buildPlatform), used: expansion.used };
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    throw new Fault(
      `failed to parse platform ${written}: ${error.message}`,
      word.range,
      near === undefined ? { within, ...hintOf(error.hint) } : more,
    );
  }
}

function countSteps(instructions: readonly StageInstruction[]): number {
  let count = 0;
  instructions.forEach(({ kind }) => {
    if (kind === 'ADD' || kind === 'COPY' || kind === 'RUN' || kind === 'WORKDIR') count += 1;
  });
  return count;
}

function ignoresCache(scope: Scope, stage: Stage): boolean {
  const { noCache = false } = scope.options;
  if (typeof noCache === 'boolean') return noCache;
  return noCache.some((name) => name === String(stage.index) || (stage.name !== undefined && name.toLowerCase() === stage.name));
}

/** Finds what every instruction takes files from. Afterwards cycles are refused. */
export function linkStages(scope: Scope): void {
  for (const state of scope.table.stages) {
    if (state.stage === undefined || state.contextName !== undefined) continue;
    state.stage.instructions.forEach((instruction) => {
      if (takesFiles(instruction)) linkInstruction(scope, state, instruction);
      else state.commands.push(new Step(scope, state, instruction, NOWHERE, undefined));
    });
  }
  guard(scope, () => refuseCycles(scope.table.stages));
  const [only, ...more] = scope.table.stages;
  // One stage that takes files from nowhere needs no name in front of its steps.
  if (only !== undefined && more.length === 0 && !only.commands.some(hasSources)) only.steps.stage = '';
}

function linkInstruction(scope: Scope, state: StageState, instruction: StageInstruction): void {
  guard(scope, () => state.commands.push(command(scope, state, instruction)));
}

/** Puts the ONBUILD triggers of the base in front. True: they name stages or images that were not known before. */
export function addTriggers(scope: Scope, state: StageState, triggers: readonly string[]): boolean {
  const before = state.deps.size;
  const commands: Step[] = [];
  for (const trigger of triggers) {
    const { instruction, diagnostics } = parseTrigger(trigger);
    if (instruction === undefined || instruction.kind === 'FROM') {
      const [first] = diagnostics;
      throw new Fault(
        `onbuild trigger ${JSON.stringify(trigger)}: ${first?.message ?? 'not an instruction'}`,
        state.range,
        hintOf(first?.hint),
      );
    }
    commands.push(command(scope, state, instruction, state.range));
  }
  state.commands = [...commands, ...state.commands];
  state.steps.total += commands.length;
  return state.deps.size > before;
}

const NOWHERE: readonly undefined[] = [];

/** Whether it may say where files come from. */
function takesFiles(instruction: StageInstruction): boolean {
  if (instruction.kind === 'RUN')
    return instruction.mounts.length > 0 && instruction.mounts.some(({ text }) => mountSource(text) !== undefined);
  return instruction.kind === 'COPY' && instruction.from !== undefined;
}

/** Whether BuildKit counts it among those that take files, wherever from. */
function hasSources({ instruction, sources }: StageCommand): boolean {
  return sources.length > 0 || (instruction.kind === 'RUN' && instruction.mounts.length > 0);
}

/** `setOffAt`: of a trigger, the FROM. */
function command(scope: Scope, state: StageState, instruction: StageInstruction, setOffAt?: SourceRange): Step {
  const sources = sourcesOf(scope, instruction, setOffAt);
  const made = new Step(scope, state, instruction, sources, setOffAt);
  sources.forEach((source) => {
    if (source !== undefined) state.deps.set(source, made);
  });
  return made;
}

function sourcesOf(scope: Scope, instruction: StageInstruction, setOffAt: SourceRange | undefined): readonly (StageState | undefined)[] {
  if (instruction.kind === 'RUN') {
    return instruction.mounts.map((mount) => {
      const name = mountSource(mount.text);
      return name === undefined ? undefined : (scope.table.find(name) ?? other(scope, name, setOffAt ?? instruction.range));
    });
  }
  if (instruction.kind !== 'COPY' || instruction.from === undefined || instruction.from.text === '') return NOWHERE;
  const name = instruction.from.text;
  const { from } = instruction;
  // A trigger's words are in another text.
  const word = setOffAt === undefined ? from : { text: name, range: setOffAt };
  const placeOf = (): { readonly range: SourceRange; readonly within?: SourceRange } =>
    setOffAt === undefined ? { range: from.range, within: instruction.range } : { range: setOffAt };
  if (hasMeaning(name) && expandAt(scope, word, NOTHING, placeOf().within ?? word.range).value !== name) {
    const place = placeOf();
    throw new Fault(
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
      place.range,
      { ...place, hint: `write FROM ${name} AS some-name above, with its ARG in front of the first FROM, and --from=some-name here` },
    );
  }
  if (!/^[+-]?[0-9]+$/.test(name)) return [scope.table.find(name) ?? other(scope, name, setOffAt ?? instruction.range)];
  const index = Number(name);
  const found = scope.table.stages.find((stage) => stage.index === index);
  if (found === undefined) {
    const place = placeOf();
    const last = scope.dockerfile.stages.length - 1;
    throw new Fault(`invalid stage index ${index}`, place.range, {
      ...place,
      hint: `stages are numbered from 0 to ${last}; a name survives reordering`,
    });
  }
  return [found];
}

/** An image or context that only `--from` names. */
function other(scope: Scope, name: string, range: SourceRange): StageState {
  const known = scope.table.others.find((state) => state.name === name);
  if (known !== undefined) return known;
  const state = stageState(
    {
      stage: undefined,
      index: -1,
      name,
      base: name,
      range,
      flagPlatform: undefined,
      parent: undefined,
      contextName: undefined,
      steps: { stage: '', withPlatform: scope.multiPlatform, total: 0, done: 0 },
      ignoreCache: false,
      outline: startOutline(new Map(), undefined, []),
    },
    scope.target,
  );
  scope.table.others.push(state);
  return state;
}

function refuseCycles(states: readonly StageState[]): void {
  if (!states.some(looksAhead)) return;
  const done = new Set<StageState>();
  // Each stage on the way with what is left to be looked at; `places` says where it names the next one. No recursion: stages may be many.
  const path: StageState[] = [];
  const onPath = new Set<StageState>();
  const left: ReturnType<StageState['deps']['entries']>[] = [];
  const places: SourceRange[] = [];
  const enter = (state: StageState): void => {
    path.push(state);
    onPath.add(state);
    left.push(state.deps.entries());
  };
  for (const root of states) {
    if (!done.has(root)) enter(root);
    for (let rest = left.at(-1); rest !== undefined; rest = left.at(-1)) {
      const next = rest.next();
      if (next.done === true) {
        const state = path.pop() as StageState;
        onPath.delete(state);
        done.add(state);
        left.pop();
        places.pop();
        continue;
      }
      const [dep, { range }] = next.value;
      if (onPath.has(dep)) throw circular(path.slice(path.indexOf(dep)), [...places, range].slice(path.indexOf(dep)));
      if (done.has(dep)) continue;
      places.push(range);
      enter(dep);
    }
  }
}

/** Whether a stage takes files from itself or from one behind it: without that there is no circle. */
function looksAhead({ index, deps }: StageState): boolean {
  for (const dep of deps.keys()) if (dep.index >= index) return true;
  return false;
}

function circular(cycle: readonly StageState[], places: readonly SourceRange[]): Fault {
  const [first, ...rest] = places;
  const names = [...cycle, cycle[0]].map((state) => state?.name ?? '').join(' -> ');
  return new Fault(`circular dependency detected on stage: ${cycle[0]?.name ?? ''} (${names})`, first as SourceRange, {
    ...(cycle.length === 1 ? { hint: 'a stage cannot take files from itself; numbers of stages begin with 0' } : {}),
    related: rest.map((range) => ({ range, message: 'and this one closes the circle' })),
  });
}

/** The stages that `roots` stand on, themselves included. */
export function reachableFrom(roots: Iterable<StageState>): ReadonlySet<StageState> {
  const reached = new Set<StageState>();
  for (const root of roots) {
    const open = [root];
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      if (reached.has(state)) continue;
      reached.add(state);
      const from = open.length;
      state.deps.forEach((_, dep) => open.push(dep));
      if (open.length > from + 1) for (const dep of open.splice(from).reverse()) open.push(dep);
      if (state.parent !== undefined) open.push(state.parent);
    }
  }
  return reached;
}
