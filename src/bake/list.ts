// `--list`: what there is to build and to set, for people and for programs.

import { goJson } from './print.ts';
import type { BakeFile, BakeListed } from './target.ts';

/** `--list targets` or `variables`, `format=json` or a table, as `docker buildx bake` writes it. */
export function printList({ targets, variables }: BakeFile, what: 'targets' | 'variables', format: 'table' | 'json'): string {
  if (what === 'variables') {
    if (format === 'json') return `${goJson(variables)}\n`;
    const rows = variables.map(({ name, type = '', value = '<null>', description = '' }) => [name, type, value, description]);
    return table([['VARIABLE', 'TYPE', 'VALUE', 'DESCRIPTION'], ...rows]);
  }
  const listed = targets.filter(({ name }) => !name.startsWith('_')).map((one) => ({ ...one, description: describe(one) }));
  if (format === 'table') return table([['TARGET', 'DESCRIPTION'], ...listed.map(({ name, description }) => [name, description])]);
  if (listed.length === 0) return 'null\n';
  return `${goJson(listed.map(({ name, description, group }) => ({ name, ...(description === '' ? {} : { description }), ...(group === undefined ? {} : { group: true }) })))}\n`;
}

function describe({ description = '', group = [] }: BakeListed): string {
  if (group.length === 0) return description;
  const members = [...group].sort().join(', ');
  return description === '' ? members : `${description} (${members})`;
}

/** Columns filled up with tabs of eight, as Go's `tabwriter` does: a cell reaches at least one character past its text. */
function table(rows: readonly (readonly string[])[]): string {
  const columns = (rows[0] ?? []).length;
  const widths = Array.from({ length: columns }, (_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)));
  const tabs = widths.map((width) => Math.ceil((width + 1) / 8));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === columns - 1 ? cell : cell + '\t'.repeat((tabs[column] as number) - Math.floor([...cell].length / 8)),
      )
      .join('');
  return rows.map((row) => `${line(row)}\n`).join('');
}
