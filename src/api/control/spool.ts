// The status messages of one build, on disk: a client that reads slowly, or comes late, costs no memory. The file is what the build
// history keeps: each message behind its length (uint32, little endian).

import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ProgressEvent } from '../../base/index.ts';
import { Arrivals } from '../arrivals.ts';
import { type StatusResponse, StatusResponseSchema } from '../gen/control_pb.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { type StepCounts, StatusWriter } from './status-writer.ts';

/** Milliseconds between messages while much happens. */
const FLUSH_EVERY_MS = 50;
const FLUSH_LOG_BYTES = 256 << 10;

/** Takes what happens in a build. */
export interface StatusSink {
  add(event: ProgressEvent): void;
  /** A frontend's own finding, in the protocol's form. */
  warn(warning: Parameters<StatusWriter['warn']>[0]): void;
}

/** Written while the build runs, read from any place by any number of clients. */
export class StatusSpool implements StatusSink {
  /** Changes when the history takes the file over. */
  path: string;
  readonly #fd: number;
  readonly #writer = new StatusWriter();
  readonly #arrivals = new Arrivals();
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  #done = false;

  constructor(path: string) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#fd = openSync(path, 'w', 0o600);
  }

  /** Bytes written. */
  get size(): number {
    return this.#size;
  }

  get counts(): StepCounts {
    return this.#writer.counts;
  }

  add(event: ProgressEvent): void {
    if (this.#done) return;
    this.#writer.add(event);
    this.#schedule();
  }

  warn(warning: Parameters<StatusWriter['warn']>[0]): void {
    if (this.#done) return;
    this.#writer.warn(warning);
    this.#schedule();
  }

  /** No more events. Readers come to their end. */
  finish(): void {
    if (this.#done) return;
    this.#flush();
    this.#done = true;
    closeSync(this.#fd);
    this.#arrivals.announce();
  }

  /** Nobody will ask for it again. */
  remove(): void {
    rmSync(this.path, { force: true });
  }

  /** All messages from the first on, as they come, until the build is over. */
  async *read(signal: AbortSignal): AsyncGenerator<StatusResponse> {
    const fd = openSync(this.path, 'r');
    try {
      let at = 0;
      for (;;) {
        while (at < this.#size) {
          const message = readMessage(fd, at);
          at += message.length + 4;
          yield fromBinary(StatusResponseSchema, message);
        }
        if (this.#done) return;
        if (signal.aborted) return;
        await this.#arrivals.next(signal);
      }
    } finally {
      closeSync(fd);
    }
  }

  #schedule(): void {
    if (this.#writer.pendingLogBytes > FLUSH_LOG_BYTES) {
      this.#flush();
      return;
    }
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_EVERY_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const message of this.#writer.take()) {
      const bytes = toBinary(StatusResponseSchema, message);
      const header = Buffer.allocUnsafe(4);
      header.writeUInt32LE(bytes.length);
      writeSync(this.#fd, header);
      writeSync(this.#fd, bytes);
      this.#size += 4 + bytes.length;
    }
    this.#arrivals.announce();
  }
}

/** Messages of a finished build's spool file. */
export function* readSpool(path: string): Generator<StatusResponse> {
  const fd = openSync(path, 'r');
  try {
    for (let at = 0; ;) {
      const message = readMessage(fd, at);
      if (message.length === 0) return;
      at += message.length + 4;
      yield fromBinary(StatusResponseSchema, message);
    }
  } finally {
    closeSync(fd);
  }
}

/** The message at `at`; empty at the end of the file. */
function readMessage(fd: number, at: number): Buffer {
  const header = Buffer.allocUnsafe(4);
  if (readSync(fd, header, 0, 4, at) < 4) return Buffer.alloc(0);
  const message = Buffer.allocUnsafe(header.readUInt32LE());
  if (readSync(fd, message, 0, message.length, at + 4) < message.length) throw new RpcError('dataLoss', 'the log of this build is cut off');
  return message;
}
