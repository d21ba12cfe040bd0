// The simple commands of a shell text, as far as rules need them: words between separators, quotes taken off.

import type { RunInstruction } from '../dockerfile/index.ts';

/** One command: `apt-get install -y curl`. */
export interface ShellCommand {
  readonly words: readonly string[];
  /** In UTF-16 units of the text, without the separators around it. */
  readonly start: number;
  readonly end: number;
  /** What follows it: `&&`, `||`, `;`, `|`, `&` or a line end; empty for the last one. */
  readonly separator: string;
}

/** Splits a text. Nothing is expanded; what is inside `$(…)` or `(…)` counts as commands of its own. */
export function shellCommands(text: string): readonly ShellCommand[] {
  const commands: ShellCommand[] = [];
  let words: string[] = [];
  let word: string | undefined;
  let start = -1;
  let end = 0;
  const closeWord = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const closeCommand = (separator: string): void => {
    closeWord();
    if (words.length > 0) commands.push({ words, start, end, separator });
    words = [];
    start = -1;
  };
  for (let at = 0; at < text.length;) {
    const char = text.charAt(at);
    const separator = separatorAt(text, at);
    if (separator !== '') {
      closeCommand(separator);
      at += separator.length;
      continue;
    }
    if (char === ' ' || char === '\t') {
      closeWord();
      at += 1;
      continue;
    }
    if (char === '#' && word === undefined) {
      const line = text.indexOf('\n', at);
      at = line < 0 ? text.length : line;
      continue;
    }
    const piece = pieceAt(text, at);
    if (start < 0) start = at;
    word = (word ?? '') + piece.value;
    at = piece.end;
    end = at;
  }
  closeCommand('');
  return commands.map(withoutPrefix);
}

/** Whether a command installs packages of the distribution. */
export function installs({ words }: ShellCommand): boolean {
  const [program = '', ...rest] = words;
  const verb = rest.find((word) => !word.startsWith('-'));
  if (program === 'apk') return verb === 'add';
  return ['apt', 'apt-get', 'dnf', 'microdnf', 'yum', 'zypper'].includes(program) && verb === 'install';
}

/** The text that a RUN gives to the shell, inline script included; empty for a list of arguments. */
export function shellText(instruction: RunInstruction): string {
  if (instruction.command.form === 'exec') return '';
  const documents = instruction.heredocs.map(({ content }) => content).join('\n');
  return documents === '' ? (instruction.command.command?.text ?? '') : documents;
}

function separatorAt(text: string, at: number): string {
  const two = text.slice(at, at + 2);
  if (two === '&&' || two === '||' || two === '$(') return two;
  return /[;|&\n()]/.test(text.charAt(at)) ? text.charAt(at) : '';
}

/** A character, an escaped one, or a quoted stretch. */
function pieceAt(text: string, at: number): { readonly value: string; readonly end: number } {
  const char = text.charAt(at);
  if (char === '\\') return { value: text.slice(at + 1, at + 2).replace('\n', ''), end: at + 2 };
  if (char !== '"' && char !== "'") return { value: char, end: at + 1 };
  const close = text.indexOf(char, at + 1);
  return { value: text.slice(at + 1, close < 0 ? text.length : close), end: close < 0 ? text.length : close + 1 };
}

/** Without `sudo` and assignments in front. */
function withoutPrefix(command: ShellCommand): ShellCommand {
  const first = command.words.findIndex((word) => word !== 'sudo' && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(word));
  return first <= 0 ? command : { ...command, words: command.words.slice(first) };
}
