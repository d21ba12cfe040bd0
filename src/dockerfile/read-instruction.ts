// From words to typed instructions: one reader for each keyword, with everything that can be wrong without variables.

import type {
  ArgInstruction,
  Assignment,
  CmdInstruction,
  CommandLine,
  EntrypointInstruction,
  EnvInstruction,
  ExposeInstruction,
  FromInstruction,
  HealthcheckInstruction,
  InstructionKind,
  LabelInstruction,
  MaintainerInstruction,
  OnbuildInstruction,
  RunInstruction,
  ShellInstruction,
  StopsignalInstruction,
  UserInstruction,
  VolumeInstruction,
  Word,
  WorkdirInstruction,
} from './ast.ts';
import { checkMountEarly } from './mount.ts';
import { parseDevice } from './device.ts';
import { descriptionOf } from './description.ts';
import { parseDuration } from './duration.ts';
import { quote, trimSpace } from './go-text.ts';
import { INSTRUCTIONS } from './instruction-table.ts';
import type { LineWord } from './lines.ts';
import { NOTHING } from './parsed-line.ts';
import { readAdd, readCopy } from './read-copy.ts';
import type { Reader } from './reader.ts';

/** Reads an instruction of a known kind: adds to its line what the kind has beside what all have, unless something was reported. */
export function readInstruction(kind: InstructionKind, reader: Reader): void {
  const { problem, flags } = reader.instruction;
  if (problem !== undefined) reader.report(problem.message, reader.word(problem.start, problem.end).range, problem.hint);
  if (flags.length > 0) checkFlags(kind, reader);
  readTyped(kind, reader);
}

function checkFlags(kind: InstructionKind, reader: Reader): void {
  const { flags } = INSTRUCTIONS[kind];
  const none = kind === 'HEALTHCHECK' && reader.words[0]?.text.toUpperCase() === 'NONE';
  if (flags !== undefined && !none) reader.checkFlags(flags);
}

// Members are set one by one: the engine is slow at copying them from an object of their own.

function readTyped(kind: InstructionKind, reader: Reader): void {
  switch (kind) {
    case 'FROM':
      return readFrom(reader);
    case 'RUN':
      return readRun(reader);
    case 'COPY':
      return readCopy(reader);
    case 'ADD':
      return readAdd(reader);
    case 'ENV':
    case 'LABEL':
      return readPairs(kind, reader);
    case 'ARG':
      return readArg(reader);
    case 'CMD':
    case 'ENTRYPOINT': {
      const line = reader.draft<CmdInstruction | EntrypointInstruction>();
      if (line !== undefined) line.command = commandLine(reader, reader.words);
      return;
    }
    case 'SHELL':
      return readShell(reader);
    case 'EXPOSE': {
      if (reader.words.length === 0) return atLeastOne(kind, reader, 'EXPOSE 8080/tcp');
      const line = reader.draft<ExposeInstruction>();
      if (line !== undefined) line.ports = reader.words;
      return;
    }
    case 'HEALTHCHECK':
      return readHealthcheck(reader);
    case 'VOLUME':
      return readVolume(reader);
    case 'ONBUILD':
      return readOnbuild(reader);
    case 'MAINTAINER': {
      const name = exactlyOne(kind, reader);
      const line = reader.draft<MaintainerInstruction>();
      if (line !== undefined && name !== undefined) line.name = name;
      return;
    }
    case 'STOPSIGNAL': {
      const signal = exactlyOne(kind, reader);
      const line = reader.draft<StopsignalInstruction>();
      if (line !== undefined && signal !== undefined) line.signal = signal;
      return;
    }
    case 'USER': {
      const user = exactlyOne(kind, reader);
      const line = reader.draft<UserInstruction>();
      if (line !== undefined && user !== undefined) line.user = user;
      return;
    }
    case 'WORKDIR': {
      const path = exactlyOne(kind, reader);
      const line = reader.draft<WorkdirInstruction>();
      if (line !== undefined && path !== undefined) line.path = path;
    }
  }
}

