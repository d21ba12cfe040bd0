// `slipway push`.

import { openEngine, publishImage } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, usage } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { note, printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [
  { name: 'compression', kind: 'string', value: 'NAME', about: 'gzip, zstd, uncompressed or estargz' },
  ...COMMON_FLAGS,
];

/** Pushes an image of this store. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('push', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway push [flags] IMAGE [NAME…]', 'Pushes an image of this store.', FLAGS));
    return 0;
  }
  const [image, ...names] = flags.words;
  if (image === undefined) throw usage('push', '"slipway push" requires at least 1 argument: the image');
  const compression = flags.has('compression') ? { compression: flags.text('compression') ?? '' } : {};
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const digest = await publishImage(
    engine,
    image,
    { type: 'registry', attributes: { push: 'true', ...compression } },
    { names, stdoutIsTerminal: world.stdout.isTTY === true, signal: world.signal },
  );
  if (digest !== undefined) note(world, digest);
  return 0;
}
