// Those who write files: this thread, and when there are many files others beside it. Making a file is work of the kernel's, and one
// processor is soon busy with it.

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SlipwayError, workerUrl } from '../base/index.ts';
import { BatchWriter, type FileBatch, type FileBatchEnd } from './write-batch.ts';

/** What a thread is started with. */
export interface FileCrewData {
  /** A word that says 1 when nothing more is to be written. */
  readonly stopped: SharedArrayBuffer;
  /** Begin of names that nobody else uses. */
  readonly temporary: string;
}

/** What a thread is sent: several batches of few files cost as much as one of many. */
export type FileBatches = readonly FileBatch[];

/** From so many files, or bytes, on threads pay. */
const WORTH_THREADS = { files: 300, bytes: 16 << 20 };
const MOST_THREADS = 8;
/** Messages that wait for each thread, so that none is ever idle. */
const AHEAD = 4;
/** Files, and batches of none, in a message. */
const MESSAGE = 64;
/** More bytes than this are not written here when there are threads: this one has others to serve. */
const HERE = 8 << 20;

interface CrewThread {
  readonly worker: Worker;
  /** Who waits for the batches of each message that was sent. */
  readonly waiting: Settle[][];
}

type Settle = (end: FileBatchEnd | Error) => void;

/** The writers of one export. Disposing waits until they write no more. */
export class FileCrew implements AsyncDisposable {
  readonly #stopped = new SharedArrayBuffer(4);
  readonly #processors = availableParallelism();
  readonly #threads: CrewThread[] = [];
  readonly #exits: Promise<void>[] = [];
  readonly #here = new BatchWriter(`.slipway-${process.pid}`);
  #freed: (() => void) | undefined;
  #message: { readonly batch: FileBatch; readonly settle: Settle }[] = [];
  #weight = 0;
  #bytes = 0;
  #allFiles = 0;
  #allBytes = 0;
  #wroteHere = false;

  /**
   * Writes a batch of so many bytes. Rejects with the error of the first file that could not be written: `code` is the kernel's, `file`
   * its name.
   */
  async write(batch: FileBatch, bytes: number): Promise<void> {
    const end = await new Promise<FileBatchEnd | Error>((settle) => {
      this.#message.push({ batch, settle });
      this.#weight += batch.names.length + 1;
      this.#bytes += bytes;
      this.#allFiles += batch.names.length;
      this.#allBytes += bytes;
      if (this.#weight >= MESSAGE || this.#bytes >= HERE || this.#threads.some(({ waiting }) => waiting.length === 0)) this.flush();
    });
    if (end instanceof Error) throw end;
    const { failed } = end;
    if (failed === undefined) return;
    if (failed.code === undefined) throw new Error(failed.message);
    if (failed.code === 'FILE_CHANGED') throw new SlipwayError(failed.code, failed.message);
    throw Object.assign(new Error(failed.message), { code: failed.code, file: failed.name });
  }

  /** Sees to what waits for company: a thread is sent it, or it is written here when all of them have enough to do. */
  flush(): void {
    const message = this.#message;
    if (message.length === 0) return;
    const bytes = this.#bytes;
    this.#message = [];
    this.#weight = 0;
    this.#bytes = 0;
    const thread = this.#threadFor(bytes);
    if (thread === undefined) return this.#write(message);
    thread.waiting.push(message.map(({ settle }) => settle));
    const batches: FileBatches = message.map(({ batch }) => batch);
    thread.worker.postMessage(
      batches,
      batches.map(({ facts }) => facts.buffer as ArrayBuffer),
    );
  }

  /** Whether `room` would return at once. */
  get hasRoom(): boolean {
    return !this.#wroteHere && !this.#isAhead();
  }

  /** Hears what threads have done, and waits when they have too much to do. */
  async room(): Promise<void> {
    if (this.#wroteHere) await new Promise<void>((resolve) => setImmediate(resolve));
    this.#wroteHere = false;
    while (this.#isAhead()) await new Promise<void>((resolve) => (this.#freed = resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(new Int32Array(this.#stopped), 0, 1);
    this.flush();
    for (const { worker } of this.#threads) worker.postMessage('end');
    await Promise.all(this.#exits);
  }

  #isAhead(): boolean {
    return this.#threads.some(({ waiting }) => waiting.length > AHEAD);
  }

  #write(message: readonly { readonly batch: FileBatch; readonly settle: Settle }[]): void {
    const isStopped = new Int32Array(this.#stopped)[0] === 1;
    for (const { batch, settle } of message) settle(isStopped ? {} : this.#here.write(batch));
    this.#wroteHere = true;
  }

  /** Who is to write so many bytes; undefined: this thread. */
  #threadFor(bytes: number): CrewThread | undefined {
    const isLarge = bytes > HERE;
    if (!isLarge && this.#allFiles < WORTH_THREADS.files && this.#allBytes < WORTH_THREADS.bytes) return undefined;
    const least = this.#threads.reduce<CrewThread | undefined>(
      (one, other) => (one === undefined || other.waiting.length < one.waiting.length ? other : one),
      undefined,
    );
    if (least?.waiting.length === 0) return least;
    // With this thread there is one for each processor, and without it where files are so large that it writes none.
    const wanted = Math.min(MOST_THREADS, Math.max(1, isLarge ? this.#processors : this.#processors - 1));
    if (this.#threads.length < wanted) return this.#start(this.#threads.length);
    return least !== undefined && least.waiting.length >= AHEAD && !isLarge ? undefined : least;
  }

  #start(index: number): CrewThread {
    const workerData: FileCrewData = { stopped: this.#stopped, temporary: `.slipway-${process.pid}-t${index}` };
    const worker = new Worker(workerUrl(import.meta.url, 'folder-files'), { workerData });
    this.#exits.push(new Promise<void>((resolve) => worker.once('exit', () => resolve())));
    const waiting: Settle[][] = [];
    const settle = (ends: readonly FileBatchEnd[] | Error): void => {
      for (const [at, each] of (waiting.shift() ?? []).entries()) each(ends instanceof Error ? ends : (ends[at] as FileBatchEnd));
      this.#freed?.();
    };
    worker.on('message', settle);
    worker.on('error', (error) => {
      while (waiting.length > 0) settle(error);
    });
    const thread = { worker, waiting };
    this.#threads.push(thread);
    return thread;
  }
}
