// `slipway why`: where a path of an image came from.

import { openEngine, whyPath } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, usage, wantsJson } from '../flags.ts';
import { printable } from '../printable.ts';
import { readConfiguration } from '../settings.ts';
import { printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [
  { name: 'stage', kind: 'string', value: 'NAME', about: 'Look into this stage of the build that made the image' },
  { name: 'format', kind: 'string', value: 'json', about: 'Print JSON' },
  ...COMMON_FLAGS,
];

const ABOUT = `Tells where a path of an image came from. A word that is no image may be a stage of the newest build that has one of that name.`;

/** Tells which instruction made a path, which package has it, and what it was copied from. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('why', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway why PATH IMAGE|STAGE', ABOUT, FLAGS));
    return 0;
  }
  const [path, image] = flags.words;
  if (path === undefined || image === undefined || flags.words.length > 2)
    throw usage('why', '"slipway why" requires 2 arguments: a path, and an image or a stage');
  const json = wantsJson('why', flags);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const stage = flags.text('stage');
  const report = await whyPath(engine, path, image, stage === undefined ? {} : { stage });
  if (json) {
    printLine(world, JSON.stringify(report, null, 2));
    return 0;
  }
  const { entry, leadsTo, package: owner, steps, sources } = report;
  const lines = [
    `${report.path}  ${entry ?? 'not there any more'}${leadsTo === undefined ? '' : ` (${leadsTo})`}`,
    ...(owner === undefined ? [] : [`  package ${owner}`]),
    ...steps.map((step) => `  ${step.what} by ${step.made} (layer ${step.layer + 1})${step.entry === undefined ? '' : `: ${step.entry}`}`),
    ...sources.map(({ stage, path: source, made }) => `  same bytes in stage ${stage}: ${source}, by ${made}`),
  ];
  for (const line of lines) printLine(world, printable(line));
  return 0;
}
