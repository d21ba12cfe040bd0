// `slipway check --runtime IMAGE`: what a built image lacks to start, and what should not be in it.

import { SlipwayError } from '../../base/index.ts';
import type { addCures as AddCures } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, refuseMoreWords, wantsJson } from '../flags.ts';
import { note, printLine, type World } from '../world.ts';
import { writeBack } from './write-back.ts';

/** Flags that mean something else, or only something, for an image. */
const RUNTIME_FLAGS: readonly Flag[] = [
  { name: 'runtime', kind: 'string', value: 'IMAGE', about: 'Check an image: what it lacks to start, and what should not be in it' },
  { name: 'format', kind: 'string', value: 'json', about: 'Print findings as JSON, one document a line' },
  { name: 'fix', kind: 'bool', about: 'With --runtime: write the lines that cure it into the Dockerfile (--file)' },
];

/** All findings of an image; 1 when one of them is an error. */
export async function checkRuntimeOf(args: readonly string[], world: World): Promise<number> {
  const { readConfiguration } = await import('../settings.ts');
  const { checkImage, openEngine, stageOfImage } = await import('../../build/index.ts');
  const { findingLines } = await import('../findings.ts');
  const file: Flag = {
    name: 'file',
    short: 'f',
    kind: 'string',
    value: 'PATH',
    about: 'Dockerfile that --fix changes (default: Dockerfile)',
  };
  const flags = parseFlags('check', [...RUNTIME_FLAGS, file, ...COMMON_FLAGS], args);
  refuseMoreWords('check', flags, 0, 'with --runtime takes no folder');
  const json = wantsJson('check', flags);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const findings = await checkImage(engine, flags.text('runtime') ?? '');
  if (json) for (const finding of findings) printLine(world, JSON.stringify(finding));
  else if (findings.length === 0) printLine(world, 'nothing found');
  else for (const line of findingLines(findings)) printLine(world, line);
  if (flags.bool('fix'))
    await writeCures(findings, await stageOfImage(engine, flags.text('runtime') ?? ''), flags.text('file') ?? 'Dockerfile', world);
  return findings.some(({ severity }) => severity === 'error') ? 1 : 0;
}

async function writeCures(findings: Parameters<typeof AddCures>[1], stage: string | undefined, file: string, world: World): Promise<void> {
  const { resolve } = await import('node:path');
  const { addCures } = await import('../../build/index.ts');
  const path = resolve(world.cwd, file);
  const original = await readDockerfile(path, file);
  const { text, added } = addCures(original, findings, stage);
  if (added.length > 0) writeBack(path, original, text);
  note(world, added.length === 0 ? 'nothing to change' : `changed in ${file}:\n${added.map((line) => `  ${line}`).join('\n')}`);
}

async function readDockerfile(path: string, file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new SlipwayError('FIX_REFUSED', `there is no Dockerfile to fix: ${file} cannot be read: ${(cause as Error).message}`, {
      cause,
      hint: 'name the Dockerfile of the image by --file',
    });
  }
}
