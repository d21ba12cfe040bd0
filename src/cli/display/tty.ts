// `--progress=tty`: the build as it is now. Steps stand below their stage; finished stages shrink to a line, running steps show
// their time and the last lines they printed, transfers show a bar.

import { stripVTControlCharacters, styleText } from 'node:util';
import type { ProgressEvent, ProgressVertex } from '../../base/index.ts';
import { printable } from '../printable.ts';
import { formatBytes, formatSeconds } from '../sizes.ts';
import type { Display, DisplayOutput } from './display.ts';
import { failedSteps, type LogLine, StepLog, timedLine } from './step-log.ts';
import { cut, widthOf, withoutTabs } from './text-width.ts';
import { diagnosticLine } from './warnings.ts';

interface Step {
  readonly vertex: ProgressVertex;
  state: 'waiting' | 'running' | 'done' | 'cached' | 'failed' | 'canceled';
  startedAt: number;
  endedAt: number;
  reason: string | undefined;
  readonly log: StepLog;
  readonly statuses: Map<string, Extract<ProgressEvent, { type: 'status' }>>;
}

const LOG_LINES = 6;
const MARK = { waiting: ' ', running: '·', done: '✔', cached: '=', failed: '✖', canceled: '–' } as const;
const COLOR = { waiting: 'dim', running: 'cyan', done: 'green', cached: 'blue', failed: 'red', canceled: 'yellow' } as const;

/** How long a time that only passes stands still, in milliseconds: a step that says nothing is not to look stuck. */
const STILL_MS = 500;

