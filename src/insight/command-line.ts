// What an image starts: its entrypoint, command and health check, taken apart as far as they can be read.

import type { RuntimeConfig } from '../oci/index.ts';

/** One thing that the image starts. */
export interface Started {
  /** What the user calls it. */
  readonly what: 'entrypoint' | 'command' | 'health check';
  readonly args: readonly string[];
  /** The shell form: `args` is what the shell gets, read as words where that is plain. */
  readonly shell?: string;
  /** The shell form says nothing that needs a shell: `args` is all of it. */
  readonly plain?: boolean;
}

const DEFAULT_SHELL = ['/bin/sh', '-c'];
/** What makes words more than words. */
const SHELL_SYNTAX = /[$`|&;<>()*?[\]{}~#!"'\\\n]/;
const SHELL_WORDS = new Set([
  ...['if', 'for', 'while', 'case', 'until', 'set', 'cd', 'export', 'test', '[', 'echo', 'printf', 'exit', 'trap', 'umask', 'ulimit'],
  ...['.', ':', 'source', 'eval', 'true', 'false', 'wait', 'read', 'unset', 'kill', 'command', 'pwd', 'sleep'],
]);

/** All that the config says will be started. */
export function startedBy(config: RuntimeConfig): readonly Started[] {
  const entrypoint = config.Entrypoint ?? [];
  const command = config.Cmd ?? [];
  const started: Started[] = [];
  const whole = [...entrypoint, ...command];
  if (whole.length > 0) started.push(takeApart(entrypoint.length > 0 ? 'entrypoint' : 'command', whole));
  const [kind, ...test] = config.Healthcheck?.Test ?? [];
  if (kind === 'CMD' && test.length > 0) started.push(takeApart('health check', test));
  else if (kind === 'CMD-SHELL' && test[0] !== undefined) {
    started.push(takeApart('health check', [...(config.Shell ?? DEFAULT_SHELL), test[0]]));
  }
  return started;
}

function takeApart(what: Started['what'], args: readonly string[]): Started {
  const [program = '', flag, text] = args;
  if (/(^|\/)(ba|da|a|z|k)?sh$/.test(program) && flag !== undefined && /^-[a-z]*c$/.test(flag) && text !== undefined) {
    const words = plainWords(text);
    const plain =
      words.length > 0 &&
      words.join(' ') ===
        text
          .trim()
          .replace(/^exec\s+/, '')
          .replace(/\s+/g, ' ');
    return { what, shell: program, args: words, plain };
  }
  return { what, args };
}

/** The first command of a shell text, when it is plain words; else nothing can be said. */
function plainWords(text: string): readonly string[] {
  const first =
    text
      .trim()
      .replace(/^exec\s+/, '')
      .split(/(?<!\s)\s*(?:&&|\|\||[;|&\n])/, 1)[0] ?? '';
  const words = first.split(/\s+/).filter((word) => word !== '');
  while (words[0] !== undefined && /^[A-Za-z_]\w*=/.test(words[0])) words.shift();
  const program = words[0];
  if (program === undefined || SHELL_SYNTAX.test(program) || SHELL_WORDS.has(program)) return [];
  const plain = words.findIndex((word) => SHELL_SYNTAX.test(word));
  return plain < 0 ? words : words.slice(0, plain);
}

/** Short options of such programs that take the next word when nothing is joined to them. */
const VALUED: Readonly<Record<string, string>> = {
  tini: 'pe',
  'tini-static': 'pe',
  'docker-init': 'pe',
  'dumb-init': 'r',
  nice: 'n',
  stdbuf: 'ioe',
};
/** Long ones. */
const VALUED_LONG = /^--(?:adjustment|rewrite|input|output|error|unset|chdir)$/;

/** The words from the first on that is no option and no option's value; undefined: there is none. */
function behindOptions(words: readonly string[], valued: string): readonly string[] | undefined {
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '--') return words.slice(at + 1);
    if (!word.startsWith('-') || word === '-') return words.slice(at);
    if (VALUED_LONG.test(word) || (/^-[A-Za-z]+$/.test(word) && valued.includes(word.at(-1) ?? ''))) at += 1;
  }
  return undefined;
}

/** What `env -S "a b"` makes of it; `env -` is `env -i`. */
function splitStrings([first = '', ...rest]: readonly string[]): readonly string[] {
  if (first === '-') return rest;
  const [, joined] = /^(?:-[a-z0]*S|--split-string=)(.*)$/s.exec(first) ?? [];
  if (joined === undefined) return [first, ...rest];
  const [text = '', ...more] = joined === '' ? rest : [joined, ...rest];
  return [...text.trim().split(/\s+/), ...more];
}

/** Programs that only start another one: what remains is that one's command line. */
export function innerCommand(args: readonly string[]): readonly string[] | undefined {
  const [program = '', ...rest] = args;
  const name = program.slice(program.lastIndexOf('/') + 1);
  switch (name) {
    case 'tini':
    case 'tini-static':
    case 'dumb-init':
    case 'catatonit':
    case 'docker-init':
    case 'nice':
    case 'nohup':
    case 'setsid':
    case 'stdbuf':
      return behindOptions(rest, VALUED[name] ?? '');
    case 'su-exec':
    case 'gosu':
      return rest.slice(1);
    case 'env': {
      const inner = behindOptions(splitStrings(rest), 'uC');
      const at = inner?.findIndex((word) => !word.includes('=')) ?? -1;
      return at < 0 ? undefined : inner?.slice(at);
    }
    default:
      return undefined;
  }
}

/** Value of a variable of the image. */
export function variableOf(config: RuntimeConfig, name: string): string | undefined {
  return config.Env?.findLast((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
}

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
