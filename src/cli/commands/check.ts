// `slipway check`: what is wrong or doubtful in a Dockerfile, without building it.

import { BUILD_FLAGS } from '../build-flags.ts';
import { parseFlags } from '../flags.ts';
import { printLine, type World } from '../world.ts';
import { run as build } from './build.ts';

/** Checks the Dockerfile of a context (default: the current folder). */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('check', BUILD_FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway check [flags] [PATH]', 'Checks a Dockerfile without building it.', BUILD_FLAGS));
    return 0;
  }
  return await build(['--check', ...args, ...(flags.words.length === 0 ? ['.'] : [])], world);
}
