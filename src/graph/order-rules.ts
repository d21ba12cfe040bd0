// Rules about the order of steps: what is done again for nothing, what waits for nothing.

import type { Fix } from '../base/index.ts';
import type { CopyInstruction, RunInstruction } from '../dockerfile/index.ts';
import { OWN_RULES } from './own-rules.ts';
import { placeOfCommand, type RuleContext, withFix } from './rule-context.ts';
import { installs, type ShellCommand, shellCommands, shellText } from './shell-commands.ts';
import type { SourceEdits } from './source-edits.ts';
import type { StageCommand, StageState } from './stage-state.ts';
import { cleanPath } from './unix-path.ts';

/** Looks at the steps of one stage. */
export function orderRules(context: RuleContext, state: StageState): void {
  dependenciesAfterSources(context, state);
  stageWaits(context, state);
}

/** The files that say what a command fetches; undefined when it fetches no dependencies that they list. */
function manifestsOf({ words }: ShellCommand): string | undefined {
  const [program = '', verb = '', ...rest] = words;
  const plain = rest.every((word) => word.startsWith('-'));
  switch (program) {
    case 'npm':
      return ['ci', 'install', 'i'].includes(verb) && plain ? 'package*.json' : undefined;
    case 'yarn':
      return (verb === '' || verb === 'install' || verb.startsWith('-')) && plain ? 'package.json yarn.lock' : undefined;
    case 'pnpm':
      return ['i', 'install'].includes(verb) && plain ? 'package.json pnpm-lock.yaml' : undefined;
    case 'go':
      return verb === 'mod' && rest[0] === 'download' ? 'go.mod go.sum' : undefined;
    case 'bundle':
      return verb === 'install' ? 'Gemfile Gemfile.lock' : undefined;
    case 'poetry':
      return verb === 'install' && rest.includes('--no-root') ? 'pyproject.toml poetry.lock' : undefined;
    case 'composer':
      return verb === 'install' && rest.includes('--no-scripts') && rest.includes('--no-autoloader')
        ? 'composer.json composer.lock'
        : undefined;
    case 'mvn':
      return words.some((word) => word.startsWith('dependency:')) ? 'pom.xml' : undefined;
    case 'pip':
    case 'pip3': {
      const at = rest.indexOf('-r');
      const file = verb === 'install' && at >= 0 ? rest[at + 1] : undefined;
      return file === undefined || file.startsWith('/') ? undefined : file;
    }
    default:
      return undefined;
  }
}

function dependenciesAfterSources({ scope, linter, edits }: RuleContext, state: StageState): void {
  let broad: { readonly command: StageCommand; readonly index: number } | undefined;
  for (const [index, command] of state.commands.entries()) {
    const { instruction } = command;
    if (command.onbuild) continue;
    if (instruction.kind === 'COPY' && copiesEverything(instruction, command)) broad ??= { command, index };
    if (instruction.kind !== 'RUN') continue;
    const [first, ...others] = shellCommands(shellText(instruction));
    const fetches = [first, ...others].find((one) => one !== undefined && manifestsOf(one) !== undefined);
    if (fetches === undefined) continue;
    if (broad === undefined) return; // fetched early: that is the order we want
    const copy = broad.command.instruction as CopyInstruction;
    const text = fetches.words.join(' ');
    const manifests = presentOf(manifestsOf(fetches) ?? '', scope.options.contextHas);
    const fix =
      fetches === first && broad.index === index - 1 && manifests !== ''
        ? betterOrder(edits, broad.command, command, instruction, { fetches, manifests })
        : undefined;
    const hint = `copy only ${manifests === '' ? (manifestsOf(fetches) ?? '') : manifests} first, run ${text}, then ${copy.original}`;
    linter.report(OWN_RULES.DependenciesAfterSources, placeOfCommand(command), [text, copy.original], {
      ...withFix(fix, hint),
      related: [{ range: broad.command.range, message: 'everything is copied here' }],
    });
    return;
  }
}

/** Those manifests that the context has, with what yarn's own settings add; all where nobody knows. */
function presentOf(manifests: string, has: ((path: string) => boolean) | undefined): string {
  if (has === undefined) return manifests;
  const more = manifests.includes('yarn.lock') && has('.yarnrc.yml') ? ['.yarnrc.yml'] : [];
  return [...manifests.split(' ').filter((path) => path.includes('*') || has(path)), ...more].join(' ');
}

