// Runs layer tasks: here, or in a worker thread when they are large. Streams go to workers in pieces, never more than a few at once.

import { Worker } from 'node:worker_threads';
import { type JobContext, Semaphore, SlipwayError, workerUrl } from '../base/index.ts';
import { type LayerTask, performTask, type TaskResult } from './layer-tasks.ts';

/** To a worker. */
export type ToWorker =
  | { readonly type: 'task'; readonly task: LayerTask }
  /** A gzip blob is going to be made: what that takes can be loaded. */
  | { readonly type: 'expect' }
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  /** No more bytes; with an error, because the source failed. */
  | { readonly type: 'end'; readonly failed: boolean };

/** From a worker. */
export type FromWorker =
  | { readonly type: 'done'; readonly result: unknown }
  | { readonly type: 'failed'; readonly error: WireError }
  /** So many bytes of the stream were taken. */
  | { readonly type: 'taken'; readonly bytes: number };

/** An error between threads. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly stack?: string;
}

/** Bytes on the way to a worker. */
const WINDOW = 4 << 20;
/** Bytes that are sent at once, unless the worker waits: every message, and what is done with each piece there, costs. */
const BLOCK = 1 << 20;

/** A thread limit, shared by the tasks of one store. */
export class LayerRunner {
  readonly #places: Semaphore;
  #ready: Worker | undefined;

  constructor(threads: number) {
    this.#places = new Semaphore(threads);
  }

  /** Starts a thread ahead of the large task that it is for. */
  warm(): void {
    if (this.#ready !== undefined) return;
    const worker = startThread();
    this.#ready = worker;
    const expect: ToWorker = { type: 'expect' };
    worker.postMessage(expect);
    worker.unref();
    const lost = (): void => {
      if (this.#ready === worker) this.#ready = undefined;
    };
    worker.once('error', lost);
    worker.once('exit', lost);
  }

  /** Runs a task. `large` decides where. */
  async run<T extends LayerTask>(task: T, large: boolean, job: JobContext, stream?: AsyncIterable<Uint8Array>): Promise<TaskResult<T>> {
    job.signal.throwIfAborted();
    if (!large) return await performTask(task, { signal: job.signal, ...(stream === undefined ? {} : { stream }) });
    return await this.#places.use(() => runInWorker(this.#thread(), task, job, stream), job.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ready?.terminate();
  }

  #thread(): Worker {
    const ready = this.#ready;
    if (ready === undefined) return startThread();
    this.#ready = undefined;
    ready.ref();
    return ready;
  }
}

function startThread(): Worker {
  return new Worker(workerUrl(import.meta.url, 'layer'));
}

async function runInWorker<T extends LayerTask>(
  worker: Worker,
  task: T,
  job: JobContext,
  stream: AsyncIterable<Uint8Array> | undefined,
): Promise<TaskResult<T>> {
  const send = (message: ToWorker, transfer: readonly ArrayBuffer[] = []): void => worker.postMessage(message, [...transfer]);
  let feed: Promise<void> | undefined;
  let source: Feed | undefined;
  let abort = (): void => {};
  try {
    return await new Promise<TaskResult<T>>((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'done') resolve(message.result as TaskResult<T>);
        else if (message.type === 'taken') source?.taken(message.bytes);
        else reject(source?.failure ?? errorFromWire(message.error));
      });
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`internal: a layer worker ended with code ${code}`)));
      // The worker may be busy for long without looking at messages: it is terminated.
      abort = () => reject(job.signal.reason as Error);
      job.signal.addEventListener('abort', abort, { once: true });
      send({ type: 'task', task });
      if (stream !== undefined) {
        source = new Feed(stream, send);
        feed = source.run();
      }
    });
  } finally {
    job.signal.removeEventListener('abort', abort);
    source?.stop();
    await worker.terminate();
    await feed;
  }
}

/** Sends a stream to a worker, waiting for it to keep up. */
class Feed {
  /** Why the source failed. */
  failure: Error | undefined;
  readonly #stream: AsyncIterable<Uint8Array>;
  readonly #send: (message: ToWorker, transfer?: readonly ArrayBuffer[]) => void;
  #underway = 0;
  /** What is gathered for the next message, and how much that is. */
  #block: Buffer | undefined;
  #filled = 0;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(stream: AsyncIterable<Uint8Array>, send: (message: ToWorker, transfer?: readonly ArrayBuffer[]) => void) {
    this.#stream = stream;
    this.#send = send;
  }

  async run(): Promise<void> {
    try {
      for await (const bytes of this.#stream) {
        if (this.#stopped) return;
        this.#gather(bytes);
        while (this.#underway > WINDOW && !this.#stopped) await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
    if (this.#stopped) return;
    this.#flush();
    this.#send({ type: 'end', failed: this.failure !== undefined });
  }

  /** Copies: posting a view would send all of the buffer behind it. */
  #gather(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      this.#block ??= Buffer.allocUnsafeSlow(BLOCK);
      const length = Math.min(BLOCK - this.#filled, bytes.length - at);
      this.#block.set(bytes.subarray(at, at + length), this.#filled);
      this.#filled += length;
      at += length;
      if (this.#filled === BLOCK) this.#flush();
    }
    if (this.#underway === 0) this.#flush();
  }

  #flush(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#underway += this.#filled;
    this.#send({ type: 'bytes', bytes: block.subarray(0, this.#filled) }, [block.buffer as ArrayBuffer]);
    this.#block = undefined;
    this.#filled = 0;
  }

  taken(bytes: number): void {
    this.#underway -= bytes;
    this.#wake?.();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }
}

/** For the worker's side. */
export function errorToWire(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const slipway = error instanceof SlipwayError ? { facts: error.facts, ...(error.hint === undefined ? {} : { hint: error.hint }) } : {};
  return { name, message, ...code, ...slipway, ...(stack === undefined ? {} : { stack }) };
}

function errorFromWire(wire: WireError): Error {
  const { name, message, code, hint, facts, stack } = wire;
  const error =
    name === 'SlipwayError' && code !== undefined
      ? new SlipwayError(code, message, { ...(hint === undefined ? {} : { hint }), ...(facts === undefined ? {} : { facts }) })
      : Object.assign(new Error(message), code === undefined ? {} : { code });
  if (stack !== undefined) error.stack = stack;
  return error;
}
