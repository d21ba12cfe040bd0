// Help texts are made from the flag tables.

import type { Flag } from './flags.ts';

/** What a command takes, for `--help`. */
export function helpText(usageLine: string, about: string, flags: readonly Flag[]): string {
  const rows = flags
    .filter(({ hidden }) => hidden !== true)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((flag) => {
      const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
      const value = flag.kind === 'bool' ? '' : ` ${flag.value ?? 'VALUE'}`;
      return [`  ${short}--${flag.name}${value}`, `${flag.about}${flag.kind === 'list' ? ' (repeatable)' : ''}`] as const;
    });
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  return [`Usage: ${usageLine}`, '', about, '', 'Flags:', ...rows.map(([left, right]) => `${left.padEnd(width)}${right}`)].join('\n');
}
