// `--progress=plain`: one line per thing that happened, numbered by step, as buildx prints it; for logs.

import type { ProgressEvent, ProgressVertex } from '../../base/index.ts';
import { printable, printableLines, printableLog } from '../printable.ts';
import { formatBytes } from '../sizes.ts';
import { diagnosticLine } from './warnings.ts';
import type { Display, DisplayOutput } from './display.ts';

interface Step {
  readonly number: number;
  readonly vertex: ProgressVertex;
  startedAt: number;
  announced: boolean;
  partial: string;
  readonly statuses: Map<string, number>;
}

/** Lines `#N name`, `#N 0.123 output`, `#N CACHED`, `#N DONE 0.1s`, `#N ERROR: …`. */
export function plainDisplay(output: DisplayOutput, options: { readonly explain?: boolean } = {}): Display {
  const steps = new Map<string, Step>();
  const known = new Map<string, ProgressVertex>();
  const warnings: string[] = [];
  let last: Step | undefined;
  const line = (step: Step, text: string): void => {
    if (last !== step) {
      if (last !== undefined) output.write('\n');
      output.write(`#${step.number} ${step.announced && last !== step ? '... ' : ''}${step.vertex.name}\n`);
      step.announced = true;
      last = step;
    }
    if (text !== '') output.write(`#${step.number} ${text}\n`);
  };
  const stepOf = (id: string, time: number): Step | undefined => {
    const vertex = known.get(id);
    if (vertex === undefined) return undefined;
    let step = steps.get(id);
    if (step === undefined) {
      step = { number: steps.size + 1, vertex, startedAt: time, announced: false, partial: '', statuses: new Map() };
      steps.set(id, step);
    }
    return step;
  };
  const show = (event: ProgressEvent): void => {
    if (event.type === 'vertex') {
      known.set(event.vertex.id, { ...event.vertex, name: printable(event.vertex.name) });
      return;
    }
    if (event.type === 'warning') {
      warnings.push(diagnosticLine(event.diagnostic, event.source));
      return;
    }
    const step = stepOf(event.id, event.time);
    if (step === undefined) return;
    const seconds = ((event.time - step.startedAt) / 1000).toFixed(1);
    switch (event.type) {
      case 'started':
        step.startedAt = event.time;
        line(step, '');
        break;
      case 'completed':
        flush(step, event.time);
        if (event.cached) line(step, 'CACHED');
        else {
          if (options.explain === true && event.reason !== undefined) line(step, `why: ${printable(event.reason.text)}`);
          line(step, `DONE ${seconds}s`);
        }
        break;
      case 'failed':
        flush(step, event.time);
        line(step, `ERROR: ${printableLines(event.error.message)}`);
        break;
      case 'canceled':
        flush(step, event.time);
        line(step, 'CANCELED');
        break;
      case 'status':
        status(step, event);
        break;
      case 'log': {
        const text = step.partial + Buffer.from(event.data).toString('utf8');
        const lines = text.split('\n');
        step.partial = lines.pop() ?? '';
        for (const logged of lines) line(step, `${((event.time - step.startedAt) / 1000).toFixed(3)} ${printableLog(logged)}`);
        break;
      }
    }
  };
  const flush = (step: Step, time: number): void => {
    if (step.partial !== '') line(step, `${((time - step.startedAt) / 1000).toFixed(3)} ${printableLog(step.partial)}`);
    step.partial = '';
  };
  const status = (step: Step, event: Extract<ProgressEvent, { type: 'status' }>): void => {
    const before = step.statuses.get(event.status);
    if (!event.done && before !== undefined && event.time - before < 1000) return;
    step.statuses.set(event.status, event.time);
    const amount = (value: number): string => (event.unit === 'files' ? `${value} files` : formatBytes(value));
    const total = event.total === undefined || event.total === 0 ? '' : ` / ${amount(event.total)}`;
    const current = event.unit === undefined && event.current === 0 ? '' : ` ${amount(event.current)}${total}`;
    line(step, `${printable(event.status)}${current}${event.done ? ' done' : ''}`);
  };
  return {
    event: show,
    close: () => {
      if (warnings.length === 0) return;
      output.write(`\n ${warnings.length} warning${warnings.length === 1 ? '' : 's'} found:\n`);
      for (const warning of warnings) output.write(` - ${warning}\n`);
    },
  };
}
