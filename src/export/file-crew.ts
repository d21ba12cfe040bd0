// Threads that write many files at once: making a file is work of the kernel's, and one processor is soon busy with it.

import { Worker } from 'node:worker_threads';
import { type BytePath, SlipwayError, workerUrl } from '../base/index.ts';

/** Numbers of a file in `FileBatch.facts`: size, mode, mtime, its nanoseconds, descriptor of its bytes (-1: none), offset in it. */
export const FACTS = 6;

/** Files of one directory. Descriptors belong to the whole process: threads use those of the main thread. */
export interface FileBatch {
  /** Descriptor of the directory. */
  readonly folder: number;
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

/** Batches that wait for each thread, so that none is ever idle. */
const AHEAD = 8;

/** The threads of one export. Disposing waits until they write no more. */
export class FileCrew implements AsyncDisposable {
  readonly #stopped = new SharedArrayBuffer(4);
  readonly #threads: { readonly worker: Worker; readonly waiting: ((end: FileBatchEnd | Error) => void)[] }[];
  readonly #exits: Promise<void>[];
  #freed: (() => void) | undefined;

  constructor(threads: number) {
    this.#threads = Array.from({ length: threads }, (_, index) => this.#start(index));
    this.#exits = this.#threads.map(({ worker }) => new Promise<void>((resolve) => worker.once('exit', () => resolve())));
  }

  /** Writes a batch. Rejects with the error of the first file that could not be written: `code` is the kernel's, `file` its name. */
  async write(batch: FileBatch): Promise<void> {
    const thread = this.#threads.reduce((least, other) => (other.waiting.length < least.waiting.length ? other : least));
    const end = await new Promise<FileBatchEnd | Error>((resolve) => {
      thread.waiting.push(resolve);
      thread.worker.postMessage(batch, [batch.facts.buffer as ArrayBuffer]);
    });
    if (end instanceof Error) throw end;
    const { failed } = end;
    if (failed === undefined) return;
    if (failed.code === undefined) throw new Error(failed.message);
    if (failed.code === 'FILE_CHANGED') throw new SlipwayError(failed.code, failed.message);
    throw Object.assign(new Error(failed.message), { code: failed.code, file: failed.name });
  }

  /** Waits until there is room for another batch. */
  async room(): Promise<void> {
    while (this.#threads.every(({ waiting }) => waiting.length >= AHEAD)) await new Promise<void>((resolve) => (this.#freed = resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(new Int32Array(this.#stopped), 0, 1);
    for (const { worker } of this.#threads) worker.postMessage('end');
    await Promise.all(this.#exits);
  }

  #start(index: number): { readonly worker: Worker; readonly waiting: ((end: FileBatchEnd | Error) => void)[] } {
    const workerData: FileCrewData = { stopped: this.#stopped, temporary: `.slipway-${process.pid}-${index}` };
    const worker = new Worker(workerUrl(import.meta.url, 'folder-files'), { workerData });
    const waiting: ((end: FileBatchEnd | Error) => void)[] = [];
    const settle = (end: FileBatchEnd | Error): void => {
      waiting.shift()?.(end);
      this.#freed?.();
    };
    worker.on('message', settle);
    worker.on('error', (error) => {
      while (waiting.length > 0) settle(error);
    });
    return { worker, waiting };
  }
}
