// Which files a bake reads: those that are named, else those that are there by their usual names.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { errnoOf, SlipwayError, suggest } from '../../base/index.ts';
import type { BakeSource } from '../../bake/index.ts';
import type { RemoteFiles } from '../../build/index.ts';
import type { Surroundings } from '../surroundings.ts';

/** In the order in which they add to each other. */
const USUAL = [
  ...['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'],
  ...['docker-bake.json', 'docker-bake.hcl', 'docker-bake.override.json', 'docker-bake.override.hcl'],
];

/** A file whose text is known. Its name says what it is (`.hcl`, `.json`, `.yaml`), and stands in messages. */
export interface BakeText {
  readonly filename: string;
  readonly text: string;
}

/** Files that are elsewhere: their address, and what reads those that are there. */
export interface Elsewhere {
  readonly url: string;
  readonly read: (names: readonly string[]) => Promise<RemoteFiles>;
}

/** The files of a call. */
export interface BakeFiles {
  readonly sources: readonly BakeSource[];
  /** Where relative contexts are folders beside a file that came from elsewhere: its address. */
  readonly contextsAt: string | undefined;
}

/** Reads them. Of a file `elsewhere` those are here that are texts, or named `cwd://…`. Throws `BAKE_FILE_NOT_FOUND`, and what fetching throws. */
export async function readBakeFiles(
  named: readonly (string | BakeText)[],
  elsewhere: Elsewhere | undefined,
  around: Surroundings,
): Promise<BakeFiles> {
  if (named.length === 0 && elsewhere === undefined) return { sources: usualFiles(around), contextsAt: undefined };
  const isThere = (file: string | BakeText): file is string =>
    elsewhere !== undefined && typeof file === 'string' && !file.startsWith('cwd://');
  const { sources, contextsAt } =
    elsewhere === undefined ? { sources: [], contextsAt: undefined } : await filesElsewhere(named.filter(isThere), elsewhere);
  const here = named.filter((file) => !isThere(file)).map((file) => fileHere(file, around));
  if (sources.length + here.length === 0) throw notThere('there is no Bake file there');
  return { sources: [...sources, ...here], contextsAt };
}

/** Those that are named, else those by their usual names; or the one file that the address is. */
async function filesElsewhere(named: readonly string[], { url, read }: Elsewhere): Promise<BakeFiles> {
  const found = await read(named.length === 0 ? USUAL : named);
  if (found.kind === 'file') return { sources: [{ filename: url, text: found.text }], contextsAt: undefined };
  const missing = named.find((name) => !found.files.has(name));
  if (missing !== undefined) throw notThere(`there is no Bake file ${missing} there`);
  return { sources: [...found.files].map(([filename, text]) => ({ filename, text })), contextsAt: url };
}

function notThere(message: string): SlipwayError {
  return new SlipwayError('BAKE_FILE_NOT_FOUND', message, {
    hint: 'name a file of the repository by -f, one of this folder by -f cwd://FILE',
  });
}

function usualFiles(around: Surroundings): readonly BakeSource[] {
  const found = USUAL.filter((name) => existsSync(resolve(around.cwd, name)));
  if (found.length > 0) return found.map((name) => fileHere(name, around));
  throw new SlipwayError('BAKE_FILE_NOT_FOUND', 'there is no Bake file in this folder', {
    hint: 'write docker-bake.hcl or compose.yaml, or name a file by -f',
  });
}

function fileHere(file: string | BakeText, { cwd }: Surroundings): BakeSource {
  if (typeof file !== 'string') return { ...file, folder: dirname(resolve(cwd, file.filename)) };
  const name = file.replace(/^cwd:\/\//, '');
  const path = resolve(cwd, name);
  try {
    return { filename: name, text: readFileSync(path, 'utf8'), folder: dirname(path) };
  } catch (cause) {
    const isFolder = errnoOf(cause) === 'EISDIR';
    const reason = errnoOf(cause) === 'ENOENT' ? 'no such file' : isFolder ? 'it is a folder' : (cause as Error).message;
    throw new SlipwayError('BAKE_FILE_NOT_FOUND', `cannot read the Bake file ${name}: ${reason}`, {
      hint: isFolder ? 'name the file in it' : (nearFile(path) ?? 'check the path behind -f; it is relative to the current folder'),
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
