// Rules about forms that the language accepts, but that mean something else than what was surely meant.

import type { Fix, SourceRange } from '../base/index.ts';
import { instructionFlags, type Word } from '../dockerfile/index.ts';
import { brokenArrayItems, COMMENTED_ARRAY, jsonArray } from './lint-fixes.ts';
import { OWN_RULES } from './own-rules.ts';
import { placeOfCommand, type RuleContext, withFix } from './rule-context.ts';
import { shellCommands } from './shell-commands.ts';
import type { StageCommand, StageState } from './stage-state.ts';

/** Looks at the instructions of one stage. */
export function formRules(context: RuleContext, state: StageState): void {
  for (const command of state.commands) {
    if (command.onbuild) continue;
    brokenArray(context, state, command);
    misplacedFlags(context, command);
    trailingComment(context, command);
  }
}

/** The command of RUN, CMD, ENTRYPOINT and HEALTHCHECK in shell form. */
function shellCommandOf({ instruction }: StageCommand): Word | undefined {
  switch (instruction.kind) {
    case 'RUN':
      if (instruction.heredocs.length > 0) return undefined;
      break;
    case 'CMD':
    case 'ENTRYPOINT':
      break;
    case 'HEALTHCHECK':
      return instruction.check.type === 'cmd' && instruction.check.command.form === 'shell' ? instruction.check.command.command : undefined;
    default:
      return undefined;
  }
  return instruction.command.form === 'shell' ? instruction.command.command : undefined;
}

