// Stages in the order of the file, instruction by instruction.

import type { StageInstruction } from '../dockerfile/index.ts';
import { continueDraft, DEFAULT_PATH } from './config-draft.ts';
import { changeFolder, evaluateCopy, evaluateWorkdir } from './copy.ts';
import { Environment } from './environment.ts';
import { evaluateMetadata } from './metadata.ts';
import { evaluateRun } from './run.ts';
import { guard, type Scope } from './scope.ts';
import type { StageState } from './stage-state.ts';
import type { Step } from './step.ts';

/** Evaluates the stages in `wanted`. A mistake ends its stage and those that need it; the others go on, so that all are reported. */
export function evaluateStages(scope: Scope, wanted: ReadonlySet<StageState>): void {
  for (const state of scope.table.stages) {
    if (!wanted.has(state) || state.dispatched) continue;
    if (state.failed || state.parent?.failed === true || hasFailed(state.deps.keys())) {
      state.failed = true;
      continue;
    }
    begin(state);
    state.dispatched = true;
    state.failed = !guard(scope, () => evaluateCommands(state));
    scanFlags(scope, state);
  }
}

function hasFailed(states: Iterable<StageState>): boolean {
  for (const { failed } of states) if (failed) return true;
  return false;
}

const NOTHING = new Environment();

/** What a stage takes from its base. */
function begin(state: StageState): void {
  const { parent } = state;
  if (parent !== undefined) {
    state.root = parent.root;
    state.platform = parent.platform;
    state.draft = continueDraft(parent.draft);
    state.baseConfig = parent.baseConfig;
    state.baseTree = parent.baseTree;
    state.baseUnknown = parent.baseUnknown;
    state.treeName = parent.treeName;
    state.cwd = parent.cwd;
    state.user = parent.user;
    state.args = parent.args;
    state.workdirSet = parent.workdirSet;
  }
  const { config } = state.draft;
  delete config.OnBuild; // its triggers are this stage's first instructions
  state.draft.ownsTriggers = false;
  const env = (config.Env ??= []);
  if (state.platform.os !== 'windows' && !env.some((variable) => variable === 'PATH' || variable.startsWith('PATH='))) {
    env.push(`PATH=${DEFAULT_PATH}`);
  }
  state.env = (parent?.env ?? NOTHING).cloneWith(env);
  if (config.WorkingDir !== undefined && config.WorkingDir !== '') changeFolder(state, config.WorkingDir);
  if (config.User !== undefined && config.User !== '') state.user = config.User;
}

function evaluateCommands(state: StageState): void {
  state.commands.forEach((step) => evaluate(step, step.instruction));
}

function evaluate(step: Step, instruction: StageInstruction): void {
  switch (instruction.kind) {
    case 'RUN':
      return evaluateRun(step, instruction);
    case 'COPY':
    case 'ADD':
      return evaluateCopy(step, instruction);
    case 'WORKDIR':
      return evaluateWorkdir(step, instruction);
    default:
      return evaluateMetadata(step, instruction);
  }
}

/** `BUILDKIT_SBOM_SCAN_…`: true, false, or the stages meant. An ARG in the stage says it for the stage. */
function scanFlags(scope: Scope, state: StageState): void {
  const says = (name: string): boolean => enabledFor(state.name, state.args.get(name) ?? scope.globals.env.get(name));
  state.scanContext = says('BUILDKIT_SBOM_SCAN_CONTEXT');
  state.scanStage = says('BUILDKIT_SBOM_SCAN_STAGE');
}

function enabledFor(stage: string, value: string | undefined): boolean {
  if (value === undefined || /^(?:0|f|F|FALSE|false|False)$/.test(value)) return false;
  return /^(?:1|t|T|TRUE|true|True)$/.test(value) || value.split(',').includes(stage);
}