const EXAMPLES = { MAINTAINER: 'Jane Doe', STOPSIGNAL: 'SIGTERM', USER: '1000:1000', WORKDIR: '/app' } as const;

function exactlyOne(kind: keyof typeof EXAMPLES, reader: Reader): Word | undefined {
  const word = reader.words[0];
  if (word === undefined)
    reader.report(`${kind} requires exactly one argument`, reader.instruction.keyword.range, `for example: ${kind} ${EXAMPLES[kind]}`);
  return word;
}

function atLeastOne(kind: InstructionKind, reader: Reader, example: string): void {
  // An argument that was wrong in itself has been reported already.
  if (reader.instruction.problem === undefined) {
    reader.report(`${kind} requires at least one argument`, reader.instruction.keyword.range, `for example: ${example}`);
  }
}

const STAGE_NAME = /^[a-z][a-z0-9_.-]*$/;

function fromHint([base, second, third, ...more]: readonly Word[]): string {
  if (base === undefined || second === undefined) return 'write FROM image or FROM image AS name';
  if ([second, ...more].some(({ text }) => text.startsWith('#'))) return 'a comment has a line of its own';
  if (second.text.startsWith('--')) return `flags stand in front of the image: FROM ${second.text} ${base.text}`;
  if (base.text.endsWith(':') || second.text.startsWith(':')) return `no space stands in front of a tag: FROM ${base.text}${second.text}`;
  if (/^v?\d/.test(second.text) && !/[:@$]/.test(base.text)) return `a tag follows a colon: FROM ${base.text}:${second.text}`;
  if (second.text.toLowerCase() === 'as') {
    if (third === undefined) return `a name is missing behind ${second.text}`;
    const joined = [third, ...more].map(({ text }) => text.toLowerCase()).join('-');
    if (STAGE_NAME.test(joined)) return `the name of a stage is one word: FROM ${base.text} AS ${joined}`;
  }
  if (third === undefined && STAGE_NAME.test(second.text.toLowerCase()) && second.text.toLowerCase() !== 'as') {
    return `to name the stage, write FROM ${base.text} AS ${second.text}`;
  }
  return third !== undefined && more.length === 0 ? `expected AS, found ${quote(second.text)}` : 'write FROM image or FROM image AS name';
}

function readFrom(reader: Reader): void {
  const { words } = reader;
  const count = words.length;
  const base = words[0];
  const as = words[1];
  const name = words[2];
  if (base === undefined || (count !== 1 && !(count === 3 && as?.text.toLowerCase() === 'as'))) {
    // A flag that lacks its value has it among the words.
    if (!reader.failed) reader.report('FROM requires either one or three arguments', reader.argumentsRange, fromHint(reader.words));
    return;
  }
  if (name !== undefined && !STAGE_NAME.test(name.text.toLowerCase())) {
    const message = `invalid name for build stage: ${quote(name.text)}, name can't start with a number or contain symbols`;
    reader.report(message, name.range, 'start with a letter; letters, digits, "-", "_" and "." may follow');
  }
  const line = reader.draft<FromInstruction>();
  if (line === undefined) return;
  line.base = base;
  line.platform = reader.value('platform');
  line.as = as;
  line.name = name;
}

function commandLine(reader: Reader, words: readonly Word[]): CommandLine {
  return reader.instruction.json ? { form: 'exec', args: words } : { form: 'shell', command: words[0] };
}

function readRun(reader: Reader): void {
  const mounts = reader.valuesOf('mount');
  mounts.forEach((mount) => {
    const problem = checkMountEarly(mount.text);
    if (problem !== undefined) reader.reportIn(mount, problem);
  });
  // As most are.
  if (mounts.length === reader.instruction.flags.length) return finishRun(reader, mounts, 'default', 'sandbox', NOTHING);
  const network = reader.value('network');
  if (network !== undefined && !/^(?:default|none|host)$/.test(network.text)) {
    reader.report(`invalid network mode ${quote(network.text)}`, network.range, 'write default, none or host');
  }
  const security = reader.value('security');
  if (security !== undefined && !/^(?:sandbox|insecure)$/.test(security.text)) {
    reader.report(`security ${quote(security.text)} is not valid`, security.range, 'write sandbox or insecure');
  }
  const devices: RunInstruction['devices'][number][] = [];
  for (const word of reader.valuesOf('device')) {
    const device = parseDevice(word.text);
    if (device.ok) devices.push({ ...device.value, range: word.range });
    else reader.reportIn(word, device.problem);
  }
  finishRun(reader, mounts, network?.text ?? 'default', security?.text ?? 'sandbox', devices);
}

