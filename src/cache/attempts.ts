// What was run before, step by step: fields of the keys, and how it ended. One file for each Dockerfile, a line for each event;
// read only when something has to run.

import { type Digest, digestHex, digestOf, isDigest, type ProgressVertex } from '../base/index.ts';
import type { RecordFiles } from '../store/index.ts';
import type { CacheMap } from '../solver/index.ts';
import { safeField } from './secret-names.ts';

/** How an execution ended; `started` is one that nobody saw the end of. */
export type AttemptOutcome = 'started' | 'done' | 'failed' | 'canceled' | 'withdrawn';

/** One execution of a step. */
export interface Attempt {
  readonly step: string;
  readonly key: Digest;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly outcome: AttemptOutcome;
  readonly fields: ReadonlyMap<string, string>;
  readonly notes: ReadonlyMap<string, string>;
  /** Labels of the step's inputs (`RUN make`, `FROM alpine`). */
  readonly inputs: readonly string[];
  /** The attempt before it with the same key. */
  readonly before?: Attempt;
}

/** A file is written anew when it is larger than this, bytes. */
const COMPACT_AT = 1 << 20;
/** Executions kept of a step then. */
const KEPT = 4;
/** Dockerfiles looked into when nothing is known of one. */
const ELSEWHERE = 8;
/** Longer values are kept cut, with their digest, so that they still differ when they differ. */
const VALUE_LIMIT = 8192;

/** The files of attempts. Losing one costs explanations, never results: nothing here throws for what it reads. */
export class Attempts {
  readonly #files: RecordFiles;
  readonly #known = new Map<string, { size: number; readonly attempts: Map<Digest, Attempt> }>();

  constructor(files: RecordFiles) {
    this.#files = files;
  }

  /** All that was known of a step's Dockerfile before `since` (ms), oldest first. */
  of(step: string, since: number): readonly Attempt[] {
    return earlierThan(since, this.#read(projectOf(step)).values());
  }

  /** What was known of the Dockerfiles that were built last, but for the step's own; oldest first. Scans. */
  elsewhere(step: string, since: number): readonly Attempt[] {
    const own = projectOf(step);
    return this.#files
      .names()
      .filter((name) => name !== own)
      .map((name) => ({ name, usedAt: this.#files.stat(name)?.usedAt ?? 0 }))
      .sort((a, b) => b.usedAt - a.usedAt)
      .slice(0, ELSEWHERE)
      .reverse()
      .flatMap(({ name }) => earlierThan(since, this.#read(name, 'peek').values()));
  }

  /** An execution begins. */
  begin(map: CacheMap, inputs: readonly ProgressVertex[], at: number): void {
    const attempt: Attempt = {
      step: map.step,
      key: map.key,
      at,
      outcome: 'started',
      fields: new Map(map.fields.map((field) => entryOf(field))),
      notes: new Map((map.notes ?? []).map((field) => entryOf(field))),
      inputs: inputs.map(labelOf),
    };
    const project = projectOf(map.step);
    this.#files.append(project, lineOf(attempt));
    this.#compactMaybe(project);
  }

  /** It ended. */
  end(map: CacheMap, outcome: AttemptOutcome): void {
    this.#files.append(projectOf(map.step), JSON.stringify({ key: map.key, outcome }));
  }

  #read(project: string, how: 'read' | 'peek' = 'read'): Map<Digest, Attempt> {
    const known = this.#known.get(project);
    // Every step asks, and what was noted of the one before it stands there by then: only what is new is read.
    const added = known === undefined ? undefined : this.#files.peekFrom(project, known.size);
    if (known !== undefined && added !== undefined) {
      known.size += readLines(added, known.attempts);
      return known.attempts;
    }
    // Not read yet, or compacted by somebody.
    const bytes = this.#files[how](project);
    if (bytes === undefined) return new Map();
    const attempts = new Map<Digest, Attempt>();
    this.#known.set(project, { size: readLines(bytes, attempts), attempts });
    return attempts;
  }

  #compactMaybe(project: string): void {
    if ((this.#files.stat(project)?.size ?? 0) < COMPACT_AT) return;
    const counts = new Map<string, number>();
    const kept = [...this.#read(project).values()].reverse().filter(({ step }) => {
      const count = (counts.get(step) ?? 0) + 1;
      counts.set(step, count);
      return count <= KEPT;
    });
    this.#files.write(
      project,
      kept
        .reverse()
        .map((attempt) => `${lineOf(attempt)}\n`)
        .join(''),
    );
    this.#known.delete(project);
  }
}

/** A vertex in few words, the same in every build: `RUN make`, `FROM alpine:3.20` (whatever the stage is called). */
export function labelOf({ instruction, name }: ProgressVertex): string {
  return (
    instruction?.replace(/^(FROM\s.*?)(?<!\s)\s+AS\s+\S+$/i, '$1') ?? name.replace(/@sha256:[a-f0-9]{64}/, '').replace(/^\[[^\]]*\] /, '')
  );
}

/** The Dockerfile that a step belongs to: what stands before the first NUL. */
function projectOf(step: string): string {
  return digestHex(digestOf(step.split('\0', 1)[0] ?? ''));
}

function entryOf(field: Parameters<typeof safeField>[0]): [string, string] {
  const { name, value } = safeField(field);
  return [name, value.length <= VALUE_LIMIT ? value : `${value.slice(0, VALUE_LIMIT / 2)}… ${digestOf(value)}`];
}

/** What this build and those beside it began is no earlier attempt; what the same keys were before is. */
function earlierThan(since: number, attempts: Iterable<Attempt>): readonly Attempt[] {
  const found: Attempt[] = [];
  for (const newest of attempts) {
    let attempt: Attempt | undefined = newest;
    while (attempt !== undefined && attempt.at >= since) attempt = attempt.before;
    if (attempt !== undefined) found.push(attempt);
  }
  return found;
}

function lineOf({ fields, notes, before: _, ...rest }: Attempt): string {
  return JSON.stringify({ ...rest, fields: [...fields], notes: [...notes] });
}

/** Reads whole lines; how many bytes they were. */
function readLines(bytes: Buffer, attempts: Map<Digest, Attempt>): number {
  const end = bytes.lastIndexOf(10) + 1;
  for (const line of bytes.subarray(0, end).toString('utf8').split('\n')) readLine(line, attempts);
  return end;
}

function readLine(line: string, attempts: Map<Digest, Attempt>): void {
  if (line === '') return;
  let value: Partial<Record<keyof Attempt, unknown>>;
  try {
    value = JSON.parse(line) as typeof value;
  } catch {
    return; // half a line of a killed writer
  }
  const { key, outcome } = value;
  if (typeof key !== 'string' || !isDigest(key) || typeof outcome !== 'string') return;
  const known = attempts.get(key);
  // The newest event of a key stands last.
  attempts.delete(key);
  if (Array.isArray(value.fields)) {
    attempts.set(key, {
      step: String(value.step),
      key,
      at: Number(value.at),
      outcome: outcome as AttemptOutcome,
      fields: new Map(value.fields as [string, string][]),
      notes: new Map((value.notes ?? []) as [string, string][]),
      inputs: (value.inputs ?? []) as string[],
      ...(known === undefined ? {} : { before: known }),
    });
  } else if (known !== undefined) attempts.set(key, { ...known, outcome: outcome as AttemptOutcome });
}
