// `slipway report`: what an earlier build did, or what an image is made of; two of them compared.

import { compareReportsOf, openEngine, reportOf } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, usage, wantsJson } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { note, printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [
  { name: 'output', short: 'o', kind: 'string', value: 'FILE', about: 'Write the report there: a page (.html) or its data (.json)' },
  { name: 'format', kind: 'string', value: 'json', about: 'Print the data instead of the summary' },
  ...COMMON_FLAGS,
];

const ABOUT = `Shows what a build did and what its image is made of. WHAT is a build (an id, or ^N: the Nth before the newest), an image of this
store, or a file with an image that any tool made (an OCI layout, its tar, or an archive of docker save; :TAG behind it names one of
several). With two, shows what grew from the first to the second, and which line made it grow. Without: the newest build.`;

/** Prints the summary, and writes the report where it is wanted. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('report', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway report [flags] [WHAT [OTHER]]', ABOUT, FLAGS));
    return 0;
  }
  const [first, second, ...more] = flags.words;
  if (more.length > 0) throw usage('report', '"slipway report" takes at most two builds or images');
  const { checkReportFile, summaryLines, writeReport } = await import('../report.ts');
  const json = wantsJson('report', flags);
  const file = flags.text('output');
  if (file !== undefined) checkReportFile('report', '--output', file, world);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const report =
    first !== undefined && second !== undefined ? await compareReportsOf(engine, first, second) : await reportOf(engine, first);
  if (file !== undefined) writeReport(report, file, world);
  if (json) {
    printLine(world, JSON.stringify(report));
    return 0;
  }
  for (const line of summaryLines(report)) printLine(world, line);
  for (const text of report.notes) note(world, `note: ${text}`);
  if (file === undefined) note(world, 'note: -o report.html writes the whole report as a page');
  return 0;
}
