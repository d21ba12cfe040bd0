// RUN: a process in the stage's file system.

import { toBytePath } from '../base/index.ts';
import { chompHeredoc, parseHeredocMarker, type RunInstruction } from '../dockerfile/index.ts';
import { withShell } from './metadata.ts';
import { type MountPlan, planMounts, type TreeMount, treeMount } from './mounts.ts';
import type { ExecSpec, GraphEdge, MountSpec } from './op-spec.ts';
import type { GraphOptions } from './options.ts';
import { countStep, fault, InputList, makeEdge, record, type Step } from './step.ts';
import type { LaterText } from './step-about.ts';
import { instructionName } from './step-name.ts';

/** Where the script of `RUN <<EOF` with a `#!` line lies while it runs. */
const SCRIPT_FOLDER = '/dev/pipes';

/** Evaluates RUN. */
export function evaluateRun(step: Step, instruction: RunInstruction): void {
  const { scope, state } = step;
  const plan = planMounts(step, instruction);
  state.paths.add('/'); // a process can read anything
  const script = scriptOf(step, instruction);
  const args = argumentsOf(step, instruction, script);
  if (args.length === 0) throw fault(step, 'arguments are required', 'write what is to be run');
  if (script?.file !== undefined) {
    plan.mounts.push(treeMount(script.file, 'bind', SCRIPT_FOLDER, '', true));
  }
  if (scope.options.shmSize !== undefined && scope.options.shmSize > 0) {
    const shared = treeMount(undefined, 'tmpfs', '/dev/shm', '', false);
    shared.spec.tmpfs = { size: scope.options.shmSize };
    plan.mounts.push(shared);
  }
  countStep(step);
  step.shown = shownRun(plan.secretEnv, script);
  const inputs = new InputList();
  const op = execSpec(step, instruction, args, plan, inputs);
  state.root = makeEdge(step, op, inputs.edges, undefined, state.ignoreCache);
  record(step, historyOf(args), state.root);
}

/** The instruction as it is written, with the variables' values; those of secrets do not show. */
function shownRun(secrets: MountPlan['secretEnv'], script: Script | undefined): LaterText {
  if (secrets.length === 0 && script === undefined) return shownAsWritten;
  return ({ text, seen, scope }) => {
    const masked = new Set(secrets.map(({ name }) => name));
    const shown = script === undefined ? text : `${text} (${script.summary})`;
    return instructionName(shown, seen.variables, scope.dockerfile.escape, { keepQuotes: true, keepUnset: true, masked });
  };
}

function shownAsWritten({ text, seen, scope }: Step): string {
  return instructionName(text, seen.variables, scope.dockerfile.escape, { keepQuotes: true, keepUnset: true });
}

function historyOf(args: readonly string[]): LaterText {
  return ({ seen }) => `RUN ${seen.declared.shown}${args.join(' ')} # buildkit`;
}

function execSpec(step: Step, instruction: RunInstruction, args: readonly string[], plan: MountPlan, inputs: InputList): ExecSpec {
  const { scope, state } = step;
  const { options } = scope;
  const hostname = scope.buildArgs['BUILDKIT_SANDBOX_HOSTNAME'] ?? options.hostname ?? '';
  const agent = plan.special.length === 0 ? undefined : plan.special.find(({ type }) => type === 'ssh');
  const list = state.env.toList();
  const env = agent === undefined || state.env.has('SSH_AUTH_SOCK') ? list : [...list, `SSH_AUTH_SOCK=${agent.dest}`];
  const devices = devicesOf(options.devices, instruction);
  // In the order in which a graph that somebody sends has them, so that equal work has equal digests.
  const spec: { -readonly [K in keyof ExecSpec]: ExecSpec[K] } = {
    type: 'exec',
    args,
    env,
    cwd: state.cwd,
    user: state.user,
    network: instruction.network === 'default' ? (options.network ?? 'default') : instruction.network,
    security: instruction.security,
    mounts: mountSpecs(state.root, plan, inputs),
  };
  if (scope.proxyEnv !== undefined) spec.proxyEnv = scope.proxyEnv;
  if (hostname !== '') spec.hostname = hostname;
  if (options.extraHosts !== undefined && options.extraHosts.length > 0) spec.extraHosts = options.extraHosts;
  if (options.ulimits !== undefined && options.ulimits.length > 0) spec.ulimits = options.ulimits;
  if (options.cgroupParent !== undefined && options.cgroupParent !== '') spec.cgroupParent = options.cgroupParent;
  if (devices.length > 0) spec.devices = devices;
  if (plan.secretEnv.length > 0) spec.secretEnv = plan.secretEnv;
  if (options.resources !== undefined) spec.resources = options.resources;
  return spec;
}

