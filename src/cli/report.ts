// Reports for people: ten lines for the terminal, a page or data in a file.

import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SlipwayError } from '../base/index.ts';
import { type Comparison, type Report, reportPage, type TestSuite } from '../build/index.ts';
import { usage } from './flags.ts';
import { whyUnwritable } from './result-file.ts';
import { printable } from './printable.ts';
import { formatBytes, formatSeconds, plural } from './sizes.ts';
import type { World } from './world.ts';

/** Lines of a summary at most, and characters of one. */
const LINES = 10;
const WIDTH = 160;
/** Failed tests listed of one file. */
const MAX_FAILED = 20;

/** Refuses a file that could not be written after a long build. Throws `USAGE` and `REPORT_FILE`. */
export function checkReportFile(command: string, flag: string, file: string, world: World): void {
  if (!/\.(html?|json)$/i.test(file))
    throw usage(command, `${flag} ${JSON.stringify(file)}: name a file that ends in .html (a page) or .json (its data)`);
  const reason = whyUnwritable(resolve(world.cwd, file));
  if (reason === undefined) return;
  throw new SlipwayError('REPORT_FILE', `the report cannot be written to ${file}: ${reason.text}`, { hint: reason.hint });
}

/** Writes a report: a page, or data for `.json`. Throws `REPORT_FILE`. */
export function writeReport(report: Report, file: string, world: World): void {
  const signed = { ...report, generator: `slipway ${process.env['SLIPWAY_VERSION'] ?? 'from source'}` };
  const text = /\.json$/i.test(file) ? `${JSON.stringify(signed)}\n` : reportPage(signed);
  try {
    writeFileSync(resolve(world.cwd, file), text);
  } catch (error) {
    throw new SlipwayError('REPORT_FILE', `the report cannot be written to ${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** At most ten lines. `told`: warnings that were shown already; they are counted, and not said again. */
export function summaryLines(report: Report, told: readonly string[] = []): readonly string[] {
  const lines = [
    ...buildLines(report),
    ...comparisonLines(report.comparison),
    ...imageLines(report),
    ...testLines(report.tests).slice(0, 2),
  ];
  return cut([...lines, ...findingSummary(report, LINES - lines.length, told)]);
}

function cut(lines: readonly string[]): readonly string[] {
  return lines.slice(0, LINES).map(cutLine);
}

function cutLine(line: string): string {
  return printable(line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line);
}

function buildLines({ title, build, steps, stages }: Report): readonly string[] {
  if (build === undefined) return [title];
  const ran = steps.filter(({ state }) => state === 'executed').length;
  const cached = steps.filter(({ state }) => state === 'cached').length;
  const failed = steps.find(({ state }) => state === 'failed');
  const head = `${title}: ${build.status === 'completed' ? 'built' : build.status} in ${formatSeconds(build.milliseconds)}; ${plural(ran, 'step')} ran, ${cached} cached, at most ${Math.max(1, mostBeside(spansOf(steps)))} beside each other`;
  const longest = steps.filter((step) => step.longest === true && step.milliseconds >= 50).sort((a, b) => b.milliseconds - a.milliseconds);
  const sum = steps.reduce((total, step) => total + (step.longest === true ? step.milliseconds : 0), 0);
  const path = longest.slice(0, 3).map((step) => `${place(step)} ${formatSeconds(step.milliseconds)}`);
  const own = [...stages].filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
  return [
    head,
    ...(failed === undefined ? [] : [`failed: ${place(failed)}${failed.error === undefined ? '' : `: ${failed.error}`}`]),
    ...(longest.length === 0 ? [] : [`longest path ${formatSeconds(sum)}: ${path.join(', ')}`]),
    ...(own.length < 2
      ? []
      : [
          `stages made ${own
            .slice(0, 4)
            .map(({ name, bytes }) => `${name} ${formatBytes(bytes)}`)
            .join(', ')}${own.length > 4 ? ', …' : ''}`,
        ]),
  ];
}

function spansOf(steps: Report['steps']): readonly (readonly [number, number])[] {
  // As the page counts: metadata and exports are no steps of a stage.
  return steps.flatMap(({ start, milliseconds, stage }) =>
    start === undefined || stage === undefined || milliseconds <= 0 ? [] : [[start, start + milliseconds] as const],
  );
}

/** How many of these spans there were at a time, at most. */
function mostBeside(spans: readonly (readonly [number, number])[]): number {
  const changes = spans.flatMap(([start, end]) => [[start, 1] as const, [end, -1] as const]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  let most = 0;
  for (const [, change] of changes) most = Math.max(most, (now += change));
  return most;
}

function place({ stage, line, instruction, name }: Report['steps'][number]): string {
  const what = instruction ?? name;
  return `${stage === undefined ? '' : `${stage}${line === undefined ? '' : `:${line}`} `}${what.length > 40 ? `${what.slice(0, 39)}…` : what}`;
}

function imageLines({ images }: Report): readonly string[] {
  return images.slice(0, 2).flatMap(({ platform, layers, files }) => {
    const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
    const largest = [...layers].sort((a, b) => b.bytes - a.bytes).slice(0, 3);
    return [
      `image ${platform}: ${formatBytes(bytes)} in ${plural(layers.length, 'layer')}, ${plural(files.count - 1, 'path')}`,
      ...(layers.length < 2
        ? []
        : [
            `  most of it: ${largest.map(({ bytes: part, made }) => `${formatBytes(part)} ${made.length > 40 ? `${made.slice(0, 39)}…` : made}`).join('; ')}`,
          ]),
    ];
  });
}

function comparisonLines(comparison: Comparison | undefined): readonly string[] {
  if (comparison === undefined) return [];
  const { before, bytesBefore, bytesNow, origins, millisecondsBefore, millisecondsNow } = comparison;
  const times =
    millisecondsBefore === undefined || millisecondsNow === undefined
      ? ''
      : `; ${formatSeconds(millisecondsBefore)} → ${formatSeconds(millisecondsNow)}`;
  return [
    `against ${before}: ${formatBytes(bytesBefore)} → ${formatBytes(bytesNow)}${times}`,
    ...origins.slice(0, 4).map(({ made, before: was, now }) => `  ${signed(now - was).padStart(9)}  ${made}`),
  ];
}

function signed(bytes: number): string {
  return `${bytes < 0 ? '−' : '+'}${formatBytes(Math.abs(bytes))}`;
}

/** Results of gate stages: a line for each file, and the failed cases by name. */
export function testLines(tests: readonly TestSuite[]): readonly string[] {
  return tests.flatMap(({ stage, path, passed, failed, skipped, cases, broken }) => [
    printable(
      `tests of ${stage}: ${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`} (${path})${broken === undefined ? '' : `; ${broken}`}`,
    ),
    ...cases
      .filter(({ state }) => state === 'failed')
      .slice(0, MAX_FAILED)
      .map(({ name, message }) => cutLine(`  failed: ${oneLine(name)}${message === undefined ? '' : `: ${oneLine(message)}`}`)),
    ...(failed > MAX_FAILED ? [`  … and ${failed - MAX_FAILED} more failed`] : []),
  ]);
}

function oneLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}

function findingSummary({ images }: Report, room: number, told: readonly string[]): readonly string[] {
  const findings = images.flatMap((image) => image.findings);
  if (findings.length === 0) return images.length === 0 ? [] : ['nothing found that it lacks or should not have'];
  const count = (wanted: string): number => findings.filter(({ severity }) => severity === wanted).length;
  const lines = findings.map(({ severity, path, message }) => ({ severity, text: `${path === undefined ? '' : `${path}: `}${message}` }));
  return [
    `found ${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}, ${plural(count('info'), 'note')}`,
    ...lines
      .filter(({ text }) => !told.some((one) => one.startsWith(text)))
      .slice(0, Math.max(0, room - 1))
      .map(({ severity, text }) => `  ${severity === 'info' ? 'note' : severity} ${text}`),
  ];
}
