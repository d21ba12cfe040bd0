// Where a build reads from: the context, the Dockerfile, named contexts.

import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isSlipwayError, SlipwayError } from '../base/index.ts';
import { contextKey, type ContextInput, type DockerfileInput, isRemoteContext } from '../build/index.ts';
import { splitOnce, wrongValue } from './fields.ts';
import type { Surroundings } from './surroundings.ts';

/** The context that a word names: a folder, or an address unless there is a folder called so. Throws `CONTEXT_NOT_FOUND`. */
export function readContext(word: string, { cwd }: Surroundings): Extract<ContextInput, { kind: 'folder' | 'url' }> {
  const path = resolve(cwd, word);
  if (isRemoteContext(word) && !existsSync(path)) return { kind: 'url', url: word };
  if (!existsSync(path)) {
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: path ${JSON.stringify(word)} not found`, {
      hint: 'the context is the folder that COPY reads from; `.` is this one',
    });
  }
  if (!statSync(path).isDirectory()) {
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: ${JSON.stringify(word)} is not a folder`, {
      hint: `name the folder, and the Dockerfile by -f: slipway build -f ${word} .`,
    });
  }
  return { kind: 'folder', path };
}

/**
 * The Dockerfile that a word names; undefined: the context's own. In an archive a path is one of its files, in an address too, unless there is
 * such a file here.
 */
export function readDockerfile(file: string | undefined, context: ContextInput, { cwd }: Surroundings): DockerfileInput | undefined {
  if (file === undefined || file === '') return undefined;
  if (/^https?:\/\//.test(file)) return { kind: 'url', url: file };
  const path = resolve(cwd, file);
  const isInside = context.kind === 'archive' || (context.kind === 'url' && !existsSync(path));
  return { kind: 'path', path: isInside ? file : path };
}

/** One `--build-context`: the name, and an address or an absolute path. Throws `CONTEXT_NOT_FOUND`. */
export function readNamedContext(entry: string, { cwd }: Surroundings): [string, string] {
  const [written, value] = splitOnce(entry);
  if (written === '' || value === undefined || value === '')
    throw wrongValue(`invalid value ${JSON.stringify(entry)} for --build-context: expected NAME=VALUE`);
  const name = contextName(written);
  if (value.includes('://') || isRemoteContext(value)) {
    const layout = /^oci-layout:\/\/(?!\/)(.*)$/.exec(value);
    return [name, layout === null ? value : `oci-layout://${resolve(cwd, layout[1] as string)}`];
  }
  const path = resolve(cwd, value);
  if (!existsSync(path))
    throw new SlipwayError('CONTEXT_NOT_FOUND', `failed to get build context ${name}: path ${JSON.stringify(value)} not found`);
  if (!statSync(path).isDirectory())
    throw new SlipwayError('CONTEXT_NOT_FOUND', `failed to get build context ${name}: ${JSON.stringify(value)} is not a folder`);
  return [name, path];
}

function contextName(written: string): string {
  try {
    return contextKey(written);
  } catch (error) {
    if (!isSlipwayError(error, 'REFERENCE_INVALID')) throw error;
    throw wrongValue(`invalid context name ${written}: ${error.message}`, 'a context is named as an image or a stage is');
  }
}
