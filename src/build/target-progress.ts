// Builds that are made together, as one stream of events: every vertex has the name of its target in front, and work that several of them
// share is shown once.

import { digestOf, type ProgressEvent, type ProgressSink, type ProgressVertex } from '../base/index.ts';
import type { Origin } from './linked-targets.ts';

/** What one target's events say about where they belong. */
export interface TargetPlace {
  readonly target: string;
  /** Folders by name, once they are known: only builds on the same folders do the same when their vertices are equal. */
  readonly folders: ReadonlyMap<string, string>;
  /** Whose a vertex is, when it is another target's. */
  readonly originOf: (digest: string) => Origin | undefined;
}

/** A vertex as it is shown. */
interface Shown {
  /** The target whose events of it are shown. */
  owner: string;
  /** Nothing ran for it. */
  cached: boolean;
}

/** Joins the events of targets. */
export class TargetProgress {
  readonly #sink: ProgressSink;
  readonly #shown = new Map<string, Shown>();
  readonly #warned = new Set<string>();

  constructor(sink: ProgressSink) {
    this.#sink = sink;
  }

  /** Where a target's build tells what happens. */
  of(place: TargetPlace): ProgressSink {
    const { target, folders, originOf } = place;
    const names = new Map<string, string>();
    const nameOf = (id: string): string => names.get(id) ?? digestOf(JSON.stringify([target, id]));
    return (event) => {
      if (event.type === 'warning') return this.#warning(event, nameOf);
      if (event.type !== 'vertex') {
        if (this.#isItsTurn(event, nameOf(event.id), target)) this.#sink({ ...event, id: nameOf(event.id) });
        return;
      }
      const { id, inputs, platform } = event.vertex;
      const origin = originOf(id) ?? { target, digest: id, folders };
      // Questions and exports have no platform, and are each target's own.
      if (platform !== undefined) names.set(id, digestOf(JSON.stringify([origin.digest, ...origin.folders])));
      if (!this.#isItsTurn(event, nameOf(id), target)) return;
      this.#sink({ ...event, vertex: { ...named(event.vertex, origin.target), id: nameOf(id), inputs: inputs.map(nameOf) } });
    };
  }

  /** The first target that speaks of a vertex shows it; another one takes over where nothing had to run for the first, and has to now. */
  #isItsTurn(event: ProgressEvent, name: string, target: string): boolean {
    const shown = this.#shown.get(name) ?? { owner: target, cached: false };
    this.#shown.set(name, shown);
    if (shown.owner !== target && shown.cached && isWork(event)) {
      Object.assign(shown, { owner: target, cached: false });
      this.#sink({ type: 'started', id: name, time: event.time });
    }
    // A base is done before it is fetched, by whoever needs it.
    if (shown.owner !== target) return shown.cached && event.type === 'status';
    if (event.type === 'completed') shown.cached = event.cached;
    return true;
  }

  /** One Dockerfile has the same findings in each target. */
  #warning(event: ProgressEvent & { type: 'warning' }, nameOf: (id: string) => string): void {
    const { id, diagnostic, source } = event;
    const said = JSON.stringify([source?.text, diagnostic.rule, diagnostic.message, diagnostic.range]);
    if (this.#warned.has(said)) return;
    this.#warned.add(said);
    this.#sink(id === undefined ? event : { ...event, id: nameOf(id) });
  }
}

/** Whether something runs, or ran. */
function isWork(event: ProgressEvent): boolean {
  return event.type === 'log' || event.type === 'failed' || (event.type === 'completed' && !event.cached);
}

/** `[build 2/5] RUN make` of target `app` is `[app build 2/5] RUN make`, and its stage is `app build`. */
function named({ name, stage, ...vertex }: ProgressVertex, target: string): ProgressVertex {
  return {
    ...vertex,
    ...(stage === undefined ? {} : { stage: `${target} ${stage}` }),
    name: name.startsWith('[') ? `[${target} ${name.slice(1)}` : `[${target}] ${name}`,
  };
}