function copiesEverything(instruction: CopyInstruction, command: StageCommand): boolean {
  return command.sources[0] === undefined && instruction.sources.some(({ text }) => ['.', '/'].includes(cleanPath(text)));
}

/** `COPY manifests`, `RUN fetch`, `COPY everything`, `RUN the rest`. */
function betterOrder(
  edits: SourceEdits,
  copy: StageCommand,
  run: StageCommand,
  instruction: RunInstruction,
  { fetches, manifests }: { readonly fetches: ShellCommand; readonly manifests: string },
): Fix | undefined {
  if (run.range.start.line !== copy.range.end.line + 1) return undefined; // comments between would be lost
  const line = edits.slice(run.range);
  const command = instruction.command.form === 'shell' ? instruction.command.command?.text : undefined;
  if (command === undefined || !line.endsWith(command) || instruction.heredocs.length > 0) return undefined;
  if (!['&&', ''].includes(fetches.separator) || fetches.start !== 0) return undefined;
  const lead = line.slice(0, line.length - command.length);
  const rest = command.slice(fetches.end).replace(/^\s*&&\s*/, '');
  const { destination, keyword } = copy.instruction as CopyInstruction;
  const folder = destination.text === '.' || destination.text === './' ? './' : `${destination.text.replace(/\/$/, '')}/`;
  const steps = [
    `${keyword.text} ${manifests} ${folder}`,
    `${lead}${command.slice(0, fetches.end)}`,
    edits.slice(copy.range),
    ...(rest === '' ? [] : [`${lead}${rest}`]),
  ];
  const range = { start: copy.range.start, end: run.range.end };
  return { title: 'fetch dependencies before the sources', edits: [{ range, text: steps.join('\n') }] };
}

/** Packages installed after a copy from a stage that has to be built first. */
function stageWaits({ linter, edits }: RuleContext, state: StageState): void {
  let waits: { readonly command: StageCommand; readonly index: number; readonly stage: StageState } | undefined;
  for (const [index, command] of state.commands.entries()) {
    const { instruction, sources, onbuild } = command;
    const source = instruction.kind === 'COPY' ? sources[0] : undefined;
    if (onbuild) continue;
    if (source?.stage !== undefined && hasWork(source)) waits ??= { command, index, stage: source };
    if (instruction.kind !== 'RUN' || waits === undefined) continue;
    const text = shellText(instruction);
    const install = shellCommands(text).find((one) => installs(one));
    // A step that may need what was copied, or mounts something, waits for good; so does whatever comes after one that ran a program.
    if (install === undefined || mayNeed(text, waits.command.instruction as CopyInstruction) || instruction.mounts.length > 0) return;
    const fix = waits.index === index - 1 ? swap(edits, waits.command, command) : undefined;
    linter.report(OWN_RULES.StageWaits, placeOfCommand(command), [install.words.join(' '), waits.stage.name], {
      ...withFix(fix, `put it in front of ${waits.command.instruction.original}`),
      related: [{ range: waits.command.range, message: 'this waits' }],
    });
    return;
  }
}

/** Where package managers look for their settings and keys. */
const SETTINGS = /^\/(?:etc|usr\/share\/keyrings|usr\/local\/share\/ca-certificates)(?:\/|$)/;

/** Whether a text names what was copied or where to, or that may be what package managers read. */
function mayNeed(text: string, { sources, destination }: CopyInstruction): boolean {
  const folder = destination.text.replace(/(?<!\/)\/+$/, '');
  if (folder === '' || SETTINGS.test(folder) || (folder !== '.' && text.includes(folder))) return true;
  const names = [destination, ...sources].map(
    (word) =>
      word.text
        .replace(/(?<!\/)\/+$/, '')
        .split('/')
        .at(-1) ?? '',
  );
  const words = new Set(text.split(/[\s;&|()"'=]+/).map((word) => word.split('/').at(-1)));
  return names.some((name) => name.length > 1 && words.has(name));
}

/** Whether building the stage takes time. */
function hasWork(state: StageState): boolean {
  return state.commands.some(({ instruction }) => instruction.kind === 'RUN') || (state.parent !== undefined && hasWork(state.parent));
}

function swap(edits: SourceEdits, first: StageCommand, second: StageCommand): Fix | undefined {
  if (second.range.start.line !== first.range.end.line + 1) return undefined; // comments between would lose their instruction
  const text = `${edits.slice(second.range)}\n${edits.slice(first.range)}`;
  return { title: 'change the order', edits: [{ range: { start: first.range.start, end: second.range.end }, text }] };
}
