// What a process in a frontend's container reads and writes: three pipes, or a terminal.

import { closeSync, readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { errnoOf, SlipwayError } from '../base/index.ts';
import { openPipe, openTerminal, setTerminalSize, type Terminal } from '../sys/index.ts';

/** Of what is left in a terminal at a time. */
const REST_BYTES = 64 << 10;
/** Until a terminal that took no more is tried again, milliseconds. */
const FULL_MS = 10;

/** Both ends of everything. Ours end by themselves once nobody has theirs. */
export interface Streams {
  readonly ours: { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable };
  readonly theirs: { readonly stdin: number; readonly stdout: number; readonly stderr: number };
  /** The process has its ends. */
  handedOver(): void;
  /** The process has ended, or never began: what it wrote is in `ours` now, whole, and ends there. */
  over(): void;
  /** Whether there is a terminal; it has that size now. */
  resize(size: { readonly columns: number; readonly rows: number }): boolean;
}

/** Pipes. */
export function openStreams(): Streams {
  const input = openPipe();
  const output = openPipe();
  const errors = openPipe();
  let open = true;
  const handedOver = (): void => {
    if (open) for (const fd of [input.read, output.write, errors.write]) closeSync(fd);
    open = false;
  };
  return {
    ours: {
      stdin: streamOf(input.write, { readable: false, writable: true }),
      stdout: streamOf(output.read, { readable: true, writable: false }),
      stderr: streamOf(errors.read, { readable: true, writable: false }),
    },
    theirs: { stdin: input.read, stdout: output.write, stderr: errors.write },
    handedOver,
    over: handedOver,
    resize: () => false,
  };
}

function streamOf(fd: number, ways: { readonly readable: boolean; readonly writable: boolean }): Duplex {
  const socket = new Socket({ fd, ...ways });
  // A process may end without reading what it was given.
  socket.on('error', () => socket.destroy());
  return socket;
}

/**
 * A terminal: all output is on stdout. Throws `TERMINAL_MISSING`. Their end stays open here until all is over: a stream that sees the other
 * end of a terminal closed ends after one read, whatever else was written (libuv takes a short read and a hang-up for the end).
 */
export function openTerminalStreams(): Streams {
  const { master, slave } = openedTerminal();
  const terminal = new ReadStream(master);
  const stdout = new PassThrough();
  terminal.on('error', () => terminal.destroy()).pipe(stdout);
  let open = true;
  return {
    ours: { stdin: inputOf(terminal, master), stdout, stderr: Readable.from([]) },
    theirs: { stdin: slave, stdout: slave, stderr: slave },
    handedOver: () => {},
    over: () => {
      if (!open) return;
      open = false;
      terminal.unpipe(stdout);
      for (const chunk of rest(terminal, master)) stdout.write(chunk);
      stdout.end();
      terminal.destroy();
      closeSync(slave);
    },
    resize: (size) => {
      if (!terminal.destroyed) setTerminalSize(master, size);
      return true;
    },
  };
}

/** What was written and has not passed yet: read already, or in the kernel. */
function* rest(terminal: ReadStream, master: number): Generator<Buffer> {
  if (terminal.destroyed) return;
  for (let chunk = terminal.read() as Buffer | null; chunk !== null; chunk = terminal.read() as Buffer | null) yield chunk;
  for (;;) {
    const chunk = Buffer.alloc(REST_BYTES);
    const length = unlessFull(() => readSync(master, chunk));
    if (length === undefined || length === 0) return;
    yield chunk.subarray(0, length);
  }
}

/** Undefined: nothing can be read, or no more be written, just now. */
function unlessFull(transfer: () => number): number | undefined {
  try {
    return transfer();
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return undefined;
    throw error;
  }
}

function openedTerminal(): Terminal {
  try {
    return openTerminal();
  } catch (cause) {
    throw new SlipwayError('TERMINAL_MISSING', `no terminal can be had for the process: ${(cause as Error).message}`, {
      cause,
      hint: 'give the machine that builds /dev/ptmx, or ask for a process without terminal',
    });
  }
}

/**
 * As in BuildKit, the end of what is typed is not the end of the terminal: somebody may only have stopped typing. A process that reads
 * nothing holds up its own input only: Node itself would wait inside the write (libuv writes to a terminal's outer end blocking).
 */
function inputOf(terminal: ReadStream, master: number): Writable {
  return new Writable({
    write: (chunk: Buffer, _, done) => {
      const put = (from: number): void => {
        let at = from;
        try {
          while (!terminal.destroyed && at < chunk.length) {
            const written = unlessFull(() => writeSync(master, chunk, at));
            if (written === undefined) return void setTimeout(put, FULL_MS, at);
            at += written;
          }
          done();
        } catch (error) {
          done(error as Error);
        }
      };
      put(0);
    },
  });
}
