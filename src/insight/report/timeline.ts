// The steps of a build as they happened: a reader of progress events, so that a build that failed has its timeline too.

import type { ProgressEvent, ProgressVertex, StepReason } from '../../base/index.ts';
import { longestPath } from './longest-path.ts';
import type { ReportStep } from './types.ts';

interface Draft {
  readonly vertex: ProgressVertex;
  readonly index: number;
  state: ReportStep['state'] | undefined;
  started: number | undefined;
  completed: number | undefined;
  reason: StepReason | undefined;
  error: string | undefined;
}

/** Texts of errors and instructions are cut here. */
const MAX_TEXT = 2000;

/** Gathers events. Nothing is computed before `steps` is asked for. */
export class Timeline {
  readonly #drafts = new Map<string, Draft>();

  /** Takes one event; never throws. */
  event(event: ProgressEvent): void {
    if (event.type === 'vertex') {
      if (this.#drafts.has(event.vertex.id)) return;
      const index = this.#drafts.size;
      const nothing = { state: undefined, started: undefined, completed: undefined, reason: undefined, error: undefined };
      this.#drafts.set(event.vertex.id, { vertex: event.vertex, index, ...nothing });
      return;
    }
    if (event.type === 'log' || event.type === 'status' || event.type === 'warning') return;
    const draft = this.#drafts.get(event.id);
    if (draft === undefined) return;
    switch (event.type) {
      case 'started':
        draft.started ??= event.time;
        break;
      case 'completed':
        draft.state = event.cached ? 'cached' : 'executed';
        draft.completed = event.time;
        draft.reason = event.reason;
        break;
      case 'failed':
        draft.state = 'failed';
        draft.completed = event.time;
        draft.error = cut(event.error.message.split('\n', 1)[0] ?? '');
        break;
      case 'canceled':
        draft.state = 'canceled';
        draft.completed = event.time;
        break;
    }
  }

  /** All steps, inputs before their users; times count from `since` (ms). `bytes`: of a vertex's layers, when known. */
  steps(since: number, bytes: (id: string) => number | undefined = () => undefined): readonly ReportStep[] {
    const drafts = inOrder([...this.#drafts.values()]);
    const places = new Map(drafts.map(({ vertex }, index) => [vertex.id, index]));
    const steps = drafts.map((draft): ReportStep => {
      const { vertex, started, completed, state = 'canceled', reason, error } = draft;
      // What came from the cache took the time of a look; what it waited for is not its own.
      const ran = started !== undefined && state !== 'cached';
      const size = bytes(vertex.id);
      return {
        name: cut(vertex.name),
        ...(vertex.stage === undefined ? {} : { stage: vertex.stage }),
        ...(vertex.location === undefined ? {} : { line: vertex.location.range.start.line }),
        ...(vertex.instruction === undefined ? {} : { instruction: cut(vertex.instruction) }),
        ...(vertex.platform === undefined ? {} : { platform: vertex.platform }),
        state,
        ...(reason === undefined ? {} : { reason: { ...reason, text: cut(reason.text) } }),
        ...(ran ? { start: Math.max(0, started - since) } : {}),
        milliseconds: ran && completed !== undefined ? Math.max(0, completed - started) : 0,
        inputs: [...new Set(vertex.inputs.flatMap((id) => places.get(id) ?? []))],
        ...(size === undefined ? {} : { bytes: size }),
        ...(error === undefined ? {} : { error }),
      };
    });
    const longest = new Set(longestPath(steps));
    return steps.map((step, index) => (longest.has(index) ? { ...step, longest: true } : step));
  }
}

/** Inputs before users, else as they were announced. */
function inOrder(drafts: readonly Draft[]): readonly Draft[] {
  const byId = new Map(drafts.map((draft) => [draft.vertex.id, draft]));
  const placed = new Set<Draft>();
  const order: Draft[] = [];
  for (const top of drafts) {
    const stack = [top];
    while (stack.length > 0) {
      const draft = stack.at(-1) as Draft;
      const waiting = placed.has(draft)
        ? undefined
        : draft.vertex.inputs.flatMap((id) => byId.get(id) ?? []).find((input) => !placed.has(input) && !stack.includes(input));
      if (waiting !== undefined) {
        stack.push(waiting);
        continue;
      }
      stack.pop();
      if (placed.has(draft)) continue;
      placed.add(draft);
      order.push(draft);
    }
  }
  return order;
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