function finishRun(reader: Reader, mounts: readonly Word[], network: string, security: string, devices: RunInstruction['devices']): void {
  const line = reader.draft<RunInstruction>();
  if (line === undefined) return;
  line.command = commandLine(reader, reader.words);
  line.mounts = mounts;
  line.network = network as RunInstruction['network'];
  line.security = security as RunInstruction['security'];
  line.devices = devices;
}

function readPairs(kind: 'ENV' | 'LABEL', reader: Reader): void {
  const { words } = reader.instruction;
  if (words.length < 2) return atLeastOne(kind, reader, `${kind} name=value`);
  const pairs = [readPair(kind, reader, 0)];
  for (let at = 2; at < words.length; at += 2) pairs.push(readPair(kind, reader, at));
  const line = reader.draft<EnvInstruction | LabelInstruction>();
  if (line !== undefined) line.pairs = pairs;
}

/** The pair whose name is the word `at`. */
function readPair(kind: 'ENV' | 'LABEL', reader: Reader, at: number): Assignment {
  const { words, line } = reader.instruction;
  const name = words[at] as LineWord;
  const value = words[at + 1] as LineWord;
  if (name.text === '') {
    const range = { start: name.range.start, end: value.range.end };
    reader.report(`${kind} names can not be blank`, range, 'a name must stand before the equals sign');
  }
  return { name, value, legacy: line.text.charCodeAt(name.end) !== 61 };
}

function readShell(reader: Reader): void {
  if (reader.words.length === 0) return atLeastOne('SHELL', reader, 'SHELL ["/bin/bash", "-c"]');
  if (!reader.instruction.json) {
    const isArray = reader.words[0]?.text.startsWith('[') === true;
    const hint = `${isArray ? 'strings stand in double quotes, commas between them' : 'write a list'}: SHELL ["/bin/bash", "-c"]`;
    reader.report('SHELL requires the arguments to be in JSON form', reader.argumentsRange, hint);
  }
  const line = reader.draft<ShellInstruction>();
  if (line !== undefined) line.args = reader.words;
}

function readArg(reader: Reader): void {
  if (reader.words.length === 0) return atLeastOne('ARG', reader, 'ARG VERSION=1.0');
  const args = reader.instruction.words.map((span, index) => {
    const equals = span.text.indexOf('=');
    const nameText = equals < 0 ? span.text : span.text.slice(0, equals);
    if (nameText === '') {
      const before = reader.instruction.words[index - 1]?.text;
      const value = span.text === '=' ? (reader.instruction.words[index + 1]?.text ?? '') : span.text.slice(1);
      const joined =
        before !== undefined && !before.includes('=') ? `no space stands around the equals sign: ARG ${before}=${value}` : undefined;
      reader.report('ARG names can not be blank', span.range, joined ?? 'a name must stand before the equals sign');
    }
    const nameEnd = equals < 0 ? span.end : span.start + equals;
    return {
      name: reader.word(span.start, nameEnd),
      value: equals < 0 ? undefined : reader.word(nameEnd + 1, span.end),
      description: descriptionOf(reader.instruction.comments, nameText),
    };
  });
  const line = reader.draft<ArgInstruction>();
  if (line !== undefined) line.args = args;
}

