// `slipway check`: what is wrong or doubtful in a Dockerfile, without building it; with --runtime, in an image.

import { BUILD_FLAGS, COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags } from '../flags.ts';
import { printLine, type World } from '../world.ts';
import { run as build } from './build.ts';

const RUNTIME_FLAGS: readonly Flag[] = [
  { name: 'runtime', kind: 'string', value: 'IMAGE', about: 'Check an image: what it lacks to start, and what should not be in it' },
  { name: 'format', kind: 'string', value: 'json', about: 'Print findings as JSON, one document a line' },
  { name: 'fix', kind: 'bool', about: 'With --runtime: write the lines that cure it into the Dockerfile (--file)' },
];

/** Checks the Dockerfile of a context (default: the current folder), or an image. */
export async function run(args: readonly string[], world: World): Promise<number> {
  if (args.some((arg) => arg === '--runtime' || arg.startsWith('--runtime='))) return await checkRuntimeOf(args, world);
  const flags = parseFlags('check', BUILD_FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(
      world,
      helpText(
        'slipway check [flags] [PATH]\n       slipway check --runtime IMAGE [--format json] [--fix]',
        'Checks a Dockerfile without building it, or what an image lacks and should not have.',
        [...BUILD_FLAGS, ...RUNTIME_FLAGS],
      ),
    );
    return 0;
  }
  return await build(['--check', ...args, ...(flags.words.length === 0 ? ['.'] : [])], world);
}

/** All findings of an image; 1 when one of them is an error. */
async function checkRuntimeOf(args: readonly string[], world: World): Promise<number> {
  const { readConfiguration } = await import('../settings.ts');
  const { checkImage, openEngine } = await import('../../build/index.ts');
  const { findingLines } = await import('../findings.ts');
  const file: Flag = {
    name: 'file',
    short: 'f',
    kind: 'string',
    value: 'PATH',
    about: 'Dockerfile that --fix changes (default: Dockerfile)',
  };
  const flags = parseFlags('check', [...RUNTIME_FLAGS, file, ...COMMON_FLAGS], args);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const findings = await checkImage(engine, flags.text('runtime') ?? '');
  if (flags.text('format') === 'json') for (const finding of findings) printLine(world, JSON.stringify(finding));
  else if (findings.length === 0) printLine(world, 'nothing found');
  else for (const line of findingLines(findings)) printLine(world, line);
  if (flags.bool('fix')) await writeCures(findings, flags.text('file') ?? 'Dockerfile', world);
  return findings.some(({ severity }) => severity === 'error') ? 1 : 0;
}

async function writeCures(
  findings: Parameters<typeof import('../../build/index.ts').addCures>[1],
  file: string,
  world: World,
): Promise<void> {
  const { readFileSync, writeFileSync } = await import('node:fs');
  const { resolve } = await import('node:path');
  const { addCures } = await import('../../build/index.ts');
  const { note } = await import('../world.ts');
  const path = resolve(world.cwd, file);
  const { text, added } = addCures(readFileSync(path, 'utf8'), findings);
  if (added.length > 0) writeFileSync(path, text);
  note(world, added.length === 0 ? 'nothing to add' : `added to ${file}:\n${added.map((line) => `  ${line}`).join('\n')}`);
}
