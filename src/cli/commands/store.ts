// `slipway du`, `slipway prune`, `slipway store check`. What steps of an ordinary user left to other ids only the namespace of builds opens.

import { type Engine, openEngine } from '../../build/index.ts';
import { parseBytes, parseDuration } from '../../request/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, type ParsedFlags, parseFlags, refuseMoreWords, usage } from '../flags.ts';
import { readConfiguration, startRootless } from '../settings.ts';
import { printable } from '../printable.ts';
import { formatBytes } from '../sizes.ts';
import { table } from '../table.ts';
import { printLine, type World } from '../world.ts';

const DU_FLAGS: readonly Flag[] = [
  { name: 'filter', kind: 'list', value: 'NAME=VALUE', about: 'Only rows that pass: id, type, until, unused-for, inuse, shared, …' },
  { name: 'verbose', kind: 'bool', about: 'Show every row in full' },
  { name: 'format', kind: 'string', value: 'FORMAT', about: 'table, pretty, or json: one document a line' },
  ...COMMON_FLAGS,
];

const PRUNE_FLAGS: readonly Flag[] = [
  { name: 'all', short: 'a', kind: 'bool', about: 'Also what is internal' },
  { name: 'filter', kind: 'list', value: 'NAME=VALUE', about: 'Only what passes' },
  { name: 'force', short: 'f', kind: 'bool', about: 'Accepted: nothing is asked', hidden: true },
  { name: 'keep-duration', kind: 'string', value: 'TIME', about: 'Keep what was used within this time' },
  { name: 'max-used-space', aliases: ['keep-storage'], kind: 'string', value: 'BYTES', about: 'Stop when the store is down to this' },
  { name: 'min-free-space', kind: 'string', value: 'BYTES', about: 'Stop when the disk has this much free' },
  { name: 'reserved-space', kind: 'string', value: 'BYTES', about: 'Never go below this' },
  { name: 'verbose', kind: 'bool', about: 'Show every row that goes' },
  ...COMMON_FLAGS,
];

const CHECK_FLAGS: readonly Flag[] = [
  { name: 'repair', kind: 'bool', about: 'Take broken things away, so that they are made anew' },
  ...COMMON_FLAGS,
];

/** What the store holds. */
export async function du(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('du', DU_FLAGS, args);
  if (await helped(flags, world, 'slipway du [flags]', 'Shows what the store holds.', DU_FLAGS)) return 0;
  refuseMoreWords('du', flags);
  const ended = await startRootless(flags, world);
  if (ended !== undefined) return ended;
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const rows = await engine.usage(flags.list('filter'));
  const format = flags.text('format') ?? 'table';
  if (!['table', 'pretty', 'json'].includes(format)) throw usage('du', `unknown format: ${format}`, 'there are table, pretty and json');
  if (format === 'json') {
    for (const row of rows) printLine(world, JSON.stringify(row));
    return 0;
  }
  const shown = [...rows].sort((a, b) => b.size - a.size);
  const lines = shown.map(({ id, inUse, mutable, size, lastUsedAt, type, description }) => [
    (flags.bool('verbose') ? id : id.slice(0, 26)) + (mutable ? '*' : ''),
    inUse ? 'no' : 'yes',
    formatBytes(size),
    new Date(lastUsedAt).toISOString().slice(0, 19).replace('T', ' '),
    type,
    flags.bool('verbose') ? description : description.slice(0, 60),
  ]);
  printLine(world, table(['ID', 'RECLAIMABLE', 'SIZE', 'LAST USED', 'TYPE', 'WHAT'], lines));
  const sum = (some: typeof rows): string => formatBytes(some.reduce((bytes, { size }) => bytes + size, 0));
  const parts = [
    ['Shared:', sum(rows.filter(({ shared }) => shared))],
    ['Private:', sum(rows.filter(({ shared }) => !shared))],
    ['Reclaimable:', sum(rows.filter(({ inUse }) => !inUse))],
    ['Total:', sum(rows)],
  ];
  for (const [name = '', value = ''] of parts) printLine(world, `${name.padEnd(13)}${value}`);
  return 0;
}

/** Removes what no name and no running build needs. */
export async function prune(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('prune', PRUNE_FLAGS, args);
  if (await helped(flags, world, 'slipway prune [flags]', 'Removes what no image name and no running build needs.', PRUNE_FLAGS)) return 0;
  refuseMoreWords('prune', flags);
  const ended = await startRootless(flags, world);
  if (ended !== undefined) return ended;
  const limits = pruneLimits(flags);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const { removed, bytes: freed } = await engine.prune({ all: flags.bool('all'), filter: flags.list('filter'), ...limits }, world.signal);
  if (flags.bool('verbose'))
    for (const { id, size, description } of removed) printLine(world, printable(`${id}  ${formatBytes(size)}  ${description}`));
  printLine(world, `Total: ${formatBytes(freed)} in ${removed.length} records`);
  return 0;
}

/** What is to be left, as far as it is said. Throws `USAGE`. */
function pruneLimits(flags: ParsedFlags): Omit<Parameters<Engine['prune']>[0], 'all' | 'filter'> {
  const bytes = (name: string): number | undefined => {
    const value = flags.text(name);
    return value === undefined ? undefined : parseBytes(flags.spelled(name), value);
  };
  const keep = flags.text('keep-duration');
  const limits = {
    keepDurationMs: keep === undefined ? undefined : parseDuration('--keep-duration', keep),
    maxUsedBytes: bytes('max-used-space'),
    minFreeBytes: bytes('min-free-space'),
    reservedBytes: bytes('reserved-space'),
  };
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}

/** `slipway store check [--repair]`. Ends with 1 when something is broken and stays so. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('store', CHECK_FLAGS, args);
  if (await helped(flags, world, 'slipway store check [--repair]', 'Reads everything in the store and says what is broken.', CHECK_FLAGS))
    return 0;
  if (flags.words.length !== 1 || flags.words[0] !== 'check')
    throw usage('store', `unknown subcommand: ${flags.words.join(' ') || '(none)'}`, 'there is `slipway store check [--repair]`');
  const ended = await startRootless(flags, world);
  if (ended !== undefined) return ended;
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const damage = await engine.check(flags.bool('repair'));
  for (const { subject, problem, repaired } of damage) printLine(world, printable(`${subject}: ${problem}${repaired ? ' (removed)' : ''}`));
  if (damage.length === 0) printLine(world, 'the store is sound');
  return damage.some(({ repaired }) => !repaired) ? 1 : 0;
}

async function helped(flags: ParsedFlags, world: World, line: string, about: string, known: readonly Flag[]): Promise<boolean> {
  if (!flags.bool('help')) return false;
  const { helpText } = await import('../help.ts');
  printLine(world, helpText(line, about, known));
  return true;
}
