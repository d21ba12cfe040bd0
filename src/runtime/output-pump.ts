// From a process's stdout and stderr to log events: real pipes, secrets blotted out, floods clipped, the end kept for error messages.

import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { JobContext } from '../base/index.ts';
import { openPipe } from '../sys/index.ts';
import { OutputClip, type OutputLimits, Redactor } from './output-filter.ts';

const TAIL_BYTES = 8 << 10;

/** The two streams of one process. */
export interface OutputPump extends Disposable {
  /** Write ends for the child; `childStarted` closes ours. */
  readonly stdout: number;
  readonly stderr: number;
  childStarted(): void;
  /** Resolves when all writers are gone and everything was passed on. */
  readonly ended: Promise<void>;
  /** The last 8 KiB of both streams, clipped parts included. */
  tail(): string;
  /** After a failure: shows the end of what was clipped. */
  flushClipped(): void;
}

/** Opens the pipes; bytes become `log` events of vertex `id`. */
export function openOutputPump(id: string, limits: OutputLimits, secrets: readonly Uint8Array[], job: JobContext): OutputPump {
  let tail: Buffer = Buffer.alloc(0);
  const emit = (stream: 1 | 2, data: Uint8Array): void => job.progress({ type: 'log', id, stream, data, time: job.now().getTime() });
  const open = (stream: 1 | 2): Stream => {
    const { read, write } = openPipe();
    const redactor = new Redactor(secrets);
    const clip = new OutputClip(limits, () => job.now().getTime());
    const socket = new Socket({ fd: read, readable: true, writable: false });
    const show = (bytes: Uint8Array): void => {
      if (bytes.length === 0) return;
      tail = Buffer.concat([tail, bytes]).subarray(-TAIL_BYTES);
      const shown = clip.pass(bytes);
      if (shown !== undefined) emit(stream, shown);
    };
    const ended = new Promise<void>((resolve, reject) => {
      socket.on('data', (chunk: Buffer) => show(redactor.pass(chunk)));
      socket.once('error', reject);
      socket.once('close', () => {
        show(redactor.end());
        resolve();
      });
    });
    return { write, socket, ended, clip, stream };
  };
  const streams = [open(1), open(2)] as const;
  let writable = true;
  const childStarted = (): void => {
    if (writable) for (const { write } of streams) closeSync(write);
    writable = false;
  };
  return {
    stdout: streams[0].write,
    stderr: streams[1].write,
    childStarted,
    ended: Promise.all(streams.map((stream) => stream.ended)).then(() => {}),
    tail: () => tail.toString('utf8'),
    flushClipped: () => {
      for (const { clip, stream } of streams) {
        const rest = clip.tail();
        if (rest !== undefined) emit(stream, rest);
      }
    },
    [Symbol.dispose]: () => {
      childStarted();
      for (const { socket } of streams) socket.destroy();
    },
  };
}

interface Stream {
  readonly write: number;
  readonly socket: Socket;
  readonly ended: Promise<void>;
  readonly clip: OutputClip;
  readonly stream: 1 | 2;
}