/** `["…`, `[a, …` or `[a]`: no test of a shell looks so. */
const ARRAY_FOR_SHELL = /^\[(?:["']|\s*(?:[^\s,'"[\]]+|'[^']*'|"[^"]*")\s*,|[^\s,'"[\]]+\]\s*$)/;

function brokenArray({ linter, edits }: RuleContext, state: StageState, command: StageCommand): void {
  const { instruction } = command;
  const { kind, words, json } = instruction;
  const [first] = words;
  const last = words.at(-1);
  if (json || first === undefined || last === undefined || !(kind === 'HEALTHCHECK' || first.text.startsWith('['))) return;
  const written: SourceRange = { start: first.range.start, end: last.range.end };
  const report = (range: SourceRange, meaning: string, replacement: string | undefined): void => {
    const fix =
      replacement === undefined || range.start.line !== range.end.line
        ? undefined
        : { title: `write ${replacement}`, edits: [{ range, text: replacement }] };
    const hint = 'strings stand in double quotes, commas between them';
    linter.report(OWN_RULES.BrokenArray, placeOfCommand(command, range), [kind, meaning], withFix(fix, hint));
  };
  const itemsOf = (range: SourceRange): readonly string[] | undefined => brokenArrayItems(edits.slice(range));
  const arrayOf = (range: SourceRange): string | undefined => {
    const items = itemsOf(range);
    return items === undefined ? undefined : jsonArray(items);
  };
  switch (kind) {
    case 'VOLUME':
      if (last.text.endsWith(']')) report(written, `the folder ${first.text}`, arrayOf(written));
      return;
    case 'COPY':
    case 'ADD': // a pattern may begin with a bracket too
      if (last.text.endsWith(']') && /^\[(?:["'].*|[^\]]*),$/.test(first.text)) report(written, 'file names', arrayOf(written));
      return;
    case 'WORKDIR':
    case 'USER': {
      const items = last.text.endsWith(']') ? itemsOf(written) : undefined;
      if (items !== undefined) report(written, 'one name', items.length === 1 ? items[0] : undefined);
      return;
    }
    case 'CMD':
    case 'ENTRYPOINT': // with the shell that nobody chose, BuildKit's own rule says so
      if ((state.draft.config.Shell ?? []).length === 0) return;
      break;
    default:
  }
  const text = shellCommandOf(command);
  if (text !== undefined && ARRAY_FOR_SHELL.test(text.text) && !COMMENTED_ARRAY.test(text.text))
    report(text.range, 'a command for the shell', arrayOf(text.range));
}

/** Whose own options are written like ours. */
const CONTAINER_TOOLS = /^(?:docker|podman|buildah|nerdctl|img|slipway)$/;

function misplacedFlags(context: RuleContext, command: StageCommand): void {
  const { instruction } = command;
  if (instruction.kind === 'COPY' || instruction.kind === 'ADD') {
    // A first word that looks like a flag stands behind `--`: it is meant.
    if (instruction.words[0]?.text.startsWith('--') === true) return;
    const known = instructionFlags(instruction.kind);
    for (const word of instruction.words) {
      const name = /^--([a-z-]+)(?:=|$)/.exec(word.text)?.[1];
      if (name !== undefined && known.includes(name)) {
        const fix = instruction.json || /["'\\]/.test(word.text) ? undefined : moveToFront(context, command, word.range, word.text);
        reportFlag(context, command, { flag: `--${name}`, meaning: 'a file name', exact: word.range, fix });
      }
    }
    return;
  }
  const text = shellCommandOf(command);
  if (text === undefined) return;
  if (instruction.kind === 'RUN') {
    const commands = shellCommands(text.text).filter(({ words }) => !words.some((word) => CONTAINER_TOOLS.test(word)));
    for (const word of commands.flatMap(({ words }) => words)) {
      if (!/^--mount=type=(?:bind|cache|secret|ssh|tmpfs)(?:,|$)/.test(word)) continue;
      const exact = context.edits.find(instruction.range, ` ${word}`, word);
      const fix = exact === undefined ? undefined : moveToFront(context, command, exact, word);
      reportFlag(context, command, { flag: '--mount', meaning: 'a word of the command', exact, fix });
    }
  } else if (instruction.kind === 'HEALTHCHECK') {
    const names = instructionFlags('HEALTHCHECK').join('|');
    const flags = new RegExp(`^(?:--(?:${names})=\\S+(?:\\s+|$))+`).exec(text.text)?.[0];
    if (flags === undefined) return;
    const exact = context.edits.find(instruction.range, ` ${flags}`, flags);
    const fix = exact === undefined ? undefined : moveToFront(context, command, exact, flags.trim());
    reportFlag(context, command, { flag: flags.split('=', 1)[0] ?? '', meaning: 'a word of the command', exact, fix });
  }
}

interface FlagFinding {
  readonly flag: string;
  readonly meaning: string;
  readonly exact: SourceRange | undefined;
  readonly fix: Fix | undefined;
}

function reportFlag({ linter }: RuleContext, command: StageCommand, { flag, meaning, exact, fix }: FlagFinding): void {
  const { kind, keyword } = command.instruction;
  const hint = `write ${keyword.text} ${flag}${flag === '--link' || flag === '--parents' ? '' : '=…'} and then the rest`;
  linter.report(OWN_RULES.MisplacedFlag, placeOfCommand(command, exact), [flag, kind, meaning], withFix(fix, hint));
}

/** Takes a flag from where it stands, with the space in front of it, and puts it behind the keyword and the flags there. */
function moveToFront({ edits }: RuleContext, { instruction }: StageCommand, range: SourceRange, flag: string): Fix | undefined {
  const { start, end } = range;
  const last = instruction.flags.at(-1)?.range ?? instruction.keyword.range;
  const lead = /(?<!\s)\s*$/.exec(edits.slice({ start: { line: start.line, column: 0 }, end: start }))?.[0].length ?? 0;
  if (start.line !== end.line || lead === start.column) return undefined; // it begins its line
  const takeAway = {
    range: { start: { line: start.line, column: start.column - lead }, end },
    text: /\s$/.test(edits.slice(range)) ? ' ' : '',
  };
  return {
    title: `put it behind ${instruction.keyword.text}`,
    edits: [{ range: { start: last.end, end: last.end }, text: ` ${flag}` }, takeAway],
  };
}

/** Where in an instruction that knows no comments one seems to begin, and what it is instead. */
function commentIn(command: StageCommand): { readonly word: Word; readonly at: number; readonly meaning: string } | undefined {
  const { instruction } = command;
  switch (instruction.kind) {
    case 'USER':
    case 'WORKDIR':
    case 'STOPSIGNAL': {
      const [word] = instruction.words;
      const at = word?.text.search(/\s#/) ?? -1;
      return word === undefined || at < 0 ? undefined : { word, at: at + 1, meaning: 'part of the name' };
    }
    case 'VOLUME':
    case 'COPY':
    case 'ADD':
    case 'ARG': {
      const word = instruction.json ? undefined : instruction.words.find(({ text }, index) => index > 0 && text.startsWith('#'));
      const meaning = { VOLUME: 'a folder', COPY: 'a file name', ADD: 'a file name', ARG: 'a variable' }[instruction.kind];
      return word === undefined ? undefined : { word, at: 0, meaning };
    }
    case 'ENV':
    case 'LABEL': {
      const value = instruction.pairs.find(({ legacy }) => legacy)?.value;
      const at = value?.text.search(/\s#\s/) ?? -1;
      return value === undefined || at < 0 || /["']/.test(value.text)
        ? undefined
        : { word: value, at: at + 1, meaning: 'part of the value' };
    }
    default: {
      const word = shellCommandOf(command);
      const isArray = word !== undefined && COMMENTED_ARRAY.test(word.text);
      return isArray ? { word, at: word.text.lastIndexOf('#'), meaning: 'part of a text for the shell, as the array is' } : undefined;
    }
  }
}

function trailingComment({ linter, edits }: RuleContext, command: StageCommand): void {
  const { instruction } = command;
  const found = commentIn(command);
  if (found === undefined) return;
  const { start } = found.word.range;
  // The word must stand in the source as it is, and the rest of the line be the rest of the instruction.
  const at = { line: start.line, column: start.column + found.at };
  const { end } = instruction.range;
  const rest = edits.slice({ start: at, end });
  const isExact = rest.startsWith('#') && at.line === end.line;
  const text = isExact ? rest.trimEnd() : found.word.text.slice(found.at);
  const lead = isExact ? (/(?<!\s)\s*$/.exec(edits.slice({ start: instruction.range.start, end: at }))?.[0].length ?? 0) : 0;
  const { start: front } = instruction.range;
  const fix = isExact
    ? {
        title: 'give it a line of its own',
        edits: [
          { range: { start: front, end: front }, text: `${text}\n` },
          { range: { start: { line: at.line, column: at.column - lead }, end }, text: '' },
        ],
      }
    : undefined;
  const place = placeOfCommand(command, isExact ? { start: at, end } : undefined);
  linter.report(OWN_RULES.TrailingComment, place, [text, found.meaning], withFix(fix, 'write it on a line of its own'));
}
