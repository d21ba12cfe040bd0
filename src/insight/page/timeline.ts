// When each step ran: bars over one axis of time, how many ran beside each other, and why each ran.

import type { Report, ReportStep } from '../report/types.ts';
import { stageColor } from './colors.ts';
import { h, hideTip, s, showTip } from './dom.ts';
import { many, time } from './format.ts';
import { VirtualGrid } from './virtual-grid.ts';

const STRIP = 44;

/** The timeline of a build with its controls. */
export function timeline({ steps, stages, build }: Report): HTMLElement {
  const end = Math.max(1, build?.milliseconds ?? 0, ...steps.map(({ start = 0, milliseconds }) => start + milliseconds));
  const stageIndex = (name: string | undefined): number => stages.findIndex((stage) => stage.name === name);
  const detail = h('div', { class: 'detail', role: 'status' });
  const order = h(
    'select',
    { id: 'time-order', onchange: () => update() },
    h('option', { value: 'stage' }, 'by stage'),
    h('option', { value: 'start' }, 'by start'),
    h('option', { value: 'longest' }, 'only the longest path'),
    h('option', { value: 'ran' }, 'only what ran'),
  );
  let rows: readonly number[] = [];
  const stepAt = (row: number): ReportStep => steps[rows[row] ?? 0] as ReportStep;
  const grid = new VirtualGrid({
    label: 'Steps of the build',
    visibleRows: 20,
    minWidth: 760,
    rowClass: (row) => (stepAt(row).longest === true ? 'longest' : ''),
    columns: [
      { title: 'Stage', width: '110px', cell: (row, cell) => stageCell(stepAt(row), stageIndex(stepAt(row).stage), cell) },
      {
        title: 'Step',
        width: 'minmax(0, 1fr)',
        cell: (row, cell) => {
          const { instruction, name, line } = stepAt(row);
          cell.append(
            h('span', { class: 'line-number' }, line === undefined ? '' : String(line)),
            h('span', { class: 'mono name' }, instruction ?? name),
          );
        },
      },
      { title: 'Time', width: '76px', numeric: true, cell: (row, cell) => cell.append(took(stepAt(row))) },
      {
        title: '',
        width: 'minmax(0, 1.4fr)',
        head: axis(end),
        cell: (row, cell) => barCell(stepAt(row), stageIndex(stepAt(row).stage), end, cell),
      },
    ],
    onChoose: (row) => showStep(detail, stepAt(row), steps),
  });
  const update = (): void => {
    rows = arranged(steps, order.value, stageIndex);
    grid.set(rows.length);
  };
  update();
  const beside = countBeside(steps, end);
  return h(
    'div',
    { class: 'card' },
    h('div', { class: 'bar' }, h('label', { class: 'field' }, 'Steps ', order), legend()),
    strip(beside, end),
    grid.element,
    detail,
  );
}

function arranged(steps: readonly ReportStep[], order: string, stageIndex: (name: string | undefined) => number): readonly number[] {
  const all = [...steps.keys()];
  const startOf = (index: number): number => steps[index]?.start ?? Infinity;
  if (order === 'longest') return all.filter((index) => steps[index]?.longest === true).sort((a, b) => startOf(a) - startOf(b));
  if (order === 'ran') return all.filter((index) => steps[index]?.start !== undefined).sort((a, b) => startOf(a) - startOf(b));
  if (order === 'start') return all.sort((a, b) => startOf(a) - startOf(b) || a - b);
  const place = (index: number): number => {
    const stage = stageIndex(steps[index]?.stage);
    return stage >= 0 ? stage : /^(exporting|writing|pushing|sending)/.test(steps[index]?.name ?? '') ? 1e6 : -1;
  };
  return all.sort((a, b) => place(a) - place(b) || (steps[a]?.line ?? 0) - (steps[b]?.line ?? 0) || a - b);
}

function stageCell({ stage }: ReportStep, index: number, cell: HTMLElement): void {
  if (stage === undefined) return;
  const swatch = h('span', { class: 'swatch' });
  swatch.style.background = stageColor(index);
  cell.append(swatch, h('span', { class: 'name' }, stage));
}

function took({ state, milliseconds, start }: ReportStep): string {
  if (state === 'executed' || state === 'failed') return time(milliseconds);
  return start === undefined ? state : time(milliseconds);
}

