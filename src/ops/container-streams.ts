// What a process in a frontend's container reads and writes: three pipes, or a terminal.

import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { SlipwayError } from '../base/index.ts';
import { openPipe, openTerminal, setTerminalSize, type Terminal } from '../sys/index.ts';

/** Both ends of everything. Ours end by themselves once nobody has theirs. */
export interface Streams {
  readonly ours: { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable };
  readonly theirs: { readonly stdin: number; readonly stdout: number; readonly stderr: number };
  /** Closes their ends here, once. */
  handedOver(): void;
  /** Whether there is a terminal; it has that size now. */
  resize(size: { readonly columns: number; readonly rows: number }): boolean;
}

/** Pipes. */
export function openStreams(): Streams {
  const input = openPipe();
  const output = openPipe();
  const errors = openPipe();
  let open = true;
  return {
    ours: {
      stdin: streamOf(input.write, { readable: false, writable: true }),
      stdout: streamOf(output.read, { readable: true, writable: false }),
      stderr: streamOf(errors.read, { readable: true, writable: false }),
    },
    theirs: { stdin: input.read, stdout: output.write, stderr: errors.write },
    handedOver: () => {
      if (open) for (const fd of [input.read, output.write, errors.write]) closeSync(fd);
      open = false;
    },
    resize: () => false,
  };
}

function streamOf(fd: number, ways: { readonly readable: boolean; readonly writable: boolean }): Duplex {
  const socket = new Socket({ fd, ...ways });
  // A process may end without reading what it was given.
  socket.on('error', () => socket.destroy());
  return socket;
}

/** A terminal: all output is on stdout. Throws `TERMINAL_MISSING`. */
export function openTerminalStreams(): Streams {
  const { master, slave } = openedTerminal();
  let open = true;
  const terminal = new ReadStream(master);
  const stdout = new PassThrough();
  const end = (): void => void (stdout.writableEnded || stdout.end());
  // EIO: nobody has the other end any more.
  terminal.on('error', end).on('close', end).pipe(stdout);
  return {
    ours: { stdin: inputOf(terminal), stdout, stderr: Readable.from([]) },
    theirs: { stdin: slave, stdout: slave, stderr: slave },
    handedOver: () => {
      if (open) closeSync(slave);
      open = false;
    },
    resize: (size) => {
      if (!terminal.destroyed) setTerminalSize(master, size);
      return true;
    },
  };
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

/** As in BuildKit, the end of what is typed is not the end of the terminal: somebody may only have stopped typing. */
function inputOf(terminal: ReadStream): Writable {
  return new Writable({
    write: (chunk: Buffer, _, done) => {
      if (terminal.destroyed) done();
      else terminal.write(chunk, () => done());
    },
  });
}
