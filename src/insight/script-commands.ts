// The commands that a shell script names, as far as they can be read off it without a shell.

import type { BytePath } from '../base/index.ts';
import { programCure } from './cures.ts';
import { type RuntimeContext, shown, whereReadable } from './runtime-context.ts';
import { textAt } from './tree-files.ts';

const MAX_SCRIPT = 64 << 10;
const MAX_COMMANDS = 200;
/** What a shell knows itself (POSIX, bash, dash), and words before a command. */
const OWN = new Set(
  (
    'if then else elif fi for while until do done case esac in function time coproc select ! { } [[ ]] . : [ alias bg bind break builtin ' +
    'caller cd command compgen complete continue declare dirs disown echo enable eval exec exit export false fc fg getopts hash help ' +
    'history jobs kill let local logout mapfile popd printf pushd pwd read readarray readonly return set shift shopt source suspend test ' +
    'times trap true type typeset ulimit umask unalias unset wait'
  ).split(' '),
);
/** After these the next word is a command still. */
const BEFORE = new Set(['if', 'then', 'else', 'elif', 'while', 'until', 'do', 'exec', 'time', '!', '{', '(', 'command', 'builtin']);

/** Tells of commands that are not on the image's PATH and that a stage has. */
export function checkCommands(context: RuntimeContext, path: BytePath): void {
  const text = whereReadable(() => textAt(context.tree, path, MAX_SCRIPT));
  if (text === undefined) return;
  for (const name of commandsOf(text)) {
    if (context.program(name) !== undefined || context.programInStages(name).length === 0) continue;
    context.add({
      rule: 'command-missing',
      severity: 'warning',
      path: shown(path),
      message: `it calls ${name}, which is not on PATH`,
      ...programCure(context, name),
    });
  }
}

/** Plain names in the place of a command; what the script defines, and what a shell knows itself, left out. */
export function commandsOf(text: string): readonly string[] {
  const found = new Set<string>();
  const defined = new Set<string>();
  for (const line of withoutQuotes(text).split('\n')) {
    for (const [, name] of line.matchAll(/(?:^|\bfunction\s)\s*([A-Za-z_][\w-]*)\s*\(\s*\)/g)) defined.add(name as string);
    for (const part of line.split(/\$\(|`|&&|\|\||[;|&()]/)) {
      const words = part.split(/\s+/).filter((word) => word !== '');
      while (words[0] !== undefined && (BEFORE.has(words[0]) || /^[A-Za-z_]\w*\+?=/.test(words[0]))) words.shift();
      const [name] = words;
      if (name !== undefined && /^[A-Za-z_][\w.+-]*$/.test(name) && !OWN.has(name) && found.size < MAX_COMMANDS) found.add(name);
    }
  }
  return [...found].filter((name) => !defined.has(name));
}

/** The text without comments, here-documents and what is in quotes; commands in `"$(…)"` stay. */
function withoutQuotes(text: string): string {
  let out = '';
  let heredoc: string | undefined;
  let quote: "'" | '"' | undefined;
  for (const line of text.split('\n')) {
    if (heredoc !== undefined) {
      if (line.trim() === heredoc) heredoc = undefined;
      continue;
    }
    let inside = 0;
    for (let at = 0; at < line.length; at += 1) {
      const char = line[at] as string;
      if (char === '\\' && quote !== "'") at += 1;
      else if (quote === "'") quote = char === "'" ? undefined : quote;
      else if (quote === '"' && char === '$' && line[at + 1] === '(') {
        out += '$(';
        inside += 1;
        quote = undefined;
        at += 1;
      } else if (inside > 0 && quote === undefined && char === ')') {
        out += ')';
        inside -= 1;
        quote = '"';
      } else if (quote === '"') quote = char === '"' ? undefined : quote;
      else if (char === "'" || char === '"') {
        quote = char;
        out += 'Q';
      } else if (char === '#' && (at === 0 || /\s/.test(line[at - 1] as string))) break;
      else out += char;
    }
    if (quote === undefined) {
      heredoc = /<<-?\s*["']?([A-Za-z_]\w*)["']?/.exec(line)?.[1];
      out += line.endsWith('\\') ? ' ' : '\n';
    }
  }
  return out;
}
