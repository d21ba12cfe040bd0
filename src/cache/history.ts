// Past builds: what was asked, what came of it, and why its steps ran.

import type { Digest, StepReason } from '../base/index.ts';
import { SlipwayError } from '../base/index.ts';
import type { RecordFiles } from '../store/index.ts';

/** One step of a past build. */
export interface HistoryStep {
  readonly name: string;
  readonly stage?: string;
  readonly line?: number;
  readonly instruction?: string;
  readonly platform?: string;
  readonly state: 'executed' | 'cached' | 'adopted' | 'canceled' | 'failed';
  readonly reason?: StepReason;
  readonly key?: string;
  readonly milliseconds: number;
}

/** One past build. Holds no secrets: build arguments of secret-looking names are left out by who writes it. */
export interface HistoryEntry {
  /** Unique in the store; sorts by time. */
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly completedAt: number;
  readonly status: 'completed' | 'error' | 'canceled';
  /** First line of the failure. */
  readonly error?: string;
  readonly dockerfile?: string;
  readonly target?: string;
  readonly platforms: readonly string[];
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly digest?: Digest;
  readonly steps: readonly HistoryStep[];
  /** What the build's report needs beside this and its image; only who wrote it reads it. */
  readonly report?: unknown;
}

/** A difference between two builds. */
export interface HistoryDifference {
  readonly what: string;
  readonly before: string | undefined;
  readonly now: string | undefined;
}

/** Builds kept, and a few more: to count them is a scan (25 ms of a build's 90 when there are 500), so one build in so many does it. */
const KEPT = 500;
const COUNTED_EVERY = 32;

/** Past builds of one store. */
export class History {
  readonly #files: RecordFiles;

  constructor(files: RecordFiles) {
    this.#files = files;
  }

  /** A new id for a build that starts at `at`. */
  static newId(at: Date): string {
    return `${at.getTime().toString(36).padStart(9, '0')}${Math.floor(Math.random() * 0x7fffffff)
      .toString(36)
      .padStart(6, '0')}`;
  }

  add(entry: HistoryEntry): void {
    this.#files.writeJson(fileName(entry.id), entry);
    // Ids end evenly spread.
    if (Number.parseInt(entry.id.slice(-2), 36) % COUNTED_EVERY !== 0) return;
    const names = this.#files.names();
    for (const name of byId(names).slice(0, Math.max(0, names.length - KEPT))) this.#files.remove(name);
  }

  /** All builds, newest first. */
  list(): readonly HistoryEntry[] {
    return byId(this.#files.names())
      .reverse()
      .flatMap((name) => this.#entry(name) ?? []);
  }

  /** A build by id, by the start of one, by `^N` (the Nth before the newest), or the newest. Throws `HISTORY_UNKNOWN`. */
  get(ref = '^0'): HistoryEntry {
    const offset = /^\^(\d*)$/.exec(ref)?.[1];
    const names = byId(this.#files.names()).reverse();
    const wanted =
      offset === undefined ? names.filter((name) => idOf(name).startsWith(ref)) : names.slice(Number(offset || 0), Number(offset || 0) + 1);
    const entry = wanted.length === 1 ? this.#entry(wanted[0] as string) : undefined;
    if (entry !== undefined) return entry;
    throw new SlipwayError('HISTORY_UNKNOWN', wanted.length > 1 ? `several builds start with ${ref}` : `no build ${ref} in the history`, {
      hint: '`slipway history ls` lists the builds of this store',
    });
  }

  /** Forgets a build. False: there was none. */
  remove(id: string): boolean {
    return this.#files.remove(fileName(id));
  }

  #entry(name: string): HistoryEntry | undefined {
    const value = this.#files.peekJson(name);
    return isEntry(value) ? value : undefined;
  }
}

/** Whether a record has what every reader relies on; one that another version wrote, or a damaged disk, may lack it. */
function isEntry(value: unknown): value is HistoryEntry {
  const { id, name, startedAt, completedAt, status, platforms, tags, steps } = Object(value) as Partial<
    Record<keyof HistoryEntry, unknown>
  >;
  return (
    [id, name, status].every((one) => typeof one === 'string') &&
    [startedAt, completedAt].every(Number.isFinite) &&
    [platforms, tags, steps].every(Array.isArray)
  );
}

/** What differs between two builds: what was asked, and which steps ran, took longer or are new. */
export function compareBuilds(before: HistoryEntry, now: HistoryEntry): readonly HistoryDifference[] {
  const found: HistoryDifference[] = [];
  const note = (what: string, a: string | undefined, b: string | undefined): void => {
    if (a !== b) found.push({ what, before: a, now: b });
  };
  note('status', before.status, now.status);
  note('dockerfile', before.dockerfile, now.dockerfile);
  note('target', before.target, now.target);
  note('platforms', before.platforms.join(', '), now.platforms.join(', '));
  note('digest', before.digest, now.digest);
  for (const name of new Set([...Object.keys(before.buildArgs ?? {}), ...Object.keys(now.buildArgs ?? {})])) {
    note(`build argument ${name}`, before.buildArgs?.[name], now.buildArgs?.[name]);
  }
  const [old, current] = [stepsByPlace(before.steps), stepsByPlace(now.steps)];
  for (const place of new Set([...old.keys(), ...current.keys()])) note(place, stepText(old.get(place)), stepText(current.get(place)));
  return found;
}

function stepsByPlace(steps: readonly HistoryStep[]): ReadonlyMap<string, HistoryStep> {
  return new Map(steps.map((step) => [[step.stage, step.platform, step.instruction ?? step.name].filter(Boolean).join(' '), step]));
}

function stepText(step: HistoryStep | undefined): string | undefined {
  if (step === undefined) return undefined;
  return step.reason === undefined ? step.state : `${step.state}: ${step.reason.text}`;
}

/** Spread by the end of the id, so that builds of one time do not share a folder. */
function fileName(id: string): string {
  return `${id.slice(-2)}-${id}`;
}

function idOf(name: string): string {
  return name.slice(3);
}

function byId(names: readonly string[]): string[] {
  return [...names].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
}
