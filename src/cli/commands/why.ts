// `slipway why`: where a path of an image came from.

import { openEngine, whyPath } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, usage } from '../flags.ts';
import { printable } from '../printable.ts';
import { readConfiguration } from '../settings.ts';
import { printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [{ name: 'format', kind: 'string', value: 'json', about: 'Print JSON' }, ...COMMON_FLAGS];

/** Tells which instruction made a path, which package has it, and what it was copied from. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('why', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway why PATH IMAGE', 'Tells where a path of an image came from.', FLAGS));
    return 0;
  }
  const [path, image] = flags.words;
  if (path === undefined || image === undefined || flags.words.length > 2)
    throw usage('why', '"slipway why" requires 2 arguments: a path and an image');
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const report = await whyPath(engine, path, image);
  if (flags.text('format') === 'json') {
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
