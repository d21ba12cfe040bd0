// The whole comparison: every program on every base. Writes docs/runtime-check.md. `node scripts/runtime-check.mjs WORD…` runs the
// programs and bases whose `program-base` has one of the words; the other rows of the page stay as they were.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../rig/rig.ts';
import { BASES } from './bases.ts';
import { type Cell, tryCell } from './cell.ts';
import { page, tally } from './page.ts';
import { PROGRAMS } from './programs.ts';

const ROOT = join(import.meta.dirname, '../..');
const words = process.argv.slice(2);
const store = process.env['RUNTIME_CHECK_STORE'] ?? join(ROOT, '.cache/runtime-check');
const folder = mkdtempSync('/tmp/slipway-runtime-check-');
mkdirSync(join(folder, 'context'));
const env = { ...process.env, SLIPWAY_ROOT: store, SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'] };
const slipway = (args: readonly string[], cwd: string) => command(process.execPath, [join(ROOT, 'bin/slipway.js'), ...args], { env, cwd });

const todo = PROGRAMS.flatMap((program) => BASES.map((base) => ({ program, base }))).filter(
  ({ program, base }) => words.length === 0 || words.some((word) => `${program.name}-${base.name}`.includes(word)),
);
const kept = join(store, 'cells.json');
const known = new Map((existsSync(kept) ? (JSON.parse(readFileSync(kept, 'utf8')) as Cell[]) : []).map((cell) => [keyOf(cell), cell]));
const cells: Cell[] = [];
const broken: string[] = [];
async function worker(): Promise<void> {
  for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
    const { program, base } = next;
    try {
      const cell = await tryCell(slipway, program, base, folder);
      cells.push(cell);
      console.log(lineOf(cell));
    } catch (error) {
      broken.push(`${program.name} on ${base.name}: ${error instanceof Error ? error.message : String(error)}`);
      console.log(broken.at(-1));
    }
  }
}

function lineOf({ program, base, works, said, findings, mistaken, fix }: Cell): string {
  const verdict = works ? (findings.length > 0 ? 'MISTAKEN' : 'works') : findings.length === 0 ? 'UNREPORTED' : 'reported';
  const cured = fix === undefined ? '' : fix.works ? ', cured' : `, NOT CURED (${fix.said})`;
  const needless =
    works || mistaken.length === 0 ? '' : `, NEEDLESS: ${mistaken.map(({ rule, cure }) => `${rule} ${cure ?? ''}`).join('; ')}`;
  const detail = [
    ...findings.map((one) => `    ${one.severity} ${one.rule} ${one.path ?? ''}: ${one.message} | ${one.cure ?? ''}`),
    ...(fix?.added ?? []).map((line) => `    + ${line}`),
  ];
  return [`${program} on ${base}: ${verdict}${works ? '' : ` (${said})`}${cured}${needless}`, ...detail].join('\n');
}

try {
  await Promise.all(Array.from({ length: Number(process.env['JOBS'] ?? 2) }, worker));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const cell of cells) known.set(keyOf(cell), cell);
const all = PROGRAMS.flatMap(({ name }) => BASES.flatMap((base) => known.get(keyOf({ program: name, base: base.name })) ?? []));
mkdirSync(store, { recursive: true });
writeFileSync(kept, JSON.stringify(all));
if (all.length === PROGRAMS.length * BASES.length) writeFileSync(join(ROOT, 'docs/runtime-check.md'), page(all, PROGRAMS, BASES));
const counts = tally(all);
console.log(JSON.stringify(counts));
const held = counts.unreported === 0 && counts.mistaken * 20 <= counts.findings && counts.cured * 10 >= counts.curable * 8;
process.exitCode = held && broken.length === 0 ? 0 : 1;

function keyOf({ program, base }: Pick<Cell, 'program' | 'base'>): string {
  return `${program} ${base}`;
}
