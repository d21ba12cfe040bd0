// Which files a bake reads: those that -f or BUILDX_BAKE_FILE names, else those that are here by their usual names.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, delimiter, dirname, resolve } from 'node:path';
import { errnoOf, SlipwayError, suggest } from '../../base/index.ts';
import type { BakeSource } from '../../bake/index.ts';
import type { RemoteFiles } from '../../build/index.ts';
import { type ParsedFlags, usage } from '../flags.ts';
import { readStdinText } from '../request/stdin.ts';
import type { World } from '../world.ts';

/** In the order in which they add to each other. */
const USUAL = [
  ...['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'],
  ...['docker-bake.json', 'docker-bake.hcl', 'docker-bake.override.json', 'docker-bake.override.hcl'],
];

/** A file that is elsewhere: its address, and what reads files there. */
export interface Elsewhere {
  readonly url: string;
  readonly read: (names: readonly string[]) => Promise<RemoteFiles>;
}

/** The files of a call. */
export interface BakeFiles {
  readonly sources: readonly BakeSource[];
  /** Relative contexts are folders beside a file that came from elsewhere. */
  readonly contextsElsewhere: boolean;
}

/** Reads them. `elsewhere`: they are not here, but for those that are named `cwd://…`. Throws `BAKE_FILE_NOT_FOUND`. */
export async function readBakeFiles(flags: ParsedFlags, world: World, elsewhere?: Elsewhere): Promise<BakeFiles> {
  const named = flags.has('file') ? flags.list('file') : namedByEnvironment(world);
  const isHere = (name: string): boolean => elsewhere === undefined || name.startsWith('cwd://');
  if (named.filter((name) => name === '-').length > 1) throw usage('bake', 'standard input can be read once: -f - is there twice');
  if (named.length === 0 && elsewhere === undefined) return { sources: usualFiles(world), contextsElsewhere: false };
  const there = named.filter((name) => !isHere(name));
  const { sources, contextsElsewhere } =
    elsewhere === undefined ? { sources: [], contextsElsewhere: false } : await filesElsewhere(there, elsewhere);
  const here: BakeSource[] = [];
  for (const name of named.filter(isHere))
    here.push(name === '-' ? await stdinFile(world) : namedFile(name.replace(/^cwd:\/\//, ''), world));
  if (sources.length + here.length === 0) throw notThere('there is no Bake file there');
  return { sources: [...sources, ...here], contextsElsewhere };
}

/** Those that are named, else those by their usual names; or the one file that the address is. */
async function filesElsewhere(named: readonly string[], { url, read }: Elsewhere): Promise<BakeFiles> {
  const found = await read(named.length === 0 ? USUAL : named);
  if (found.kind === 'file') return { sources: [{ filename: url, text: found.text }], contextsElsewhere: false };
  const missing = named.find((name) => !found.files.has(name));
  if (missing !== undefined) throw notThere(`there is no Bake file ${missing} there`);
  return { sources: [...found.files].map(([filename, text]) => ({ filename, text })), contextsElsewhere: true };
}

function notThere(message: string): SlipwayError {
  return new SlipwayError('BAKE_FILE_NOT_FOUND', message, {
    hint: 'name a file of the repository by -f, one of this folder by -f cwd://FILE',
  });
}

function namedByEnvironment({ env }: World): readonly string[] {
  const separator = env['BUILDX_BAKE_PATH_SEPARATOR'] || delimiter;
  return (env['BUILDX_BAKE_FILE'] ?? '')
    .split(separator)
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function usualFiles(world: World): readonly BakeSource[] {
  const found = USUAL.filter((name) => existsSync(resolve(world.cwd, name)));
  if (found.length > 0) return found.map((name) => namedFile(name, world));
  throw new SlipwayError('BAKE_FILE_NOT_FOUND', 'there is no Bake file in this folder', {
    hint: 'write docker-bake.hcl or compose.yaml, or name a file by -f',
  });
}

async function stdinFile(world: World): Promise<BakeSource> {
  return { filename: '-', text: await readStdinText(world), folder: world.cwd };
}

function namedFile(name: string, world: World): BakeSource {
  const path = resolve(world.cwd, name);
  try {
    return { filename: name, text: readFileSync(path, 'utf8'), folder: dirname(path) };
  } catch (cause) {
    const reason = errnoOf(cause) === 'ENOENT' ? 'no such file' : errnoOf(cause) === 'EISDIR' ? 'it is a folder' : (cause as Error).message;
    throw new SlipwayError('BAKE_FILE_NOT_FOUND', `cannot read the Bake file ${name}: ${reason}`, {
      hint: nearFile(path) ?? 'check the path behind -f; it is relative to the current folder',
      cause,
    });
  }
}

/** A file beside the missing one with nearly its name. */
function nearFile(path: string): string | undefined {
  try {
    const near = suggest(basename(path), readdirSync(dirname(path)));
    return near === undefined ? undefined : `did you mean ${near}?`;
  } catch {
    return undefined; // the folder is not there either
  }
}