const NONE: readonly never[] = [];

function devicesOf(wanted: GraphOptions['devices'] = NONE, { devices }: RunInstruction): NonNullable<ExecSpec['devices']> {
  return devices.length === 0 ? wanted : [...wanted, ...devices.map(({ name, required }) => ({ name, optional: !required }))];
}

/** The root first, then the others by destination; secrets and sockets come last, over them. */
function mountSpecs(root: GraphEdge | undefined, plan: MountPlan, inputs: InputList): MountSpec[] {
  const rootMount = inputs.add(root) < 0 ? EMPTY_ROOT : ROOT;
  const { mounts, special } = plan;
  if (mounts.length > 1) mounts.sort((a, b) => (a.spec.dest < b.spec.dest ? -1 : a.spec.dest > b.spec.dest ? 1 : 0));
  const first = mounts[0];
  if (first === undefined) return [rootMount, ...special];
  // Mostly there is one.
  if (mounts.length + special.length === 1) return [rootMount, mountOf(first, inputs)];
  return [rootMount, ...mounts.map((mount) => mountOf(mount, inputs)), ...special];
}

const EMPTY_ROOT: MountSpec = { type: 'bind', input: -1, selector: '', dest: '/', output: 0, readonly: false };
/** What the stage is so far: the first of the inputs. */
const ROOT: MountSpec = { ...EMPTY_ROOT, input: 0 };

function mountOf({ tree, spec }: TreeMount, inputs: InputList): MountSpec {
  spec.input = inputs.add(tree);
  return spec;
}

interface Script {
  /** First line, for the step's name. */
  readonly summary: string;
  /** The text to run, or the path of the file. */
  readonly text: string;
  /** A tree with the file, when the script says by `#!` what runs it. */
  readonly file: GraphEdge | undefined;
}

/** The document of `RUN <<EOF`, when the line is nothing else. */
function scriptOf(step: Step, instruction: RunInstruction): Script | undefined {
  const document = instruction.heredocs[0];
  if (document === undefined || instruction.command.form !== 'shell') return undefined;
  const marker = parseHeredocMarker(instruction.command.command?.text ?? '');
  if (!marker.ok || marker.value === undefined) return undefined;
  const text = document.chomp ? chompHeredoc(document.content) : document.content;
  const summary = summaryOf(document.content);
  if (step.state.draft.platform.os === 'windows' || !text.startsWith('#!')) return { summary, text, file: undefined };
  const file = makeEdge(
    step,
    {
      type: 'file',
      actions: [
        {
          input: -1,
          secondaryInput: -1,
          output: 0,
          action: { kind: 'mkfile', path: toBytePath(`/${document.name}`), mode: 0o755, data: toBytePath(text) },
        },
      ],
    },
    [],
    '[internal] preparing inline document',
  );
  return { summary, text: `${SCRIPT_FOLDER}/${document.name}`, file };
}

function argumentsOf(step: Step, instruction: RunInstruction, script: Script | undefined): readonly string[] {
  const { command, heredocs } = instruction;
  if (command.form === 'exec') return command.args.map(({ text }) => text);
  if (script !== undefined) return withShell(step, script.text);
  const text = command.command?.text ?? '';
  if (heredocs.length === 0) return withShell(step, text);
  // A shell that knows heredocs gets the lines as they were.
  return withShell(step, text + heredocs.map(({ content, name }) => `\n${content}${name}`).join(''));
}

function summaryOf(document: string): string {
  const [first = '', ...rest] = document.trim().split(/\r?\n/);
  return rest.length > 0 ? `${first}...` : first;
}