function readVolume(reader: Reader): void {
  if (reader.words.length === 0) return atLeastOne('VOLUME', reader, 'VOLUME /data');
  const paths = reader.words.map((word) => ({ text: trimSpace(word.text), range: word.range }));
  for (const path of paths) {
    if (path.text === '') reader.report('VOLUME specified can not be an empty string', path.range, 'name a path');
  }
  const line = reader.draft<VolumeInstruction>();
  if (line !== undefined) line.paths = paths;
}

function readHealthcheck(reader: Reader): void {
  const [type, ...rest] = reader.words;
  if (type === undefined) return atLeastOne('HEALTHCHECK', reader, 'HEALTHCHECK CMD curl -f http://localhost/');
  const name = type.text.toUpperCase();
  if (name === 'NONE') {
    const first = rest[0];
    if (first !== undefined) reader.report('HEALTHCHECK NONE takes no arguments', first.range);
    return finishHealthcheck(reader, { type: 'none' });
  }
  if (name !== 'CMD') {
    const meant = `HEALTHCHECK CMD ${[type, ...rest].map(({ text }) => text).join(' ')}`;
    const hint = reader.instruction.json || meant.length > 70 ? 'write HEALTHCHECK CMD command or HEALTHCHECK NONE' : `write ${meant}`;
    reader.report(`Unknown type ${quote(name)} in HEALTHCHECK (try CMD)`, type.range, hint);
    return;
  }
  if (rest.length === 0) {
    if (reader.instruction.problem === undefined) reader.report('Missing command after HEALTHCHECK CMD', type.range);
    return;
  }
  finishHealthcheck(reader, {
    type: 'cmd',
    command: commandLine(reader, rest),
    interval: interval(reader, 'interval'),
    timeout: interval(reader, 'timeout'),
    startPeriod: interval(reader, 'start-period'),
    startInterval: interval(reader, 'start-interval'),
    retries: retries(reader),
  });
}

function finishHealthcheck(reader: Reader, check: HealthcheckInstruction['check']): void {
  const line = reader.draft<HealthcheckInstruction>();
  if (line !== undefined) line.check = check;
}

const MILLISECOND = 1_000_000;

function interval(reader: Reader, name: string): number {
  const word = reader.value(name);
  if (word === undefined || word.text === '') return 0;
  const duration = parseDuration(word.text);
  if (!duration.ok) {
    reader.reportIn(word, duration.problem);
    return 0;
  }
  if (duration.value !== 0 && duration.value < MILLISECOND) {
    reader.report(`Interval ${quote(name)} cannot be less than 1ms`, word.range, 'write 0 or at least 1ms');
  }
  return duration.value;
}

function retries(reader: Reader): number {
  const word = reader.value('retries');
  if (word === undefined || word.text === '') return 0;
  const count = /^[+-]?\d+$/.test(word.text) ? Number(word.text) : NaN;
  if (!(Math.abs(count) <= 0x7fffffff))
    reader.report(`--retries must be a number, found ${quote(word.text)}`, word.range, 'write a whole number, such as 3');
  else if (count < 0)
    reader.report(`--retries cannot be negative (${count})`, word.range, 'write 0 for the default, or how many failures in a row count');
  return count;
}

function readOnbuild(reader: Reader): void {
  const trigger = reader.words[0];
  if (trigger === undefined) return atLeastOne('ONBUILD', reader, 'ONBUILD RUN make');
  const name = trigger.text.toUpperCase();
  if (name === 'ONBUILD') {
    reader.report(
      "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
      trigger.range,
      'a trigger runs once, in the image built on this one',
    );
    return;
  }
  if (name === 'FROM' || name === 'MAINTAINER') {
    const hint =
      name === 'FROM' ? 'whoever builds on this image has a FROM; name a stage there by COPY --from' : 'write ONBUILD LABEL maintainer=…';
    reader.report(`${name} isn't allowed as an ONBUILD trigger`, trigger.range, hint);
    return;
  }
  const lines = reader.instruction.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`);
  const expression = reader.instruction.line.text.replace(/^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*/i, '') + lines.join('');
  const line = reader.draft<OnbuildInstruction>();
  if (line === undefined) return;
  line.expression = expression;
  line.trigger = trigger;
}
