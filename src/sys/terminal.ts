// Pseudo-terminals (pty(7)): a process that believes it talks to a person.

import { closeSync, constants, openSync } from 'node:fs';
import { toBytePath } from '../base/index.ts';
import { syscall } from './syscall.ts';

// The requests are the same on x64 and arm64 (asm-generic/ioctls.h).
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCSWINSZ = 0x5414;
const TIOCSPTLCK = 0x4004_5431;
const TIOCGPTPEER = 0x5441;
/** `struct termios` of the kernel: four words of flags, a byte, nineteen characters. */
const TERMIOS_BYTES = 36;

/** The two ends of a terminal, both closed on exec. */
export interface Terminal {
  /** Where the person would sit. Nobody waits here: EAGAIN where nothing is to be read, or no more can be written (O_NONBLOCK). */
  readonly master: number;
  /** Where the process reads and writes. */
  readonly slave: number;
}

/** Opens a terminal that is nobody's controlling terminal. Throws a SysError where there are none (`/dev/ptmx`). */
export function openTerminal(): Terminal {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  try {
    syscall(toBytePath('/dev/ptmx'), 'ioctl', 'iip', master, TIOCSPTLCK, Buffer.alloc(4));
    const flags = constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC;
    // The other end without a path: /dev/pts may be another one here.
    return { master, slave: syscall(toBytePath('/dev/ptmx'), 'ioctl', 'iii', master, TIOCGPTPEER, flags) };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

const O_CLOEXEC = 0o2000000;

/** Says how large the terminal is, in characters. Its foreground processes get SIGWINCH. */
export function setTerminalSize(fd: number, size: { readonly columns: number; readonly rows: number }): void {
  const words = Buffer.alloc(8);
  words.writeUInt16LE(size.rows, 0);
  words.writeUInt16LE(size.columns, 2);
  syscall(undefined, 'ioctl', 'iip', fd, TIOCSWINSZ, words);
}

/** Bytes pass as they are, both ways: no echo, no lines, no signals (cfmakeraw(3)). For a terminal behind which another one stands. */
export function makeTerminalRaw(fd: number): void {
  const termios = Buffer.alloc(TERMIOS_BYTES);
  syscall(undefined, 'ioctl', 'iip', fd, TCGETS, termios);
  const clear = (at: number, bits: number): void => void termios.writeUInt32LE((termios.readUInt32LE(at) & ~bits) >>> 0, at);
  // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON; OPOST; CSIZE PARENB; ECHO ECHONL ICANON ISIG IEXTEN
  clear(0, 0x5eb);
  clear(4, 0x1);
  clear(8, 0x130);
  clear(12, 0x804b);
  const CS8 = 0x30;
  termios.writeUInt32LE(termios.readUInt32LE(8) | CS8, 8);
  const [VTIME, VMIN] = [17 + 5, 17 + 6];
  termios[VTIME] = 0;
  termios[VMIN] = 1;
  syscall(undefined, 'ioctl', 'iip', fd, TCSETS, termios);
}
