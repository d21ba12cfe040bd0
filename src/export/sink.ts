// Where an archive's bytes go: a file that appears whole under its name, or a stream that is written as fast as it takes.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { errnoOf, SlipwayError, toBytePath } from '../base/index.ts';
import { copyRange, makeFolders, renameExchange, tryLock } from '../sys/index.ts';
import { TimeSlices } from './time-slice.ts';

/** Takes an archive in order. `finish` makes it whole; disposing without that leaves nothing behind. */
export interface Sink extends Disposable {
  /** Bytes so far. */
  readonly written: number;
  write(bytes: Uint8Array): Promise<void>;
  /** Bytes of an open file from an offset. Fails when there are fewer. */
  copy(fd: number, offset: number, size: number): Promise<void>;
  finish(): Promise<void>;
}

const BUFFER = 1 << 20;
const COPY_AT_ONCE = 16 << 20;

/** Opens a file as a sink. Missing folders are made. What is no regular file (`/dev/stdout`, a pipe) is written to directly. */
export function openFileSink(path: string, signal: AbortSignal): Sink {
  try {
    makeFolders(dirname(path));
    const existing = statSync(path, { throwIfNoEntry: false });
    if (existing !== undefined && !existing.isFile()) return new FileSink(openSync(path, 'w'), undefined, path, signal);
    removeUnfinished(path);
    const { fd, temporary } = openUnfinished(path, existing === undefined ? 0o644 : existing.mode & 0o777);
    return new FileSink(fd, temporary, path, signal);
  } catch (cause) {
    throw writeFault(path, cause);
  }
}

/** Ends the names of files that are not whole yet. */
const UNFINISHED = '.slipway-part';

/** A new file beside `path`, locked as long as its writer lives. */
function openUnfinished(path: string, mode: number): { readonly fd: number; readonly temporary: string } {
  for (;;) {
    const temporary = join(dirname(path), `.${basename(path)}.${Math.random().toString(36).slice(2, 10)}${UNFINISHED}`);
    const fd = openSync(temporary, 'wx', mode);
    // Between the two somebody may have taken it for one whose writer is gone.
    if (mayLock(fd) !== false && existsSync(temporary)) return { fd, temporary };
    closeSync(fd);
  }
}

