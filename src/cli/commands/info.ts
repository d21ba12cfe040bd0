// `slipway info`: what this machine allows, in words.

import { openEngine, placeOfSteps, type PlaceOfSteps } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, refuseMoreWords, wantsJson } from '../flags.ts';
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
  refuseMoreWords('info', flags);
  const json = wantsJson('info', flags);
  const configuration = await readConfiguration(flags, world);
  await using engine = openEngine({ ...configuration, now: world.now });
  const { chosen, rungs } = placeOfSteps(world.env['PATH'] ?? '', configuration.settings.rung);
  const disk = engine.store.disk();
  if (json) {
    printLine(world, JSON.stringify({ store: engine.root, disk, platform: engine.platform, chosen, rungs }, null, 2));
    return 0;
  }
  printLine(world, `store: ${engine.root} (${formatBytes(disk.freeBytes)} free of ${formatBytes(disk.totalBytes)})`);
  printLine(world, `platform: ${engine.platform.os}/${engine.platform.architecture}`);
  printLine(world, 'isolation, strongest first (* is used):');
  for (const report of rungs) {
    printLine(world, ` ${report.rung === chosen.rung ? '*' : ' '} ${report.rung}: ${report.title}`);
    if (report.state !== 'available') {
      printLine(world, `     not available: ${report.reason}`);
      if (report.hint !== undefined) printLine(world, `     ${report.hint}`);
    }
  }
  for (const line of chosenLines(chosen, configuration.settings.rung !== undefined)) printLine(world, line);
  return 0;
}

function chosenLines(chosen: PlaceOfSteps['chosen'], forced: boolean): readonly string[] {
  if (chosen.rung === undefined) {
    return [`steps cannot run: ${chosen.reason}`, ...(chosen.hint === undefined ? [] : [`  ${chosen.hint}`])];
  }
  const network =
    chosen.network === 'own' ? `one of each stage’s own, by ${chosen.networkReason}` : `the host’s, as ${chosen.networkReason}`;
  return [
    `steps run on ${chosen.rung}, ${forced ? 'as it was asked for' : 'the strongest that this place allows'}, by ${chosen.runtime}`,
    `default network of steps: ${network}`,
  ];
}
