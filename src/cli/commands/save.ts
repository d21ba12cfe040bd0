// `slipway save`.

import { resolve } from 'node:path';
import { openEngine, publishImage } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, usage } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { note, printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [
  { name: 'output', short: 'o', kind: 'string', value: 'FILE', about: 'Where to (default: standard output)' },
  { name: 'format', kind: 'string', value: 'NAME', about: 'docker (default) or oci' },
  { name: 'compression', kind: 'string', value: 'NAME', about: 'gzip, zstd, uncompressed or estargz' },
  ...COMMON_FLAGS,
];

/** Writes an image of this store to an archive that docker load and podman load read. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('save', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(
      world,
      helpText(
        'slipway save -o FILE IMAGE [NAME…]',
        'Writes an image of this store to an archive that docker load and podman load read.',
        FLAGS,
      ),
    );
    return 0;
  }
  const [image, ...names] = flags.words;
  if (image === undefined) throw usage('save', '"slipway save" requires at least 1 argument: the image');
  const format = flags.text('format') ?? 'docker';
  if (format !== 'docker' && format !== 'oci') throw usage('save', `unknown format: ${format}`, 'there are docker and oci');
  const compression = flags.has('compression') ? { compression: flags.text('compression') ?? '' } : {};
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const digest = await publishImage(
    engine,
    image,
    {
      type: format,
      attributes: { dest: flags.text('output') === undefined ? '-' : resolve(world.cwd, flags.text('output') as string), ...compression },
    },
    { names, stdoutIsTerminal: world.stdout.isTTY === true, signal: world.signal },
  );
  if (digest !== undefined) note(world, digest);
  return 0;
}
