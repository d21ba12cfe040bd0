// `slipway images`.

import { listImages, openEngine } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, refuseMoreWords, wantsJson } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { formatBytes } from '../sizes.ts';
import { table } from '../table.ts';
import { printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [
  { name: 'format', kind: 'string', value: 'json', about: 'Print JSON, one document a line' },
  { name: 'quiet', short: 'q', kind: 'bool', about: 'Print only digests' },
  ...COMMON_FLAGS,
];

/** Lists the names of the store. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('images', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway images [flags]', 'Lists the images of this store.', FLAGS));
    return 0;
  }
  refuseMoreWords('images', flags);
  const json = wantsJson('images', flags);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const rows = listImages(engine.store);
  if (json) for (const row of rows) printLine(world, JSON.stringify(row));
  else if (flags.bool('quiet')) for (const { digest } of rows) printLine(world, digest);
  else {
    const lines = rows.map(({ name, digest, platforms, namedAt, size }) => [
      name,
      digest.slice(7, 19),
      platforms.join(', '),
      namedAt.toISOString().slice(0, 19).replace('T', ' '),
      formatBytes(size),
    ]);
    printLine(world, table(['NAME', 'DIGEST', 'PLATFORMS', 'NAMED', 'SIZE'], lines));
  }
  return 0;
}
