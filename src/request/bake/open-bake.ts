// Files of a bake → what they define, with all that expressions and Compose projects may ask of this machine.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { errnoOf } from '../../base/index.ts';
import { type BakeFile, type BakePlan, parseBake } from '../../bake/index.ts';
import { localPlatform } from '../../build/index.ts';
import type { Surroundings } from '../surroundings.ts';
import { contextsElsewhere } from './elsewhere.ts';
import type { BakeFiles } from './files.ts';

/** How files are read. */
export interface OpenBakeOptions {
  /** `--var`: variables of the files. */
  readonly variables: Readonly<Record<string, string>>;
  /** `BAKE_CMD_CONTEXT`; default: the folder. */
  readonly commandContext?: string;
  readonly now: () => Date;
  /** Asked before a file is read that the files themselves name; throws to refuse it. Default: none is refused. */
  readonly mayRead?: (path: string) => void;
}

/** Evaluates the files. Throws `BAKE_INVALID` and `HCL_INVALID`, with the place, and what `mayRead` throws. */
export function openBake({ sources, contextsAt }: BakeFiles, options: OpenBakeOptions, around: Surroundings): BakeFile {
  const { variables, commandContext = 'cwd://', now, mayRead = () => {} } = options;
  const file = parseBake(sources, {
    env: around.env,
    variables,
    commandContext,
    localPlatform: localPlatform(),
    homeFolder: around.home ?? '/',
    now,
    random: randomBytes,
    readFile: (path) => {
      mayRead(path);
      return readIfThere(resolve(around.cwd, path));
    },
  });
  if (contextsAt === undefined) return file;
  return { ...file, plan: (names, overrides): BakePlan => contextsElsewhere(file.plan(names, overrides), contextsAt) };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