/** Removes what builders left beside `path` that were killed while they wrote it. What cannot be looked at stays. */
function removeUnfinished(path: string): void {
  const folder = dirname(path);
  const isLeft = (name: string): boolean => name.startsWith(`.${basename(path)}.`) && name.endsWith(UNFINISHED);
  for (const name of namesIn(folder).filter(isLeft)) {
    let fd: number | undefined;
    try {
      fd = openSync(join(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      if (mayLock(fd) === true) unlinkSync(join(folder, name));
    } catch {
      // Another one's, or gone meanwhile.
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // It may be written, and not listed.
  }
}

/** Undefined: a file system without such locks. */
function mayLock(fd: number): boolean | undefined {
  try {
    return tryLock(fd, 'exclusive');
  } catch {
    return undefined;
  }
}

/** A stream as a sink; it is not ended. */
export function openStreamSink(stream: Writable, signal: AbortSignal): Sink {
  return new StreamSink(stream, signal);
}

/** The failure of an output that could not be written; what is said in words already stays. */
export function writeFault(path: string, cause: unknown): unknown {
  if (cause instanceof SlipwayError) return cause;
  const code = errnoOf(cause);
  if (code === undefined) return cause;
  const reasons: Readonly<Record<string, readonly [string, string]>> = {
    ENOSPC: ['the disk is full', 'make room, or write elsewhere'],
    EDQUOT: ['the quota is used up', 'make room, or write elsewhere'],
    EACCES: ['permission denied', 'write to a folder that is yours'],
    EROFS: ['the file system is read-only', 'write elsewhere'],
    EISDIR: ['it is a directory', 'name a file'],
    ENOTDIR: ['a part of the path is no directory', 'check the path'],
    ENOENT: ['its folder cannot be made', 'check the path, or write elsewhere'],
    EPERM: ['permission denied', 'write to a folder that is yours'],
    ENAMETOOLONG: ['a part of the path is too long', 'give it a shorter name'],
    EPIPE: ['the reader went away', 'check what reads the output'],
  };
  const [reason, hint] = reasons[code] ?? [(cause as Error).message, undefined];
  return new SlipwayError('EXPORT_WRITE', `cannot write ${path}: ${reason}`, {
    ...(hint === undefined ? {} : { hint }),
    cause,
    facts: { path, cause: code },
  });
}

class FileSink implements Sink {
  written = 0;
  readonly #fd: number;
  readonly #temporary: string | undefined;
  readonly #path: string;
  readonly #slices: TimeSlices;
  readonly #regular: boolean;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER);
  #held = 0;
  #open = true;

  constructor(fd: number, temporary: string | undefined, path: string, signal: AbortSignal) {
    this.#fd = fd;
    this.#temporary = temporary;
    this.#path = path;
    this.#slices = new TimeSlices(signal);
    this.#regular = fstatSync(fd).isFile();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#held + bytes.length > BUFFER) this.#flush();
    if (bytes.length >= BUFFER) this.#put(bytes, this.written);
    else {
      this.#buffer.set(bytes, this.#held);
      this.#held += bytes.length;
    }
    this.written += bytes.length;
    if (this.#slices.over) await this.#slices.pause();
  }

  async copy(fd: number, offset: number, size: number): Promise<void> {
    if (size >= BUFFER && this.#regular && (await this.#copyInKernel(fd, offset, size))) return;
    for (let done = 0; done < size;) {
      if (this.#held === BUFFER) this.#flush();
      const length = readSync(fd, this.#buffer, this.#held, Math.min(BUFFER - this.#held, size - done), offset + done);
      if (length === 0) throw tooShort(size, done);
      this.#held += length;
      done += length;
      this.written += length;
      if (this.#slices.over) await this.#slices.pause();
    }
  }

  async finish(): Promise<void> {
    await this.#slices.pause();
    this.#flush();
    try {
      // Open, and with that locked, until it has its name.
      if (this.#temporary !== undefined) await putInPlace(this.#temporary, this.#path);
    } catch (cause) {
      this.#drop();
      throw writeFault(this.#path, cause);
    } finally {
      this.#close();
    }
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#close();
    this.#drop();
  }

  /** What was written and gets no name. The failure that led here counts, not that it is gone already. */
  #drop(): void {
    if (this.#temporary !== undefined) rmSync(this.#temporary, { force: true });
  }

  async #copyInKernel(fd: number, offset: number, size: number): Promise<boolean> {
    this.#flush();
    for (let done = 0; done < size;) {
      const length = copyRange(fd, offset + done, this.#fd, this.written, Math.min(COPY_AT_ONCE, size - done));
      if (length === undefined && done === 0) return false;
      if (length === undefined || length === 0) throw tooShort(size, done);
      done += length;
      this.written += length;
      if (this.#slices.over) await this.#slices.pause();
    }
    return true;
  }

  #flush(): void {
    if (this.#held === 0) return;
    const held = this.#held;
    this.#held = 0;
    this.#put(this.#buffer.subarray(0, held), this.written - held);
  }

  /** At a position, since copying in the kernel does not move the file's own. */
  #put(bytes: Uint8Array, at: number): void {
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#regular ? at + done : null);
      }
    } catch (cause) {
      throw writeFault(this.#path, cause);
    }
  }

  #close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }
}

class StreamSink implements Sink {
  written = 0;
  readonly #stream: Writable;
  readonly #signal: AbortSignal;
  #failure: Error | undefined;
  readonly #onError = (error: Error): void => {
    this.#failure ??= error;
  };

  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    stream.on('error', this.#onError);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.written += bytes.length;
    // The caller may use its buffer again.
    if (this.#stream.write(Buffer.from(bytes))) this.#check();
    else await this.#drained();
  }

  async copy(fd: number, offset: number, size: number): Promise<void> {
    for (let done = 0; done < size;) {
      const buffer = Buffer.allocUnsafe(Math.min(BUFFER, size - done));
      const length = readSync(fd, buffer, 0, buffer.length, offset + done);
      if (length === 0) throw tooShort(size, done);
      done += length;
      this.written += length;
      if (this.#stream.write(buffer.subarray(0, length))) this.#check();
      else await this.#drained();
    }
  }

  /** Waits until everything was taken. */
  async finish(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#check();
      this.#stream.write('', (error) =>
        error === null || error === undefined ? resolve() : reject(writeFault('the output stream', error)),
      );
    });
  }

  [Symbol.dispose](): void {
    // The listener stays for a moment: a failed write may still report itself.
    setImmediate(() => this.#stream.off('error', this.#onError));
  }

  #check(): void {
    this.#signal.throwIfAborted();
    if (this.#failure !== undefined) throw writeFault('the output stream', this.#failure);
    if (this.#stream.destroyed) throw new SlipwayError('EXPORT_WRITE', 'cannot write the output stream: it was closed');
  }

  async #drained(): Promise<void> {
    this.#check();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const event of ['drain', 'close', 'error']) this.#stream.off(event, done);
        this.#signal.removeEventListener('abort', done);
        resolve();
      };
      for (const event of ['drain', 'close', 'error']) this.#stream.once(event, done);
      this.#signal.addEventListener('abort', done, { once: true });
    });
    this.#check();
  }
}

function tooShort(size: number, done: number): SlipwayError {
  return new SlipwayError('BLOB_TRUNCATED', `a file ends after ${done} of ${size} bytes while it is exported`, {
    hint: 'it was changed or damaged; build again',
  });
}

/**
 * Gives a finished file its name. The two change places where there was one before: ext4 would write a file that is renamed over
 * another one out at once, all of it, and what it takes to drop a large old file needs not be waited for by others.
 */
async function putInPlace(temporary: string, path: string): Promise<void> {
  try {
    renameExchange(toBytePath(temporary), toBytePath(path));
  } catch {
    // Nothing there yet, or a filesystem that cannot: the plain way.
    return renameSync(temporary, path);
  }
  try {
    await unlink(temporary);
  } catch (error) {
    // Somebody who takes away what killed builders left was quicker.
    if (errnoOf(error) === 'ENOENT') return;
    // Somebody made a directory there meanwhile: it gets its name back.
    renameExchange(toBytePath(temporary), toBytePath(path));
    throw error;
  }
}