/** Redraws in place at most ten times a second, and at least twice while a step runs. `now` is the clock for running times. */
export function ttyDisplay(
  output: DisplayOutput,
  now: () => number,
  options: { readonly explain?: boolean; readonly logLines?: number } = {},
): Display {
  const steps = new Map<string, Step>();
  const warnings: string[] = [];
  const beganAt = now();
  let drawn = 0;
  let dirty = false;
  let drawnAt = beganAt;
  const paint = (style: Parameters<typeof styleText>[0], text: string): string => (output.color ? styleText(style, text) : text);
  const moves = (): boolean => now() - drawnAt >= STILL_MS && [...steps.values()].some(({ state }) => state === 'running');
  const timer = setInterval(() => {
    if (dirty || moves()) draw(false);
  }, 100);
  timer.unref();

  const draw = (final: boolean): void => {
    dirty = false;
    drawnAt = now();
    const { columns, rows } = output.size?.() ?? { columns: 100, rows: 40 };
    let lines = render(columns, final);
    if (!final && lines.length > rows - 1) lines = [...lines.slice(0, 1), ...lines.slice(lines.length - rows + 2)];
    const up = drawn > 0 ? `\x1b[${drawn}A` : '';
    output.write(`${up}\x1b[J${lines.join('\n')}\n`);
    drawn = lines.length;
  };

  const render = (columns: number, final: boolean): string[] => {
    const all = [...steps.values()];
    const finished = all.filter(isOver).length;
    const running = all.filter(({ state }) => state === 'running').length;
    const head = `[+] Building ${formatSeconds(now() - beganAt)} (${finished}/${all.length})${final ? ' FINISHED' : running > 1 ? `  ${running} in parallel` : ''}`;
    const lines = [paint('bold', head)];
    for (const [stage, members] of groups(all)) {
      const over = members.every((step) => isOver(step) && step.state !== 'failed' && transfers(step).length === 0);
      if (stage !== undefined && over && !final) {
        const cached = members.every(({ state }) => state === 'cached');
        const spent = members.reduce((sum, step) => sum + (step.state === 'done' ? step.endedAt - step.startedAt : 0), 0);
        lines.push(
          row(
            columns,
            cached ? 'cached' : 'done',
            `${printable(stage)}: ${members.length} steps${cached ? ', all cached' : ''}`,
            formatSeconds(spent),
          ),
        );
        continue;
      }
      if (stage !== undefined) lines.push(paint('bold', ` ${printable(stage)}`));
      for (const step of members) {
        if (step.state === 'waiting') continue;
        const indent = stage === undefined ? '' : ' ';
        const time = step.state === 'running' ? now() - step.startedAt : step.endedAt - step.startedAt;
        lines.push(
          row(
            columns,
            step.state,
            `${indent}${step.state === 'cached' ? 'CACHED ' : ''}${withoutTabs(printable(step.vertex.name))}`,
            formatSeconds(time),
          ),
        );
        if (options.explain === true && step.reason !== undefined)
          lines.push(paint('dim', cut(`     why: ${withoutTabs(printable(step.reason))}`, columns)));
        // A base is known long before a step asks for its bytes.
        if (!final) for (const status of transfers(step).slice(-4)) lines.push(bar(status, columns));
        // Those of a step that failed stand whole below the last drawing.
        if (step.state === 'running' || (step.state === 'failed' && !final)) {
          for (const { text } of shownLines(step).slice(-(options.logLines ?? LOG_LINES)))
            lines.push(paint('dim', cut(`     ${withoutTabs(text)}`, columns)));
        }
      }
    }
    return lines;
  };

  const row = (columns: number, state: Step['state'], name: string, time: string): string => {
    const room = Math.max(columns - time.length - 6, 10);
    const shown = `${cut(name, room + 1)}${' '.repeat(Math.max(0, room - widthOf(name)))}`;
    return paint(COLOR[state], ` ${MARK[state]} ${shown} ${time}`);
  };

  const bar = (status: Extract<ProgressEvent, { type: 'status' }>, columns: number): string => {
    const amount = (value: number): string => (status.unit === 'files' ? `${value} files` : formatBytes(value));
    if (status.total === undefined || status.total === 0)
      return cut(`     ${status.status} ${status.current > 0 ? amount(status.current) : ''}`, columns);
    const width = 20;
    const filled = Math.min(width, Math.round((status.current / status.total) * width));
    return cut(
      `     ${'━'.repeat(filled)}${'╌'.repeat(width - filled)} ${amount(status.current)} / ${amount(status.total)} ${status.status}`,
      columns,
    );
  };

  const change = (id: string, fields: Partial<Step>): void => {
    const step = steps.get(id);
    if (step !== undefined) Object.assign(step, fields);
  };

  return {
    event: (event) => {
      dirty = true;
      switch (event.type) {
        case 'vertex':
          if (!steps.has(event.vertex.id)) {
            steps.set(event.vertex.id, {
              vertex: event.vertex,
              state: 'waiting',
              startedAt: event.time,
              endedAt: event.time,
              reason: undefined,
              log: new StepLog(/\r\n|[\r\n]/),
              statuses: new Map(),
            });
          }
          break;
        case 'started':
          change(event.id, { state: 'running', startedAt: event.time });
          break;
        case 'completed':
          // What moves later is new.
          steps.get(event.id)?.statuses.clear();
          change(event.id, { state: event.cached ? 'cached' : 'done', endedAt: event.time, reason: event.reason?.text });
          break;
        case 'failed': {
          const step = steps.get(event.id);
          step?.log.end(secondsOf(step, event.time));
          change(event.id, { state: 'failed', endedAt: event.time });
          break;
        }
        case 'canceled':
          change(event.id, { state: 'canceled', endedAt: event.time });
          break;
        case 'status':
          steps.get(event.id)?.statuses.set(event.status, { ...event, status: printable(event.status) });
          break;
        case 'log': {
          const step = steps.get(event.id);
          step?.log.take(event.data, secondsOf(step, event.time));
          break;
        }
        case 'warning':
          warnings.push(diagnosticLine(event.diagnostic, event.source));
          break;
      }
    },
    close: () => {
      clearInterval(timer);
      draw(true);
      const failed = [...steps.values()].filter((step) => step.state === 'failed' && shownLines(step).length > 0);
      output.write(failedSteps(failed.map((step) => ({ name: printable(step.vertex.name), lines: shownLines(step).map(timedLine) }))));
      if (warnings.length > 0) {
        output.write(`\n${paint('yellow', `${warnings.length} warning${warnings.length === 1 ? '' : 's'}:`)}\n`);
        for (const warning of warnings) output.write(` - ${warning}\n`);
      }
    },
  };
}

function secondsOf({ startedAt }: Step, time: number): number {
  return (time - startedAt) / 1000;
}

/** Without colours, and without the empty lines that a bar drawn in place leaves. */
function shownLines({ log }: Step): LogLine[] {
  return log.last
    .map(({ seconds, text }) => ({ seconds, text: printable(stripVTControlCharacters(text)) }))
    .filter(({ text }) => text !== '');
}

function isOver({ state }: Step): boolean {
  return state !== 'waiting' && state !== 'running';
}

/** What of a step still moves. */
function transfers({ state, statuses }: Step): Extract<ProgressEvent, { type: 'status' }>[] {
  return state === 'failed' || state === 'canceled' ? [] : [...statuses.values()].filter(({ done }) => !done);
}

/** Steps by stage, in order of first appearance; steps of no stage stand alone. */
function groups(steps: readonly Step[]): [string | undefined, Step[]][] {
  const result: [string | undefined, Step[]][] = [];
  for (const step of steps) {
    const stage =
      step.vertex.stage === undefined
        ? undefined
        : `${step.vertex.stage}${step.vertex.platform === undefined ? '' : ` ${step.vertex.platform}`}`;
    const group = stage === undefined ? undefined : result.find(([name]) => name === stage);
    if (group === undefined) result.push([stage, [step]]);
    else group[1].push(step);
  }
  return result;
}
