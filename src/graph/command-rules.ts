// Rules about commands that do not do what they say.

import type { SourceRange } from '../base/index.ts';
import type { CommandLine, RunInstruction, Word } from '../dockerfile/index.ts';
import { jsonArray } from './lint-fixes.ts';
import { OWN_RULES } from './own-rules.ts';
import { placeOfCommand, type RuleContext, withFix } from './rule-context.ts';
import { type ShellCommand, shellCommands } from './shell-commands.ts';
import type { StageCommand, StageState } from './stage-state.ts';

/** Looks at the commands of one stage. Windows' shells have other rules. */
export function commandRules(context: RuleContext, state: StageState): void {
  if (state.draft.platform.os === 'windows') return;
  const isPosix = POSIX_SHELL.test(state.draft.config.Shell?.[0] ?? 'sh');
  for (const command of state.commands) {
    if (command.onbuild) continue;
    const { instruction } = command;
    execForm(context, state, command);
    if (instruction.kind !== 'RUN' || instruction.command.form !== 'shell' || instruction.heredocs.length > 0 || !isPosix) continue;
    hiddenByComment(context, command);
    lostShellState(context, command, instruction);
  }
}

const POSIX_SHELL = /(?:^|\/)(?:ba|da|a|z|k)?sh$/;

/** `RUN a # why \` and more lines: what follows is part of the comment. */
function hiddenByComment({ scope, linter, edits }: RuleContext, command: StageCommand): void {
  const { range } = command;
  const { escape } = scope.dockerfile;
  const lines = edits.slice(range).split('\n');
  let quote = '';
  for (const [index, line] of lines.entries()) {
    if (index > 0 && /^\s*#/.test(line)) continue; // a comment of the Dockerfile, which the shell never sees
    const text = line.trimEnd();
    if (!text.endsWith(escape)) return;
    const found = shellComment(text.slice(0, -1), quote);
    quote = found.quote;
    if (found.at < 0) continue;
    const hidden = lines
      .slice(index + 1)
      .filter((one) => !/^\s*(?:#|$)/.test(one))
      .map((one) => one.trim());
    if (hidden.length === 0) return;
    const column = (index === 0 ? range.start.column : 0) + found.at;
    const { line: first } = range.start;
    const written = text.slice(found.at, -1).trimEnd();
    const exact = { start: { line: first + index, column }, end: { line: first + index, column: column + written.length } };
    const fix = { title: 'remove the comment', edits: [{ range: exact, text: '' }] };
    const shown = (hidden[0] ?? '').replace(/^(?:&&|\|\||;)\s*/, '').replace(/(?<!\s)\s*[\\`]$/, '');
    linter.report(
      OWN_RULES.CommentHidesCommand,
      placeOfCommand(command, exact),
      [written, shown],
      withFix(fix, 'write it on a line of its own: such lines may stand between joined ones'),
    );
    return;
  }
}

/** Where a comment of the shell begins in a line, or -1; `quote` is the one that is open, before and after. */
function shellComment(line: string, quote: string): { readonly at: number; readonly quote: string } {
  let open = quote;
  for (let at = 0; at < line.length; at += 1) {
    const char = line.charAt(at);
    if (char === '\\' && open !== "'") at += 1;
    else if (open !== '') open = char === open ? '' : open;
    else if (/["'`]/.test(char)) open = char;
    else if (char === '#' && /[\s;&|()]/.test(line.charAt(at - 1) || ' ')) return { at, quote: open };
  }
  return { at: -1, quote: open };
}

/** Commands that change nothing but the shell they run in. */
const SHELL_STATE = /^(?:alias|cd|export|popd|pushd|set|shopt|ulimit|umask|unset)$/;

function changesShellAlone({ words }: ShellCommand): boolean {
  const [program = '', file = ''] = words;
  if (words.some((word) => /[<>`]/.test(word))) return false;
  if (SHELL_STATE.test(program)) return words.length > 1;
  if (program === '.' || program === 'source') return /(?:^|\/)(?:activate|\.(?:bashrc|profile|bash_profile|cargo\/env))$/.test(file);
  return words.every((word) => /^[A-Za-z_]\w*=/.test(word));
}

function lostShellState({ linter }: RuleContext, command: StageCommand, instruction: RunInstruction): void {
  const text = instruction.command.form === 'shell' ? instruction.command.command?.text : undefined;
  const commands = shellCommands(text ?? '');
  if (text === undefined || commands.length === 0 || !commands.every((one) => changesShellAlone(one))) return;
  const [only] = commands.length === 1 ? commands : [];
  const better = only === undefined ? undefined : asInstruction(only, instruction);
  const { range } = command;
  const fix =
    better === undefined || range.start.line !== range.end.line
      ? undefined
      : { title: `write ${better}`, edits: [{ range, text: better }] };
  const hint = 'write WORKDIR for a folder and ENV for a variable, or join it to the commands that need it by &&';
  linter.report(OWN_RULES.LostShellState, placeOfCommand(command), [text.trim()], withFix(fix, hint));
}

/** What lasts: `WORKDIR folder`, `ENV name=value`. Undefined where the shell would do more than that. */
function asInstruction({ words }: ShellCommand, { keyword, flags }: RunInstruction): string | undefined {
  const [program, value] = words;
  const name = (upper: string): string => (keyword.text === keyword.text.toLowerCase() ? upper.toLowerCase() : upper);
  if (value === undefined || words.length !== 2 || flags.length > 0) return undefined;
  if (program === 'cd' && /^[\w./+@-]+$/.test(value) && value !== '-') return `${name('WORKDIR')} ${value}`;
  if (program === 'export' && /^[A-Za-z_]\w*=[\w./:+@,$-]+$/.test(value)) return `${name('ENV')} ${value}`;
  return undefined;
}

/** Programs that replace variables themselves, or start one that does. */
const INTERPRETERS =
  /(?:^|\/)(?:(?:ba|da|a|z|k|fi)?sh|[^/]*\.(?:sh|bash)|busybox|env|envsubst|eval|awk|perl|pwsh|s6-[^/]*|with-contenv|xargs)$/;

/** Entrypoints that start what they are given. */
const PASSES_ON = /(?:^|\/)(?:docker-entrypoint(?:\.sh)?|tini|dumb-init)$/;

function execForm(context: RuleContext, state: StageState, command: StageCommand): void {
  const { instruction } = command;
  const line = commandLineOf(command);
  if (line?.form !== 'exec' || line.args.length === 0) return;
  if (instruction.kind === 'CMD') {
    // What an entrypoint makes of its arguments is its own affair.
    const entrypoint = state.draft.config.Entrypoint ?? [];
    if (entrypoint.length > 0 && !(entrypoint.length < 3 && entrypoint.every((word) => PASSES_ON.test(word) || word === '--'))) return;
  }
  const { args } = line;
  const [program] = args;
  if (program === undefined) return;
  const report = (word: Word, problem: string, replacement?: { readonly range: SourceRange; readonly text: string }): void => {
    const fix = replacement === undefined ? undefined : { title: `write ${replacement.text}`, edits: [replacement] };
    const hint = fix === undefined ? 'write the command as text, or start the shell: ["/bin/sh", "-c", "exec …"]' : undefined;
    context.linter.report(OWN_RULES.NoShellInExecForm, placeOfCommand(command, word.range), [problem], withFix(fix, hint));
  };
  if (args.length === 1 && isSentence(program.text)) {
    const isPlain = /^[\w./:@%+,= -]+$/.test(program.text) && program.range.start.line === program.range.end.line;
    const problem = `the program is looked for under the whole name ${JSON.stringify(program.text)}`;
    const split = jsonArray(program.text.trim().split(/ +/)).slice(1, -1);
    return report(program, problem, isPlain ? { range: program.range, text: split } : undefined);
  }
  if (args.some(({ text }) => INTERPRETERS.test(text) || text === '-c')) return;
  for (const word of args) {
    if (/^\$(?:[A-Z_][A-Z0-9_]*|\{[A-Z_][A-Z0-9_]*\})$/.test(word.text)) return report(word, `${word.text} stays as it is written`);
    if (/^(?:&&|\|\||\||>>?|2>&1)$/.test(word.text)) return report(word, `${word.text} is given to ${program.text} as an argument`);
  }
}

function commandLineOf({ instruction }: StageCommand): CommandLine | undefined {
  switch (instruction.kind) {
    case 'RUN':
    case 'CMD':
    case 'ENTRYPOINT':
      return instruction.command;
    case 'HEALTHCHECK':
      return instruction.check.type === 'cmd' ? instruction.check.command : undefined;
    default:
      return undefined;
  }
}

/** `npm start`; not `/opt/My App/run` or `Plex Media Server`, which may well be programs. */
function isSentence(text: string): boolean {
  const [first = '', second = ''] = text.trim().split(/\s+/);
  return second !== '' && (/^[a-z]/.test(first) || second.startsWith('-'));
}
