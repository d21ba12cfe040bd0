// What the words, -f and the environment of `slipway bake` name: where the files are, and what is built.

import { delimiter } from 'node:path';
import { isRemoteContext } from '../../build/index.ts';
import type { BakeText } from '../../request/bake.ts';
import { type ParsedFlags, usage } from '../flags.ts';
import { readStdinText } from '../request/stdin.ts';
import type { World } from '../world.ts';

/** The words of a call: an address for the file, another for `BAKE_CMD_CONTEXT`, and names. */
export function splitWords(words: readonly string[]): {
  readonly url: string | undefined;
  readonly commandContext: string;
  readonly names: readonly string[];
} {
  const [first, second] = words;
  if (first === undefined || !isRemoteContext(first)) return { url: undefined, commandContext: 'cwd://', names: words };
  if (second === undefined || !isRemoteContext(second)) return { url: first, commandContext: 'cwd://', names: words.slice(1) };
  return { url: first, commandContext: second, names: words.slice(2) };
}

/** The files that are named by -f, else by `BUILDX_BAKE_FILE`. Reads standard input for `-`. Throws `USAGE`. */
export async function namedFiles(flags: ParsedFlags, world: World): Promise<readonly (string | BakeText)[]> {
  const named = flags.has('file') ? flags.list('file') : namedByEnvironment(world);
  if (named.filter((name) => name === '-').length > 1) throw usage('bake', 'standard input can be read once: -f - is there twice');
  const files: (string | BakeText)[] = [];
  for (const name of named) files.push(name === '-' ? { filename: name, text: await readStdinText(world) } : name);
  return files;
}

function namedByEnvironment({ env }: World): readonly string[] {
  const separator = env['BUILDX_BAKE_PATH_SEPARATOR'] || delimiter;
  return (env['BUILDX_BAKE_FILE'] ?? '')
    .split(separator)
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
