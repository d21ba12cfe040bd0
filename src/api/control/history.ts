// The history of builds: who listens hears of every build that starts and ends; ended ones stay for a while.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { digestHex, digestOf, errnoOf } from '../../base/index.ts';
import { HISTORY_EVENT } from '../enums.ts';
import {
  type BuildHistoryEventSchema,
  type BuildHistoryRecord,
  BuildHistoryRecordSchema,
  type BuildHistoryRequest,
  type Descriptor,
} from '../gen/control_pb.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { HistoryBlobs } from './blobs.ts';

type HistoryEvent = MessageInitShape<typeof BuildHistoryEventSchema>;

/** How long ended builds are remembered: a record goes when it is beyond both limits, as with BuildKit. */
export interface HistoryLimits {
  /** Newest records that stay however old they are; default 50. */
  readonly maxEntries?: number;
  /** Milliseconds that records stay however many there are; default 48 hours. */
  readonly maxAgeMs?: number;
}

const MAX_ENTRIES = 50;
const MAX_AGE_MS = 48 * 3600_000;

/** Records in files of their own; the listeners are told of each change. Servers may share them. Disposing forgets the builds that run. */
export class BuildHistory implements Disposable {
  readonly blobs: HistoryBlobs;
  readonly #folder: string;
  readonly #running: string;
  readonly #now: () => Date;
  readonly #limits: HistoryLimits;
  readonly #active = new Map<string, BuildHistoryRecord>();
  readonly #listeners = new Set<(event: HistoryEvent) => void>();

  /** `running`: a folder of this server's own, on the same disk, for what is written while builds run. It is made when there is something. */
  constructor(folder: string, running: string, now: () => Date, limits: HistoryLimits = {}) {
    this.#folder = join(folder, 'records');
    this.#running = running;
    this.#now = now;
    this.#limits = limits;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.blobs = new HistoryBlobs(join(folder, 'blobs'));
  }

  [Symbol.dispose](): void {
    rmSync(this.#running, { recursive: true, force: true });
  }

  /** File for the status messages of a build that runs. */
  spoolPath(ref: string): string {
    return join(this.#running, name(ref));
  }

  start(record: BuildHistoryRecord): void {
    this.#active.set(record.ref, record);
    this.#emit({ type: HISTORY_EVENT.started, record });
  }

  complete(record: BuildHistoryRecord): void {
    this.#active.delete(record.ref);
    this.#write(record);
    this.#emit({ type: HISTORY_EVENT.complete, record });
    this.#collect();
  }

  /** The record of an ended build. */
  find(ref: string): BuildHistoryRecord | undefined {
    return this.#read(name(ref));
  }

  /** Changes the record of an ended build. */
  update(ref: string, change: (record: BuildHistoryRecord) => void): void {
    const record = this.find(ref);
    if (record === undefined) throw new RpcError('notFound', `no build ${ref} in the history`);
    change(record);
    record.generation += 1;
    this.#write(record);
    this.#emit({ type: HISTORY_EVENT.complete, record });
  }

  delete(ref: string): void {
    const record = this.find(ref);
    if (record === undefined) throw new RpcError('notFound', `no build ${ref} in the history`);
    rmSync(join(this.#folder, name(ref)), { force: true });
    this.#emit({ type: HISTORY_EVENT.deleted, record: create(BuildHistoryRecordSchema, { ref }) });
    this.#sweep();
  }

  async *listen(request: BuildHistoryRequest, signal: AbortSignal): AsyncGenerator<HistoryEvent> {
    const wanted = (record: { readonly ref?: string } | undefined): boolean => request.ref === '' || record?.ref === request.ref;
    const queue: HistoryEvent[] = [];
    let wake: () => void = () => {};
    const listener = (event: HistoryEvent): void => {
      if (!wanted(event.record)) return;
      queue.push(event);
      wake();
    };
    this.#listeners.add(listener);
    const onAbort = (): void => wake();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (const record of [...this.#active.values()].filter(wanted)) yield { type: HISTORY_EVENT.started, record };
      if (!request.activeOnly) for (const record of this.#limited(request, wanted)) yield { type: HISTORY_EVENT.complete, record };
      if (request.earlyExit) return;
      while (!signal.aborted) {
        const event = queue.shift();
        if (event !== undefined) yield event;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #limited(request: BuildHistoryRequest, wanted: (record: BuildHistoryRecord) => boolean): BuildHistoryRecord[] {
    const records = this.#records().filter(wanted);
    return request.limit > 0 ? records.slice(-request.limit) : records;
  }

  /** Oldest first. */
  #records(): BuildHistoryRecord[] {
    return readdirSync(this.#folder)
      .filter((file) => !file.endsWith('.new'))
      .flatMap((file) => this.#read(file) ?? [])
      .sort((a, b) => createdAt(a) - createdAt(b));
  }

  #read(file: string): BuildHistoryRecord | undefined {
    try {
      return fromBinary(BuildHistoryRecordSchema, readFileSync(join(this.#folder, file)));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #write(record: BuildHistoryRecord): void {
    const path = join(this.#folder, name(record.ref));
    writeFileSync(`${path}.new`, toBinary(BuildHistoryRecordSchema, record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  #collect(): void {
    const { maxEntries = MAX_ENTRIES, maxAgeMs = MAX_AGE_MS } = this.#limits;
    const oldest = this.#now().getTime() - maxAgeMs;
    const gone = readdirSync(this.#folder)
      .filter((file) => !file.endsWith('.new'))
      .map((file) => ({ file, at: statSync(join(this.#folder, file)).mtimeMs }))
      .sort((a, b) => b.at - a.at)
      .slice(maxEntries)
      .filter(({ file, at }) => at < oldest && this.#read(file)?.pinned === false);
    if (gone.length === 0) return;
    for (const { file } of gone) rmSync(join(this.#folder, file), { force: true });
    this.#sweep();
  }

  #sweep(): void {
    const keep = new Set<string>();
    for (const record of [...this.#records(), ...this.#active.values()])
      for (const blob of descriptors(record)) {
        keep.add(blob.digest);
        if (INDEXES.has(blob.mediaType)) for (const part of this.#partsOf(blob.digest)) keep.add(part);
      }
    this.blobs.sweep(keep);
  }

  /** Digests that an index names: clients that look at a record ask for its parts by them. */
  #partsOf(digest: string): readonly string[] {
    const bytes = this.blobs.read(digest);
    if (bytes === undefined) return [];
    const { manifests = [] } = JSON.parse(bytes.toString()) as { readonly manifests?: readonly { readonly digest: string }[] };
    return manifests.map((part) => part.digest);
  }

  #emit(event: HistoryEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function name(ref: string): string {
  return digestHex(digestOf(ref));
}

function createdAt(record: BuildHistoryRecord): number {
  return record.createdAt === undefined ? 0 : timestampMs(record.createdAt);
}

const INDEXES: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);

function descriptors(record: BuildHistoryRecord): Descriptor[] {
  const results = [record.result, ...Object.values(record.results)].flatMap((info) =>
    info === undefined ? [] : [...info.attestations, ...Object.values(info.results)],
  );
  return [record.logs, record.trace, record.externalError, ...results].filter((blob) => blob !== undefined);
}
