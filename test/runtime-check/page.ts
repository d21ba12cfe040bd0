// What the comparison says, in numbers and as a page.

import type { Base } from './bases.ts';
import type { Cell } from './cell.ts';
import type { Program } from './programs.ts';

/** The counts that the checks are held to. */
export interface Tally {
  readonly images: number;
  readonly working: number;
  readonly failing: number;
  /** Failing images of which the check said nothing. */
  readonly unreported: number;
  /** Errors and warnings. */
  readonly findings: number;
  /** Of them: about an image that works, or with a line that it works without. */
  readonly mistaken: number;
  /** Failing images; `--fix` is tried on each. */
  readonly curable: number;
  readonly cured: number;
}

export function tally(cells: readonly Cell[]): Tally {
  const failing = cells.filter(({ works }) => !works);
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  return {
    images: cells.length,
    working: cells.length - failing.length,
    failing: failing.length,
    unreported: failing.filter(({ findings }) => findings.length === 0).length,
    findings: sum(cells.map(({ findings }) => findings.length)),
    mistaken: sum(cells.map(({ mistaken }) => mistaken.length)),
    curable: failing.length,
    cured: failing.filter(({ fix }) => fix?.works === true).length,
  };
}

/** docs/runtime-check.md. */
export function page(cells: readonly Cell[], programs: readonly Program[], bases: readonly Base[]): string {
  const counts = tally(cells);
  const percent = (part: number, whole: number): string => `${whole === 0 ? 0 : ((100 * part) / whole).toFixed(1)} %`;
  const mark = (cell: Cell | undefined): string => {
    if (cell === undefined) return '';
    if (cell.works) return cell.findings.length === 0 ? 'works' : '**works, reported**';
    const rules = [...new Set(cell.findings.map(({ rule }) => rule))].join(', ');
    return `${rules === '' ? '**unreported**' : rules}${cell.fix?.works === true ? ' → cured' : ''}`;
  };
  const rows = programs.map(({ name }) => [
    name,
    ...bases.map((base) => mark(cells.find((cell) => cell.program === name && cell.base === base.name))),
  ]);
  return [
    '# What `slipway check --runtime` says, and what happens',
    '',
    `${programs.length} programs, compiled or installed in build stages from Debian’s packages, each copied onto ${bases.length} bases: the check reads the`,
    'image, then the image is run. Written by `npm run runtime-check`; the programs are the rows of `test/runtime-check/programs.ts`.',
    '',
    '| | |',
    '| --- | --- |',
    `| Images | ${counts.images} |`,
    `| that work | ${counts.working} |`,
    `| that do not work | ${counts.failing} |`,
    `| of these: not reported | ${counts.unreported} |`,
    `| Findings (errors and warnings) | ${counts.findings} |`,
    `| of these: mistaken | ${counts.mistaken} (${percent(counts.mistaken, counts.findings)}) |`,
    `| Images that work after \`--fix\` | ${counts.cured} of ${counts.curable} (${percent(counts.cured, counts.curable)}) |`,
    '',
    'A finding is mistaken when it is about an image that works, or when the image, cured, works as well without the line of the finding:',
    'each line of each cure is left out in turn (not where the cure is another base). Notes are not counted: “perhaps it opens …” of names that',
    'are nowhere in the build, programs that start only with CAP_DAC_OVERRIDE. Rows are kept from one run to the next: a run of some of the',
    'programs replaces theirs.',
    '',
    `Bases: ${bases.map(({ name, from }) => `${name} is \`${from}\``).join(', ')}.`,
    '',
    `| Program | ${bases.map(({ name }) => name).join(' | ')} |`,
    `| ${Array(bases.length + 1)
      .fill('---')
      .join(' | ')} |`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n');
}
