// Talks to the thread that copies and compares trees: its memory (the state of a whole tree) goes with it.

import { Worker } from 'node:worker_threads';
import { type BytePath, SlipwayError, workerUrl } from '../base/index.ts';
import type { OverlayNamespace } from '../layer/index.ts';

/** What the thread can be asked. */
export type CopyTask =
  | { readonly type: 'copy'; readonly lowers: readonly string[]; readonly target: string }
  /** Answers `dir` or `file`, or nothing when the stack has no such path. */
  | { readonly type: 'select'; readonly lowers: readonly string[]; readonly selector: BytePath; readonly target: string }
  | { readonly type: 'scan'; readonly root: string }
  | { readonly type: 'difference'; readonly root: string; readonly target: string; readonly overlay: OverlayNamespace };

export type CopyAnswer =
  { readonly ok: true; readonly value: string | undefined } | { readonly ok: false; readonly message: string; readonly code?: string };

/** A thread; tasks run one after the other. */
export interface CopyThread extends AsyncDisposable {
  /** Rejects with `ROOTFS_COPY` when the filesystem refuses, or with the signal's reason (the thread ends then). */
  run(task: CopyTask, signal: AbortSignal): Promise<string | undefined>;
}

/** Starts a thread. */
export function openCopyThread(): CopyThread {
  const worker = new Worker(workerUrl(import.meta.url, 'copy-root'));
  worker.unref();
  return {
    run: (task, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const settle = (work: () => void): void => {
          worker.off('message', onMessage).off('error', onError).unref();
          signal.removeEventListener('abort', onAbort);
          work();
        };
        const onMessage = (answer: CopyAnswer): void => settle(() => (answer.ok ? resolve(answer.value) : reject(copyError(answer))));
        const onError = (error: Error): void => settle(() => reject(error));
        const onAbort = (): void => settle(() => void worker.terminate().then(() => reject(signal.reason as Error), reject));
        worker.on('message', onMessage).on('error', onError).ref();
        signal.addEventListener('abort', onAbort, { once: true });
        worker.postMessage(task);
      }),
    [Symbol.asyncDispose]: async () => {
      await worker.terminate();
    },
  };
}

/** Threads that are used one task at a time and kept for the next: a view needs no memory of its own. */
export class CopyThreads implements AsyncDisposable {
  readonly #idle: CopyThread[] = [];

  async run(task: CopyTask, signal: AbortSignal): Promise<string | undefined> {
    const thread = this.#idle.pop() ?? openCopyThread();
    try {
      return await thread.run(task, signal);
    } finally {
      // An aborted thread has ended.
      if (!signal.aborted) this.#idle.push(thread);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const thread of this.#idle.splice(0)) await thread[Symbol.asyncDispose]();
  }
}

function copyError({ message, code }: Extract<CopyAnswer, { ok: false }>): SlipwayError {
  return new SlipwayError('ROOTFS_COPY', `a root filesystem cannot be copied: ${message}`, {
    ...(code === 'ENOSPC' ? { hint: 'the disk is full: slipway prune, or a store elsewhere (--root)' } : {}),
    facts: { errno: code },
  });
}
