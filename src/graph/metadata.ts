// Instructions that change only the image's config. None of them makes a vertex.

import type {
  ArgInstruction,
  CommandLine,
  EnvInstruction,
  ExposeInstruction,
  HealthcheckInstruction,
  LabelInstruction,
  StageInstruction,
  VolumeInstruction,
  Word,
} from '../dockerfile/index.ts';
import { compareBytewise, expandWords } from '../dockerfile/index.ts';
import { suggest } from '../base/index.ts';
import type { Healthcheck } from '../oci/index.ts';
import { addEntries, addTrigger, setConfigEnv } from './config-draft.ts';
import { goDuration, goList, goQuoteList } from './go-text.ts';
import { parsePorts, portHint } from './ports.ts';
import { declareArg } from './seen-variables.ts';
import { isSignal, SIGNAL_NAMES } from './signals.ts';
import { expand, fault, record, type Step, wordFault } from './step.ts';

/** Instructions that this file evaluates. */
export type MetadataInstruction = Exclude<StageInstruction, { readonly kind: 'ADD' | 'COPY' | 'RUN' | 'WORKDIR' }>;

/** Build args that ask for something and are never in an environment. */
const NOT_ENVIRONMENT = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

/** Evaluates one. */
export function evaluateMetadata(step: Step, instruction: MetadataInstruction): void {
  const { config } = step.state.draft;
  switch (instruction.kind) {
    case 'ENV':
      return evaluateEnv(step, instruction);
    case 'LABEL':
      return evaluateLabel(step, instruction);
    case 'ARG':
      return evaluateArg(step, instruction);
    case 'EXPOSE':
      return evaluateExpose(step, instruction);
    case 'VOLUME':
      return evaluateVolume(step, instruction);
    case 'HEALTHCHECK':
      return evaluateHealthcheck(step, instruction);
    case 'CMD': {
      const args = commandFor(step, instruction.command, 'CMD');
      config.Cmd = args;
      config.ArgsEscaped = true;
      return record(step, `CMD ${goQuoteList(args)}`);
    }
    case 'ENTRYPOINT': {
      const hasCommand = step.state.once.CMD !== undefined;
      const args = commandFor(step, instruction.command, 'ENTRYPOINT');
      config.Entrypoint = args;
      if (!hasCommand) delete config.Cmd; // the base's command was meant for the base's entrypoint
      return record(step, `ENTRYPOINT ${goQuoteList(args)}`);
    }
    case 'SHELL':
      config.Shell = instruction.args.map(({ text }) => text);
      return record(step, `SHELL ${goList(config.Shell)}`);
    case 'MAINTAINER':
      step.state.draft.author = instruction.name.text;
      return record(step, `MAINTAINER ${instruction.name.text}`);
    case 'USER': {
      const user = expand(step, instruction.user);
      step.state.user = user;
      config.User = user;
      return record(step, `USER ${user}`);
    }
    case 'STOPSIGNAL': {
      const signal = expand(step, instruction.signal);
      if (!isSignal(signal)) {
        const near = suggest(signal, SIGNAL_NAMES);
        throw fault(
          step,
          `invalid signal: ${signal}`,
          near === undefined ? 'write a name such as SIGTERM, or a number' : `did you mean ${near}?`,
          { word: instruction.signal },
        );
      }
      config.StopSignal = signal;
      return record(step, `STOPSIGNAL ${signal}`);
    }
    case 'ONBUILD':
      return addTrigger(step.state.draft, instruction.expression);
  }
}

function evaluateEnv(step: Step, instruction: EnvInstruction): void {
  const { state, scope } = step;
  let shown = 'ENV';
  const { pairs } = instruction;
  const expanded = expandPairs(step, instruction);
  for (let index = 0; index < pairs.length; index += 1) {
    const { name, value } = expanded[index] as Entry;
    scope.lint.secretName('ENV', name, pairs[index]?.name as Word, step);
    const text = `${name}=${value}`;
    state.env.enter(name, text);
    setConfigEnv(state.draft, name, text);
    shown += ` ${text}`;
  }
  record(step, shown);
}

interface Entry {
  readonly name: string;
  readonly value: string;
}

/** All of them are expanded before the first counts. */
function expandPairs(step: Step, { pairs }: EnvInstruction | LabelInstruction): readonly Entry[] {
  const expanded = pairs.map(({ name, value }) => ({ name: expand(step, name), value: expand(step, value) }));
  if (pairs[0]?.legacy === true) step.scope.lint.legacyPair(step);
  return expanded;
}

function evaluateLabel(step: Step, instruction: LabelInstruction): void {
  const pairs = expandPairs(step, instruction);
  let shown = 'LABEL';
  pairs.forEach(({ name, value }) => (shown += ` ${name}=${value}`));
  addEntries(step.state.draft, 'Labels', pairs);
  record(step, shown);
}

const NO_DEPS: ReadonlySet<string> = new Set();

