// `--progress=plain`: one line per thing that happened, numbered by step, as buildx prints it; for logs.

import type { ProgressEvent, ProgressVertex } from '../../base/index.ts';
import { printable, printableLines, printableLog } from '../printable.ts';
import { formatBytes } from '../sizes.ts';
import type { Display, DisplayOutput } from './display.ts';
import { failedSteps, type LogLine, StepLog, timedLine } from './step-log.ts';
import { Turns } from './turns.ts';
import { diagnosticLine } from './warnings.ts';

interface Step {
  readonly number: number;
  readonly name: string;
  readonly log: StepLog;
  readonly statuses: Map<string, number>;
  startedAt: number;
  started: boolean;
  failed: boolean;
}

/** Lines `#N name`, `#N 0.123 output`, `#N CACHED`, `#N DONE 0.1s`, `#N ERROR: …`. `now` is the clock for turns, in milliseconds. */
export function plainDisplay(output: DisplayOutput, now: () => number, options: { readonly explain?: boolean } = {}): Display {
  const steps = new Map<string, Step>();
  const known = new Map<string, ProgressVertex>();
  const warnings: string[] = [];
  const turns = new Turns(output.write);
  let timer: NodeJS.Timeout | undefined;

  const stepOf = (id: string, time: number): Step | undefined => {
    const vertex = known.get(id);
    if (vertex === undefined) return undefined;
    let step = steps.get(id);
    if (step === undefined) {
      const [number, name] = [steps.size + 1, printable(vertex.name)];
      step = { number, name, log: new StepLog(/\n/), statuses: new Map(), startedAt: time, started: false, failed: false };
      steps.set(id, step);
    }
    return step;
  };

  const show = (event: ProgressEvent): void => {
    if (event.type === 'vertex') {
      known.set(event.vertex.id, event.vertex);
      return;
    }
    if (event.type === 'warning') {
      warnings.push(diagnosticLine(event.diagnostic, event.source));
      return;
    }
    // Of a step that never began there is nothing to say.
    if (event.type === 'canceled' && steps.get(event.id)?.started !== true) return;
    const step = stepOf(event.id, event.time);
    if (step === undefined) return;
    step.started = true;
    if (event.type === 'started') step.startedAt = event.time;
    turns.say(step, [...linesOf(step, event)], now());
    if (event.type === 'completed' || event.type === 'failed' || event.type === 'canceled') turns.end(step);
    passTurns();
  };

  function* linesOf(step: Step, event: Exclude<ProgressEvent, { type: 'vertex' | 'warning' }>): Generator<string> {
    const seconds = (event.time - step.startedAt) / 1000;
    if (event.type === 'started') return;
    if (event.type === 'log') return yield* step.log.take(event.data, seconds).map(logLine);
    if (event.type === 'status') return yield* statusLines(step, event);
    yield* step.log.end(seconds).map(logLine);
    switch (event.type) {
      case 'completed':
        if (event.cached) return yield 'CACHED';
        if (options.explain === true && event.reason !== undefined) yield `why: ${printable(event.reason.text)}`;
        return yield `DONE ${seconds.toFixed(1)}s`;
      case 'failed':
        step.failed = true;
        return yield `ERROR: ${printableLines(event.error.message)}`;
      case 'canceled':
        return yield 'CANCELED';
    }
  }

  const passTurns = (): void => {
    clearTimeout(timer);
    turns.pass(now());
    if (turns.due !== undefined) timer = setTimeout(passTurns, turns.due - now()).unref();
  };

  return {
    event: show,
    close: () => {
      clearTimeout(timer);
      turns.close();
      // Not again what stands directly above, with the error below it.
      const torn = [...steps.values()].filter((step) => step.failed && !turns.hasLast(step, step.log.last.length + 1));
      const told = torn.filter(({ log }) => log.last.length > 0);
      output.write(failedSteps(told.map(({ name, log }) => ({ name, lines: log.last.map(logLine) }))));
      if (warnings.length === 0) return;
      output.write(`\n ${warnings.length} warning${warnings.length === 1 ? '' : 's'} found:\n`);
      for (const warning of warnings) output.write(` - ${warning}\n`);
    },
  };
}

function logLine(line: LogLine): string {
  return printableLog(timedLine(line));
}

/** One line a second of what moves, and one at its end. */
function* statusLines({ statuses }: Step, event: Extract<ProgressEvent, { type: 'status' }>): Generator<string> {
  const before = statuses.get(event.status);
  if (!event.done && before !== undefined && event.time - before < 1000) return;
  statuses.set(event.status, event.time);
  const amount = (value: number): string => (event.unit === 'files' ? `${value} files` : formatBytes(value));
  const total = event.total === undefined || event.total === 0 ? '' : ` / ${amount(event.total)}`;
  const current = event.unit === undefined && event.current === 0 ? '' : ` ${amount(event.current)}${total}`;
  yield `${printable(event.status)}${current}${event.done ? ' done' : ''}`;
}
