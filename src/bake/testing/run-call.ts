// A call as the tests write it, `N=7 bake -f a.hcl app --set app.pull=true`, and what it answers. For tests alone.

import { type Diagnostic, SlipwayError } from '../../base/index.ts';
import { type BakeOptions, printList, printPlan, parseBake } from '../index.ts';

export interface Call {
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly names: readonly string[];
  readonly overrides: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly list?: string;
}

/** Words may stand in single quotes. */
export function parseCall(line: string): Call {
  const words = [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ''));
  const start = words.indexOf('bake');
  const flags = new Map<string, string[]>();
  const names: string[] = [];
  for (let at = start + 1; at < words.length; at += 1) {
    const word = words[at] as string;
    if (!word.startsWith('-')) names.push(word);
    else flags.set(word, [...(flags.get(word) ?? []), words[(at += 1)] as string]);
  }
  const pairs = (list: readonly string[]): Record<string, string> =>
    Object.fromEntries(list.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]));
  const list = flags.get('--list')?.[0];
  return {
    env: pairs(words.slice(0, start)),
    files: flags.get('-f') ?? [],
    names,
    overrides: flags.get('--set') ?? [],
    variables: pairs(flags.get('--var') ?? []),
    ...(list === undefined ? {} : { list }),
  };
}

/** What is printed, or the error and its place. `files` is all there is to read. */
export function answer({ env, files: named, names, overrides, variables, list }: Call, files: ReadonlyMap<string, string>): string {
  const options: BakeOptions = {
    env: { HOME: '/home/u', ...env },
    variables,
    commandContext: 'cwd://',
    localPlatform: 'linux/amd64',
    homeFolder: '/home/u',
    now: () => new Date('2030-01-02T03:04:05Z'),
    random: (bytes) => new Uint8Array(bytes).fill(7),
    readFile: (path) => files.get(path),
  };
  try {
    const sources = named.map((filename) => ({
      filename,
      text: files.get(filename) ?? '',
      folder: filename.split('/').slice(0, -1).join('/'),
    }));
    const file = parseBake(sources, options);
    const doubts = file.warnings.map(({ diagnostic, source }) => `warning: ${tell(diagnostic, source.filename)}`).join('');
    if (list === undefined) return doubts + printPlan(file.plan(names, overrides));
    const [what, format = 'table'] = list.replace('type=', '').split(',format=');
    return printList(file, what as 'targets', format as 'table');
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    return `${error.code} ${tellError(error)}`;
  }
}

function tellError({ message, hint, location, facts }: SlipwayError): string {
  if (location === undefined) return `${message}\n${hint === undefined ? '' : `  help: ${hint}\n`}`;
  const all = (facts['diagnostics'] as readonly Diagnostic[] | undefined) ?? [
    { rule: '', severity: 'error', message, range: location.range, ...(hint === undefined ? {} : { hint }) },
  ];
  return all.map((diagnostic) => tell(diagnostic, location.source.filename)).join('');
}

function tell({ message, hint, range: { start, end } }: Diagnostic, filename: string): string {
  const place = `${filename}:${start.line}:${start.column}-${end.line === start.line ? '' : `${end.line}:`}${end.column}`;
  return `${place}: ${message}\n${hint === undefined ? '' : `  help: ${hint}\n`}`;
}
