// docs/rungs.md: the table feature × rung, made of what a test saw.

import { RUNG_TITLES } from '../../src/runtime/index.ts';
import { PLACES, type PlaceName } from './places.ts';
import type { Feature } from './rung-features.ts';

/** How a feature ended on a rung. */
export type Cell =
  | { readonly state: 'works'; readonly notes: readonly string[] }
  | { readonly state: 'refused'; readonly code: string; readonly reason: string; readonly hint: string };

const HEAD = `# Rungs

Slipway builds as whoever starts it, with what the place allows. The places form a ladder; \`slipway info\` prints the rung in use and what stands
in the way of the others, and \`--rung NAME\` (or \`SLIPWAY_RUNG\`) forces one. What a rung protects: [security.md](security.md).

`;

const TABLE = `
## Features

\`✓\` works. A code means: refused with that error; the number leads to the reason and the way out. This page is written by the test that tries
every feature on every rung (\`test/features/rung-table.test.ts\`); the containers of the last two columns have the capabilities and the seccomp filter
of Docker's default profile.

`;

const TAIL = `
- Limits of memory, processors and processes need a cgroup that is ours to divide. Root has one. An ordinary user has one where it is delegated
  (systemd: \`systemd-run --user --scope -p Delegate=yes slipway build …\`), as in the table; else \`RESOURCES_REFUSED\` says so.
- \`--network=default\` is a network of the stage's own on the first three rungs where slirp4netns or pasta is installed and \`/dev/net/tun\` can be
  opened, else the machine's. On the chroot rungs it is the container's.
- One Dockerfile gives one image digest on every rung that can run it, with \`SOURCE_DATE_EPOCH\` and \`rewrite-timestamp=true\`.
`;

/** The page. Rungs that were not seen stay empty. */
export function rungPage(features: readonly Feature[], seen: ReadonlyMap<PlaceName, ReadonlyMap<Feature, Cell>>): string {
  const footnotes: string[] = [];
  const note = (text: string): string => {
    if (!footnotes.includes(text)) footnotes.push(text);
    return `[${footnotes.indexOf(text) + 1}](#reasons)`;
  };
  const rungs = PLACES.map((name) => `| \`${name}\` | ${RUNG_TITLES[name]} |`).join('\n');
  const rows: string[] = [];
  for (const [index, feature] of features.entries()) {
    const group = features[index - 1]?.group === feature.group ? [] : [`| **${feature.group}** |${' |'.repeat(PLACES.length)}`];
    const cells = PLACES.map((name) => cellText(name, seen.get(name)?.get(feature), note));
    rows.push(...group, `| ${feature.name.replaceAll('|', '\\|')} | ${cells.join(' | ')} |`);
  }
  const columns = PLACES.map((name) => `\`${name}\``).join(' | ');
  return [
    HEAD,
    `| Rung | Who and how |\n|---|---|\n${rungs}\n`,
    TABLE,
    `| Feature | ${columns} |\n|---|${'---|'.repeat(PLACES.length)}\n${rows.join('\n')}\n`,
    `\n## Reasons\n\n${footnotes.map((each, index) => `${index + 1}. ${each}`).join('\n')}\n`,
    `\n## Good to know\n${TAIL}`,
  ].join('');
}

function cellText(place: PlaceName, cell: Cell | undefined, note: (text: string) => string): string {
  if (cell === undefined) return '';
  const plain = (text: string): string => text.replaceAll(`the rung ${place}`, 'this rung').replaceAll(/\bslip\d+x\d+\b/g, 'the user');
  if (cell.state === 'works') return ['✓', ...cell.notes.map((text) => note(`With a notice: ${plain(text)}.`))].join(' ');
  const text =
    cell.reason === '' ? `The step itself fails: ${plain(cell.hint)}.` : `${sentence(plain(cell.reason))}. Way out: ${plain(cell.hint)}.`;
  return `\`${cell.code}\` ${note(text)}`;
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