function barCell(step: ReportStep, stage: number, end: number, cell: HTMLElement): void {
  cell.classList.add('track');
  const { start, milliseconds, state, reason, error } = step;
  if (start === undefined) {
    cell.append(h('span', { class: `state ${state}` }, state));
    return;
  }
  const bar = h('span', { class: `time-bar ${state}` });
  bar.style.left = `${(start / end) * 100}%`;
  bar.style.width = `max(3px, ${(milliseconds / end) * 100}%)`;
  bar.style.background = stageColor(stage);
  cell.append(bar);
  cell.addEventListener('mousemove', (event) =>
    showTip(event, [
      step.instruction ?? step.name,
      `${time(milliseconds)}, from ${time(start)} to ${time(start + milliseconds)}`,
      ...(reason === undefined ? [] : [`why: ${reason.text}`]),
      ...(error === undefined ? [] : [error]),
    ]),
  );
  cell.addEventListener('mouseleave', hideTip);
}

function axis(end: number): HTMLElement {
  const marks = h('span', { class: 'axis', 'aria-hidden': 'true' });
  for (const part of [0, 0.25, 0.5, 0.75]) {
    const mark = h('span', {}, time(end * part));
    mark.style.left = `${part * 100}%`;
    marks.append(mark);
  }
  return marks;
}

/** How many steps ran at a time: changes by time. */
function countBeside(steps: readonly ReportStep[], end: number): readonly (readonly [time: number, running: number])[] {
  const changes = steps
    .flatMap(({ start, milliseconds, stage }) =>
      start === undefined || milliseconds <= 0 || stage === undefined ? [] : [[start, 1] as const, [start + milliseconds, -1] as const],
    )
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let running = 0;
  const points: (readonly [number, number])[] = [[0, 0]];
  for (const [at, change] of changes) points.push([at, (running += change)]);
  points.push([end, 0]);
  return points;
}

function strip(points: readonly (readonly [number, number])[], end: number): HTMLElement {
  const most = Math.max(1, ...points.map(([, running]) => running));
  const average = points.reduce((sum, [at, running], index) => sum + running * ((points[index + 1]?.[0] ?? at) - at), 0) / end;
  let path = `M0 ${STRIP}`;
  let level = 0;
  for (const [at, running] of points) {
    const x = (at / end) * 1000;
    path += `L${x.toFixed(1)} ${(STRIP - (level / most) * STRIP).toFixed(1)}L${x.toFixed(1)} ${(STRIP - (running / most) * STRIP).toFixed(1)}`;
    level = running;
  }
  const text = `${many(most, 'step')} beside each other at most, ${average.toFixed(1)} on average`;
  return h(
    'figure',
    { class: 'strip' },
    s(
      'svg',
      { viewBox: `0 0 1000 ${STRIP}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': text },
      s('path', { d: `${path}L1000 ${STRIP}Z` }),
    ),
    h('figcaption', {}, text),
  );
}

function legend(): HTMLElement {
  return h(
    'p',
    { class: 'hint' },
    h('span', { class: 'longest-mark', 'aria-hidden': 'true' }),
    'on the longest path: the build cannot be faster than these after each other',
  );
}

function showStep(detail: HTMLElement, step: ReportStep, steps: readonly ReportStep[]): void {
  const { name, instruction, stage, line, platform, state, reason, inputs, error, bytes: made } = step;
  const fact = (title: string, value: string | undefined): Node[] =>
    value === undefined || value === '' ? [] : [h('dt', {}, title), h('dd', {}, value)];
  detail.replaceChildren(
    h('h3', { class: 'mono' }, instruction ?? name),
    h(
      'dl',
      {},
      ...fact('Where', [stage, line === undefined ? undefined : `line ${line}`, platform].filter(Boolean).join(', ')),
      ...fact('Outcome', `${state}${step.start === undefined ? '' : `, ${time(step.milliseconds)}`}`),
      ...fact('Why it ran', reason?.text),
      ...fact('What changed', reason?.details?.slice(0, 20).join(', ')),
      ...fact('What failed', error),
      ...fact('Layer', made === undefined ? undefined : `${made.toLocaleString('en')} bytes of files`),
      ...fact('Waited for', inputs.map((index) => steps[index]?.instruction ?? steps[index]?.name ?? '').join('; ')),
    ),
  );
}