/** The value: build arg, else the own default, else the global one. */
function evaluateArg(step: Step, instruction: ArgInstruction): void {
  const { scope, state } = step;
  let shown = 'ARG';
  instruction.args.forEach((declared) => {
    const name = declared.name.text;
    scope.lint.secretName('ARG', name, declared.name, step);
    let value = Object.hasOwn(scope.buildArgs, name) ? scope.buildArgs[name] : undefined;
    const global = scope.globals.env.get(name);
    const inherited = value === undefined && declared.value === undefined && global !== undefined;
    if (inherited) value = global;
    else if (value === undefined && declared.value !== undefined) value = expand(step, declared.value);
    if (value !== undefined && !NOT_ENVIRONMENT.has(name)) state.env.set(name, value);
    if (!inherited) {
      const { description } = declared;
      (state.outline.args ??= new Map()).set(name, { name, value: value ?? '', description, range: step.range, deps: NO_DEPS });
    }
    state.outline.used.add(name);
    declareArg(state, name, value ?? state.args.get(name));
    shown += value === undefined ? ` ${name}` : ` ${name}=${value}`;
  });
  record(step, shown);
}

function evaluateExpose(step: Step, instruction: ExposeInstruction): void {
  const { scope, state } = step;
  const exposed: string[] = [];
  for (const word of [...instruction.ports].sort((a, b) => compareBytewise(a.text, b.text))) {
    const words = expandWords(word.text, (name) => state.env.get(name), { escape: scope.dockerfile.escape });
    if (!words.ok) throw wordFault(step, words.problem, word);
    for (const { value } of words.value.words) {
      const read = parsePorts(value);
      if (read.oddCasing) scope.lint.protocolCasing(value, word, step);
      if (read.hasHost) scope.lint.exposeFormat(value, word, step);
      if (read.wrong !== undefined) throw fault(step, read.wrong, portHint(value), { word });
      exposed.push(...read.ports);
    }
  }
  addEntries(
    state.draft,
    'ExposedPorts',
    exposed.map((port) => ({ name: port, value: {} })),
  );
  record(step, `EXPOSE ${goList(exposed)}`);
}

function evaluateVolume(step: Step, instruction: VolumeInstruction): void {
  const paths = instruction.paths.map((path) => expand(step, path));
  if (paths.includes('')) {
    const word = instruction.paths[paths.indexOf('')];
    throw fault(step, 'VOLUME specified can not be an empty string', 'name a folder, or give the variable a value', { word });
  }
  addEntries(
    step.state.draft,
    'Volumes',
    paths.map((path) => ({ name: path, value: {} })),
  );
  record(step, `VOLUME ${goList(paths)}`);
}

function evaluateHealthcheck(step: Step, instruction: HealthcheckInstruction): void {
  useOnce(step, 'HEALTHCHECK');
  const { check } = instruction;
  const times = check.type === 'none' ? { interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 } : check;
  const test = check.type === 'none' ? ['NONE'] : healthTest(check.command);
  const health: Healthcheck = {
    Test: test,
    Interval: times.interval,
    Timeout: times.timeout,
    StartPeriod: times.startPeriod,
    StartInterval: times.startInterval,
    Retries: times.retries,
  };
  step.state.draft.config.Healthcheck = health;
  const shown = [
    `Test:${goList(test)}`,
    `Interval:${goDuration(times.interval)}`,
    `Timeout:${goDuration(times.timeout)}`,
    `StartPeriod:${goDuration(times.startPeriod)}`,
    `StartInterval:${goDuration(times.startInterval)}`,
    `Retries:${times.retries}`,
  ];
  record(step, `HEALTHCHECK {${shown.join(' ')}}`);
}

function healthTest(command: CommandLine): string[] {
  if (command.form === 'shell') return ['CMD-SHELL', command.command?.text ?? ''];
  return ['CMD', ...command.args.map(({ text }) => text)];
}

function commandFor(step: Step, command: CommandLine, kind: 'CMD' | 'ENTRYPOINT'): string[] {
  useOnce(step, kind);
  if (command.form === 'exec') return command.args.map(({ text }) => text);
  if ((step.state.draft.config.Shell ?? []).length === 0) step.scope.lint.shellForm(step);
  return withShell(step, command.command?.text ?? '');
}

/** The arguments that run a text by the image's shell. */
export function withShell(step: Step, text: string): string[] {
  const { Shell } = step.state.draft.config;
  if (Shell !== undefined && Shell.length > 0) return [...Shell, text];
  return step.state.draft.platform.os === 'windows' ? ['cmd', '/S', '/C', text] : ['/bin/sh', '-c', text];
}

/** Only the last one counts: the earlier one is reported. */
function useOnce(step: Step, kind: 'CMD' | 'ENTRYPOINT' | 'HEALTHCHECK'): void {
  const earlier = step.state.once[kind];
  if (earlier !== undefined) step.scope.lint.usedTwice(step, earlier);
  step.state.once[kind] = step.range;
}
