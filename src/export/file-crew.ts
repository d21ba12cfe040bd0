// Threads that write many files at once: making a file is work of the kernel's, and one processor is soon busy with it.

import { Worker } from 'node:worker_threads';
import { type BytePath, SlipwayError, workerUrl } from '../base/index.ts';
import type { FileFacts } from './put-file.ts';

/** Numbers of a file in `FileBatch.facts`: size, mode, mtime, its nanoseconds, descriptor of its bytes (-1: none), offset in it. */
export const FACTS = 6;

/** A directory with nothing but files in it: a thread makes it, and completes it after them. */
export interface NewDirectory {
  readonly name: BytePath;
  readonly facts: FileFacts;
}

/** Files of one directory. Descriptors belong to the whole process: threads use those of the main thread. */
export interface FileBatch {
  /** Descriptor of the directory; of the one above, when it is made by the thread. */
  readonly folder: number;
  readonly directory?: NewDirectory;
  readonly isNew: boolean;
  readonly names: readonly BytePath[];
  readonly facts: Float64Array;
  readonly xattrs?: readonly (Readonly<Record<string, string>> | undefined)[];
}

/** How a batch ended. */
export interface FileBatchEnd {
  /** `code` is the kernel's, or `FILE_CHANGED`. */
  readonly failed?: { readonly name: BytePath; readonly message: string; readonly code?: string };
}

/** What a thread is started with. */
export interface FileCrewData {
  /** A word that says 1 when nothing more is to be written. */
  readonly stopped: SharedArrayBuffer;
  /** Begin of names that nobody else uses. */
  readonly temporary: string;
}

/** What a thread is sent: several batches of few files cost as much as one of many. */
export type FileBatches = readonly FileBatch[];

/** Messages that wait for each thread, so that none is ever idle. */
const AHEAD = 4;
/** Files, and batches of none, in a message. */
const MESSAGE = 64;

interface CrewThread {
  readonly worker: Worker;
  /** Who waits for the batches of each message that was sent. */
  readonly waiting: Settle[][];
}

type Settle = (end: FileBatchEnd | Error) => void;

/** The threads of one export. Disposing waits until they write no more. */
export class FileCrew implements AsyncDisposable {
  readonly #stopped = new SharedArrayBuffer(4);
  readonly #threads: CrewThread[];
  readonly #exits: Promise<void>[];
  #freed: (() => void) | undefined;
  #message: { readonly batch: FileBatch; readonly settle: Settle }[] = [];
  #weight = 0;

  constructor(threads: number) {
    this.#threads = Array.from({ length: threads }, (_, index) => this.#start(index));
    this.#exits = this.#threads.map(({ worker }) => new Promise<void>((resolve) => worker.once('exit', () => resolve())));
  }

  /** Writes a batch. Rejects with the error of the first file that could not be written: `code` is the kernel's, `file` its name. */
  async write(batch: FileBatch): Promise<void> {
    const end = await new Promise<FileBatchEnd | Error>((settle) => {
      this.#message.push({ batch, settle });
      this.#weight += batch.names.length + 1;
      if (this.#weight >= MESSAGE || this.#threads.some(({ waiting }) => waiting.length === 0)) this.flush();
    });
    if (end instanceof Error) throw end;
    const { failed } = end;
    if (failed === undefined) return;
    if (failed.code === undefined) throw new Error(failed.message);
    if (failed.code === 'FILE_CHANGED') throw new SlipwayError(failed.code, failed.message);
    throw Object.assign(new Error(failed.message), { code: failed.code, file: failed.name });
  }

  /** Sends what waits for company. */
  flush(): void {
    const message = this.#message;
    if (message.length === 0) return;
    this.#message = [];
    this.#weight = 0;
    const thread = this.#threads.reduce((least, other) => (other.waiting.length < least.waiting.length ? other : least));
    thread.waiting.push(message.map(({ settle }) => settle));
    const batches: FileBatches = message.map(({ batch }) => batch);
    thread.worker.postMessage(
      batches,
      batches.map(({ facts }) => facts.buffer as ArrayBuffer),
    );
  }

  /** Waits until there is room for another batch. */
  async room(): Promise<void> {
    while (this.#threads.every(({ waiting }) => waiting.length >= AHEAD)) await new Promise<void>((resolve) => (this.#freed = resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(new Int32Array(this.#stopped), 0, 1);
    this.flush();
    for (const { worker } of this.#threads) worker.postMessage('end');
    await Promise.all(this.#exits);
  }

  #start(index: number): CrewThread {
    const workerData: FileCrewData = { stopped: this.#stopped, temporary: `.slipway-${process.pid}-${index}` };
    const worker = new Worker(workerUrl(import.meta.url, 'folder-files'), { workerData });
    const waiting: Settle[][] = [];
    const settle = (ends: readonly FileBatchEnd[] | Error): void => {
      for (const [at, each] of (waiting.shift() ?? []).entries()) each(ends instanceof Error ? ends : (ends[at] as FileBatchEnd));
      this.#freed?.();
    };
    worker.on('message', settle);
    worker.on('error', (error) => {
      while (waiting.length > 0) settle(error);
    });
    return { worker, waiting };
  }
}
