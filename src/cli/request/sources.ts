// Where `slipway build` reads from: its word and -f, either of which may be standard input.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContextInput, DockerfileInput } from '../../build/index.ts';
import { readContext, readDockerfile } from '../../request/index.ts';
import { type ParsedFlags, usage } from '../flags.ts';
import { surroundings, type World } from '../world.ts';
import { readStdinContext } from './stdin.ts';

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
  if (word === '') throw usage('build', 'the build context is empty: name a folder', 'a dot is this one: `slipway build … .`');
  if (word === '-' && file === '-') throw usage('build', "can't use stdin for both build context and dockerfile");
  const around = surroundings(world);
  if (word === '-') {
    const stdin = await readStdinContext(world);
    if (stdin.kind === 'archive') return { context: stdin, dockerfile: readDockerfile(file, stdin, around) };
    if (file !== undefined) throw usage('build', 'ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles');
    return { context: { kind: 'empty' }, dockerfile: stdin.dockerfile };
  }
  const dockerfile = file === '-' ? await readStdinDockerfile(world) : undefined;
  const context = readContext(word, around);
  return { context, dockerfile: dockerfile ?? readDockerfile(file, context, around) };
}

async function readStdinDockerfile(world: World): Promise<DockerfileInput> {
  const stdin = await readStdinContext(world);
  if (stdin.kind === 'archive') return { kind: 'text', text: readFileSync(stdin.path, 'utf8'), filename: 'Dockerfile' };
  return stdin.dockerfile;
}
