// A line that begins with no keyword: what its writer seems to have meant.

import { type Diagnostic, type SourceRange, suggest } from '../base/index.ts';
import type { Instruction, InvalidInstruction, Word } from './ast.ts';
import { INSTRUCTION_NAMES } from './instruction-table.ts';
import { syntaxError } from './reader.ts';

/** The line, and what stands in front of it. */
export interface UnknownLine {
  readonly keyword: Word;
  /** The line from its keyword on. */
  readonly text: string;
  readonly isIndented: boolean;
  readonly before: Instruction | InvalidInstruction | undefined;
  /** The last physical line of `before`, without its end. */
  readonly beforeText: string;
  readonly escape: string;
}

/** What is said of it. */
export function unknownKeyword(line: UnknownLine): Diagnostic {
  const { text, range } = line.keyword;
  const message = `unknown instruction: ${text}`;
  const isCommand = isProgram(text) || HEREDOC_NAMES.has(text);
  const synonym = isCommand && continued(line) !== undefined ? undefined : SYNONYMS[text.toUpperCase()];
  const near = synonym ?? (isCommand ? undefined : suggest(text, INSTRUCTION_NAMES));
  if (near === undefined) return syntaxError(message, range, explanation(line));
  const written = text === text.toLowerCase() ? near.toLowerCase() : near;
  return syntaxError(`${message} (did you mean ${written}?)`, range, replacement(range, written));
}

/** Names from other languages of the kind, and of commands, for what an instruction does. */
const SYNONYMS: Readonly<Record<string, string>> = {
  CD: 'WORKDIR',
  CP: 'COPY',
  ENVIRONMENT: 'ENV',
  EXPORT: 'ENV',
  IMAGE: 'FROM',
  PORT: 'EXPOSE',
  PORTS: 'EXPOSE',
  SET: 'ENV',
};

/** Programs that nearly every image has or installs by: the word behind them is no keyword but a command's. */
const PROGRAMS = new Set(
  (
    'apk apt apt-get bash bundle cargo cat cd chmod chown cmake composer conda cp curl dnf dotnet echo exec export find gem git go gradle grep gunzip install ln ls ' +
    'make mkdir mv mvn node npm npx pip pip3 pnpm poetry python python3 rm sed set sh source sudo tar test touch unzip useradd wget yarn yum zypper'
  ).split(' '),
);

const HEREDOC_NAMES = new Set(['EOF', 'EOL', 'EOS', 'EOT', 'HEREDOC']);

function isProgram(word: string): boolean {
  return PROGRAMS.has(word.toLowerCase());
}

type Explanation = Pick<Diagnostic, 'hint' | 'fix' | 'related'>;

function explanation(line: UnknownLine): Explanation {
  const { text, range } = line.keyword;
  if (/^(?:<{7}|={7}|>{7}|\|{7})$/.test(text)) return { hint: 'a merge left this behind: keep one of the two sides' };
  const comment = /^(?:\/\/+|\/\*|--|;+|rem$)/i.exec(text)?.[0];
  if (comment !== undefined) return { hint: 'comments begin with #', fix: edit('begin it with #', firstOf(range, comment.length), '#') };
  if (HEREDOC_NAMES.has(text))
    return { hint: `no heredoc ends here: one that begins with <<${text} does, with ${text} quoted whole or not at all` };
  const goesOn = continued(line);
  if (goesOn !== undefined) return goesOn;
  if (line.before === undefined && /^[{[]/.test(text)) return { hint: 'a Dockerfile is no JSON: it begins with FROM image' };
  if (/^[A-Za-z_-]+:$/.test(text)) return { hint: 'this looks like YAML; name the Dockerfile by -f' };
  const glued = INSTRUCTION_NAMES.find((name) => text.startsWith(name) && text.length > name.length);
  if (glued !== undefined)
    return { hint: `a space is missing behind ${glued}`, fix: edit('put a space in', range, `${glued} ${text.slice(glued.length)}`) };
  if (isProgram(text))
    return {
      hint: `commands stand behind RUN: RUN ${line.text.length > 60 ? `${text.toLowerCase()} …` : text.toLowerCase() + line.text.slice(text.length)}`,
    };
  return {
    hint:
      line.before === undefined
        ? 'a Dockerfile begins with FROM image'
        : 'a line that belongs to the instruction above needs a continuation character at the end of that instruction',
  };
}

/** Where the instruction above seems to go on here: it ends in an operator, or this line begins with one or is a command set in. */
function continued({ keyword, isIndented, before, beforeText, escape }: UnknownLine): Explanation | undefined {
  const kind = before?.keyword.text.toUpperCase();
  if (before === undefined || kind === undefined || !['RUN', 'CMD', 'ENTRYPOINT'].includes(kind)) return undefined;
  const goesOn =
    /(?:&&|\|\|?|;|,|\\)\s*$/.test(beforeText) || /^(?:&&|\|\|?|;)/.test(keyword.text) || (isIndented && isProgram(keyword.text));
  if (!goesOn) return undefined;
  const { end } = before.range;
  const at = { start: end, end };
  return {
    hint: `${kind} goes on here only when the line above ends with ${escape}`,
    related: [{ range: before.keyword.range, message: `this ${kind} ends in front of it` }],
    fix: edit(`end the line above with ${escape}`, at, ` ${escape}`),
  };
}

function replacement(range: SourceRange, text: string): Explanation {
  return { fix: edit(`replace by ${text}`, range, text) };
}

function edit(title: string, range: SourceRange, text: string): NonNullable<Diagnostic['fix']> {
  return { title, edits: [{ range, text }] };
}

function firstOf({ start }: SourceRange, length: number): SourceRange {
  return { start, end: { line: start.line, column: start.column + length } };
}
