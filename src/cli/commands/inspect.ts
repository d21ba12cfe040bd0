// `slipway inspect`: config, layers and files of an image.

import { inspectImage, openEngine } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, usage, wantsJson } from '../flags.ts';
import { printable } from '../printable.ts';
import { readConfiguration } from '../settings.ts';
import { formatBytes } from '../sizes.ts';
import { table } from '../table.ts';
import { printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [
  { name: 'files', kind: 'bool', about: 'List every path with the instruction and the package it is from' },
  { name: 'format', kind: 'string', value: 'json', about: 'Print JSON' },
  ...COMMON_FLAGS,
];

/** Shows an image of this store. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('inspect', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway inspect [flags] IMAGE', 'Shows the config, layers and files of an image.', FLAGS));
    return 0;
  }
  const [image] = flags.words;
  if (image === undefined || flags.words.length > 1) throw usage('inspect', '"slipway inspect" requires 1 argument: the image');
  const json = wantsJson('inspect', flags);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const report = await inspectImage(engine, image, { files: flags.bool('files') });
  if (json) {
    printLine(world, JSON.stringify(report, null, 2));
    return 0;
  }
  if (report.files !== undefined) {
    for (const { path, kind, mode, uid, gid, size, layer, made, package: owner } of report.files) {
      const from = `${layer === undefined ? '' : `${layer + 1} ${made ?? ''}`}${owner === undefined ? '' : ` [${owner}]`}`;
      printLine(
        world,
        printable(`${kind.padEnd(7)} ${mode} ${`${uid}:${gid}`.padEnd(9)} ${formatBytes(size).padStart(8)} ${path}  ${from}`),
      );
    }
    return 0;
  }
  const { config = {} } = report.config;
  const rows = Object.entries(config).map(([name, value]) => `  ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  for (const line of [
    `${report.name}  ${report.digest}  ${report.platform}${report.created === undefined ? '' : `  ${report.created}`}`,
    ...rows,
  ])
    printLine(world, printable(line));
  const layers = report.layers.map(({ digest, size, bytes, files, made }, index) => [
    String(index + 1),
    digest.slice(7, 19),
    formatBytes(size),
    formatBytes(bytes),
    String(files),
    printable(made.length > 100 ? `${made.slice(0, 99)}…` : made),
  ]);
  printLine(world, table(['LAYER', 'DIGEST', 'STORED', 'FILES OF', 'ENTRIES', 'MADE BY'], layers));
  return 0;
}
