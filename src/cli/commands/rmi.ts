// `slipway rmi`.

import { BuildErrors } from '../../base/index.ts';
import { familiarName, openEngine, removeImage } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { parseFlags, usage } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { printLine, type World } from '../world.ts';

/** Removes names. Blobs that nothing else needs go with `slipway prune`. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('rmi', COMMON_FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway rmi IMAGE…', 'Removes names of images from this store.', COMMON_FLAGS));
    return 0;
  }
  if (flags.words.length === 0) throw usage('rmi', '"slipway rmi" requires at least 1 argument: the image');
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const failures: Error[] = [];
  for (const word of flags.words) {
    try {
      printLine(world, `untagged: ${familiarName(removeImage(engine.store, word).name)}`);
    } catch (error) {
      failures.push(error as Error); // the others go all the same
    }
  }
  if (failures.length > 1) throw new BuildErrors(failures);
  if (failures[0] !== undefined) throw failures[0];
  return 0;
}
