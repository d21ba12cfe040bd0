// Builds that are made together, as one stream of events: every vertex has the name of its target in front, and work that several of them
// share is shown once.

import { digestOf, type ProgressEvent, type ProgressSink, type ProgressVertex } from '../base/index.ts';

/** What one target's events say about where they belong. */
export interface TargetPlace {
  readonly target: string;
  /** Folders by name, once they are known: only builds on the same folders do the same when their vertices are equal. */
  readonly folders: ReadonlyMap<string, string>;
  /** Whether a vertex is another target's, which shows it. */
  readonly isLinked: (digest: string) => boolean;
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
    const names = new Map<string, string>();
    const own = (id: string): string => digestOf(JSON.stringify([place.target, id]));
    const nameOf = (id: string): string => names.get(id) ?? own(id);
    return (event) => {
      if (event.type === 'warning') return this.#warning(event, nameOf);
      // Questions and exports have no platform, and are each target's own.
      if (event.type === 'vertex' && event.vertex.platform !== undefined) {
        names.set(event.vertex.id, digestOf(JSON.stringify([event.vertex.id, ...place.folders])));
      }
      const id = event.type === 'vertex' ? event.vertex.id : event.id;
      if (place.isLinked(id) || !this.#isItsTurn(event, nameOf(id), place.target)) return;
      this.#sink(
        event.type === 'vertex'
          ? { ...event, vertex: { ...named(event.vertex, place.target), id: nameOf(id), inputs: event.vertex.inputs.map(nameOf) } }
          : { ...event, id: nameOf(id) },
      );
    };
  }

  /** The first target that speaks of a vertex shows it; another one only takes over where nothing had to run for the first. */
  #isItsTurn(event: ProgressEvent, name: string, target: string): boolean {
    const shown = this.#shown.get(name) ?? { owner: target, cached: false };
    this.#shown.set(name, shown);
    if (shown.owner !== target && shown.cached && event.type === 'started') Object.assign(shown, { owner: target, cached: false });
    if (shown.owner !== target) return false;
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

/** `[build 2/5] RUN make` of target `app` is `[app build 2/5] RUN make`. */
function named({ name, ...vertex }: ProgressVertex, target: string): ProgressVertex {
  return { ...vertex, name: name.startsWith('[') ? `[${target} ${name.slice(1)}` : `[${target}] ${name}` };
}
