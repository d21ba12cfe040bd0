// `slipway info`: what this machine allows, in words.

import { describeRungs, openEngine, RUNG_TITLES, viewHost } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { formatBytes } from '../sizes.ts';
import { printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [{ name: 'format', kind: 'string', value: 'json', about: 'Print JSON' }, ...COMMON_FLAGS];

/** Prints the store, the ladder of isolation and what stands in the way of each rung. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('info', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway info', 'Shows what this machine allows: store, isolation, networks.', FLAGS));
    return 0;
  }
  const configuration = await readConfiguration(flags, world);
  await using engine = openEngine({ ...configuration, now: world.now });
  const rungs = describeRungs(viewHost(world.env['PATH'] ?? ''));
  const disk = engine.store.disk();
  if (flags.text('format') === 'json') {
    printLine(world, JSON.stringify({ store: engine.root, disk, platform: engine.platform, rungs }, null, 2));
    return 0;
  }
  printLine(world, `store: ${engine.root} (${formatBytes(disk.freeBytes)} free of ${formatBytes(disk.totalBytes)})`);
  printLine(world, `platform: ${engine.platform.os}/${engine.platform.architecture}`);
  printLine(world, 'isolation, strongest first (* is used):');
  const chosen = rungs.find(({ state }) => state === 'available');
  for (const report of rungs) {
    printLine(world, ` ${report === chosen ? '*' : ' '} ${report.rung}: ${RUNG_TITLES[report.rung]}`);
    if (report.state !== 'available') {
      printLine(world, `     not available: ${report.reason}`);
      if (report.hint !== undefined) printLine(world, `     ${report.hint}`);
    }
  }
  return 0;
}
