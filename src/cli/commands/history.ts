// `slipway history`: past builds, one in full, or two compared.

import { compareBuilds, openEngine } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, usage, wantsJson } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { printable, printableLines } from '../printable.ts';
import { formatSeconds } from '../sizes.ts';
import { table } from '../table.ts';
import { printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [{ name: 'format', kind: 'string', value: 'json', about: 'Print JSON' }, ...COMMON_FLAGS];

/** The builds that are meant; the verbs that people try stand for what they say. */
function buildsNamed([verb, ...rest]: readonly string[]): readonly string[] {
  switch (verb) {
    case undefined:
    case 'ls':
    case 'list':
      return rest;
    case 'show':
    case 'inspect':
      return rest.length === 0 ? ['^0'] : rest;
    case 'compare':
    case 'diff':
      // The newest with the one before it, unless others are named.
      return rest.length === 0 ? ['^1', '^0'] : rest.length === 1 ? [...rest, '^0'] : rest;
    default:
      return [verb, ...rest];
  }
}

/** Lists, shows or compares. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('history', FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(
      world,
      helpText(
        'slipway history [ls | [show] BUILD | [compare] BUILD OTHER]',
        'Lists past builds; with one build (an id, or ^N: the Nth before the newest) shows it; with two compares them. `compare` alone takes the newest and the one before.',
        FLAGS,
      ),
    );
    return 0;
  }
  const words = buildsNamed(flags.words);
  if (words.length > 2) throw usage('history', '"slipway history" takes at most two builds');
  const json = wantsJson('history', flags);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const { history } = engine.cache;
  const [first, second] = words;
  if (first === undefined) {
    const rows = history.list();
    if (json) for (const row of rows) printLine(world, JSON.stringify(row));
    else {
      const lines = rows.map(({ id, name, status, startedAt, completedAt, steps }) => [
        id,
        name,
        status,
        new Date(startedAt).toISOString().slice(0, 19).replace('T', ' '),
        formatSeconds(completedAt - startedAt),
        `${steps.filter(({ state }) => state === 'cached').length}/${steps.length}`,
      ]);
      printLine(world, table(['BUILD', 'NAME', 'STATUS', 'STARTED', 'TIME', 'CACHED'], lines));
    }
    return 0;
  }
  const build = history.get(first);
  if (second !== undefined) {
    const differences = compareBuilds(build, history.get(second));
    if (json) printLine(world, JSON.stringify(differences));
    else if (differences.length === 0) printLine(world, 'the same in every step');
    else
      for (const { what, before, now } of differences)
        printLine(world, printable(`${what}: ${before ?? '(nothing)'} → ${now ?? '(nothing)'}`));
    return 0;
  }
  if (json) printLine(world, JSON.stringify(build, null, 2));
  else {
    printLine(world, printableLines(`${build.id}  ${build.name}  ${build.status}${build.error === undefined ? '' : `: ${build.error}`}`));
    for (const { stage, line, instruction, name, state, milliseconds, reason } of build.steps) {
      printLine(
        world,
        `  ${state.padEnd(8)} ${formatSeconds(milliseconds).padStart(7)}  ${printable(stage ?? '')}${line === undefined ? '' : `:${line}`} ${printable(instruction ?? name)}${reason === undefined ? '' : `\n             why: ${printable(reason.text)}`}`,
      );
    }
  }
  return 0;
}
