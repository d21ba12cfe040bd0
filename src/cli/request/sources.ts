// Where a build reads from: the context, the Dockerfile, named contexts.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isSlipwayError, SlipwayError } from '../../base/index.ts';
import { contextKey, type ContextInput, type DockerfileInput, isRemoteContext } from '../../build/index.ts';
import { type ParsedFlags, splitOnce, usage } from '../flags.ts';
import { readStdinContext } from './stdin.ts';
import type { World } from '../world.ts';

/** The context, and the Dockerfile if it is not simply that of the context. Reads standard input for `-`. */
export async function readSources(
  flags: ParsedFlags,
  world: World,
): Promise<{ context: ContextInput; dockerfile: DockerfileInput | undefined }> {
  const file = flags.text('file');
  const [word, ...more] = flags.words;
  if (word === undefined) {
    const hint = existsSync(join(world.cwd, 'Dockerfile'))
      ? 'the Dockerfile is in this folder: add a dot, `slipway build … .`'
      : 'name the folder that COPY reads from: `slipway build … .` for this one';
    throw usage('build', '"slipway build" requires 1 argument: the build context', hint);
  }
  if (more.length > 0)
    throw usage(
      'build',
      `"slipway build" requires 1 argument, got ${flags.words.length}: ${flags.words.join(' ')}`,
      'flags that take a value need it right behind them; quote values with spaces',
    );
  if (word === '-' && file === '-') throw usage('build', "can't use stdin for both build context and dockerfile");
  if (word === '-') {
    const stdin = await readStdinContext(world);
    if (stdin.kind === 'archive') return { context: stdin, dockerfile: file === undefined ? undefined : { kind: 'path', path: file } };
    if (file !== undefined) throw usage('build', 'ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles');
    return { context: { kind: 'empty' }, dockerfile: stdin.dockerfile };
  }
  const dockerfile = file === '-' ? await readStdinDockerfile(world) : undefined;
  if (isRemoteContext(word) && !existsSync(resolve(world.cwd, word))) {
    return { context: { kind: 'url', url: word }, dockerfile: dockerfile ?? readFileFlag(file, world, true) };
  }
  const path = resolve(world.cwd, word);
  if (!existsSync(path)) {
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: path ${JSON.stringify(word)} not found`, {
      hint: 'the context is the folder that COPY reads from; `.` is this one',
    });
  }
  if (!statSync(path).isDirectory()) {
    if (word === '') throw usage('build', 'the build context is empty: name a folder');
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: ${JSON.stringify(word)} is not a folder`, {
      hint: `name the folder, and the Dockerfile by -f: slipway build -f ${word} .`,
    });
  }
  return { context: { kind: 'folder', path }, dockerfile: dockerfile ?? readFileFlag(file, world, false) };
}

function readFileFlag(file: string | undefined, world: World, remoteContext: boolean): DockerfileInput | undefined {
  if (file === undefined || file === '') return undefined;
  if (/^https?:\/\//.test(file)) return { kind: 'url', url: file };
  const path = resolve(world.cwd, file);
  if (remoteContext && !existsSync(path)) return { kind: 'path', path: file };
  return { kind: 'path', path };
}

async function readStdinDockerfile(world: World): Promise<DockerfileInput> {
  const stdin = await readStdinContext(world);
  if (stdin.kind === 'archive') return { kind: 'text', text: readFileSync(stdin.path, 'utf8'), filename: 'Dockerfile' };
  return stdin.dockerfile;
}

/** One `--build-context`: the name, and an address or an absolute path. Throws `CONTEXT_NOT_FOUND`. */
export function readNamedContext(entry: string, world: World): [string, string] {
  const [written, value] = splitOnce(entry);
  if (written === '' || value === undefined || value === '')
    throw usage('build', `invalid value ${JSON.stringify(entry)} for --build-context: expected NAME=VALUE`);
  const name = contextName(written);
  if (value.includes('://') || isRemoteContext(value)) {
    const layout = /^oci-layout:\/\/(?!\/)(.*)$/.exec(value);
    return [name, layout === null ? value : `oci-layout://${resolve(world.cwd, layout[1] as string)}`];
  }
  const path = resolve(world.cwd, value);
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
    throw usage('build', `invalid context name ${written}: ${error.message}`, 'a context is named as an image or a stage is');
  }
}
