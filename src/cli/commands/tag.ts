// `slipway tag`.

import { openEngine, tagImage } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { parseFlags, usage } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { printLine, type World } from '../world.ts';

/** Gives an image another name. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('tag', COMMON_FLAGS, args);
  const [image, name] = flags.words;
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway tag IMAGE NAME', 'Gives an image of this store another name.', COMMON_FLAGS));
    return 0;
  }
  if (image === undefined || name === undefined || flags.words.length > 2)
    throw usage('tag', '"slipway tag" requires 2 arguments: IMAGE NAME');
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  await tagImage(engine.store, image, name);
  return 0;
}
