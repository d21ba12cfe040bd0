// Files of one directory, written one after the other: by a thread, or by whoever has nothing better to do.

import { constants, existsSync, mkdirSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import type { FileBytes } from '../layer/index.ts';
import { closeFile, openAt } from '../sys/index.ts';
import { readWhole } from './file-bytes.ts';
import { type FileFacts, type FilePlace, putFile, settleFile } from './put-file.ts';

/** Numbers of a file in `FileBatch.facts`: size, mode, mtime, its nanoseconds, descriptor of its bytes (-1: none), offset in it. */
export const FACTS = 6;
const SIZE = 0;
const MODE = 1;
const MTIME = 2;
const MTIME_NS = 3;
const FD = 4;
const OFFSET = 5;

/** A directory with nothing but files in it: it is made, and completed after them. */
export interface NewDirectory {
  readonly name: BytePath;
  readonly facts: FileFacts;
}

/** An open directory, and a path that leads nowhere else. */
export interface OpenFolder {
  readonly fd: number;
  readonly path: BytePath;
}

/** Files of one directory. Descriptors belong to the whole process: threads use those of the main thread. */
export interface FileBatch {
  /** The directory, open, and as a path that leads nowhere else; the one above, when there is `directory`. */
  readonly folder: OpenFolder;
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

/** Files whose bytes stand close to each other are read at once. */
const READ = 256 * 1024;
/** What may lie between: the end of one and a header of a tar. */
const GAP = 4096;

const throughProc = existsSync('/proc/self/fd');

/** An open directory as a path that leads nowhere else; where the system has none, by its name. */
export function pathOfOpen(fd: number, path: BytePath): BytePath {
  return throughProc ? `/proc/self/fd/${fd}` : path;
}

/** Writes batches. Names that begin with `temporary` are nobody else's. */
export class BatchWriter {
  readonly #temporary: string;
  readonly #buffer = Buffer.allocUnsafeSlow(READ);
  #count = 0;

  constructor(temporary: string) {
    this.#temporary = temporary;
  }

  /** Writes the files until one fails. Synchronous. */
  write(batch: FileBatch): FileBatchEnd {
    const { folder, isNew, directory } = batch;
    if (directory === undefined) return this.#files(batch, this.#place(folder, isNew));
    let fd: number | undefined;
    try {
      const path = `${folder.path}/${directory.name}`;
      const made = makeDirectory(path);
      fd = openAt(folder.fd, directory.name, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      const end = this.#files(batch, this.#place({ fd, path: pathOfOpen(fd, path) }, made));
      if (end.failed === undefined) settleFile(fd, directory.facts);
      return end;
    } catch (error) {
      return failure('', error);
    } finally {
      if (fd !== undefined) closeFile(fd);
    }
  }

  #files({ names, facts, xattrs }: FileBatch, place: FilePlace): FileBatchEnd {
    for (let from = 0, end = 0; from < names.length; from = end) {
      end = runEnd(facts, from, names.length);
      let name: BytePath = '';
      try {
        const run = end - from > 1 ? this.#read(facts, from, end) : undefined;
        for (let index = from; index < end; index += 1) {
          name = names[index] as BytePath;
          putFile(place, name, factsOf(facts, index, xattrs?.[index]), sourceOf(facts, index, from, run));
        }
      } catch (error) {
        return failure(name, error);
      }
    }
    return {};
  }

  /** The bytes from the first file of a run to the end of its last; undefined when there are fewer: then each file says it itself. */
  #read(facts: Float64Array, from: number, end: number): Uint8Array | undefined {
    const first = numberOf(facts, from, OFFSET);
    const length = numberOf(facts, end - 1, OFFSET) + numberOf(facts, end - 1, SIZE) - first;
    return readWhole(numberOf(facts, from, FD), this.#buffer, length, first) ? this.#buffer : undefined;
  }

  #place({ fd, path }: OpenFolder, isNew: boolean): FilePlace {
    const temporary = (): BytePath => `${this.#temporary}-${(this.#count += 1)}`;
    return { folder: fd, at: (name) => fsPath(`${path}/${name}`), isNew, temporary };
  }
}

/** Where the files that are read together with `from` end. */
function runEnd(facts: Float64Array, from: number, count: number): number {
  const fd = numberOf(facts, from, FD);
  const start = numberOf(facts, from, OFFSET);
  let stop = start + numberOf(facts, from, SIZE);
  let end = from + 1;
  for (; end < count && fd >= 0 && numberOf(facts, end, FD) === fd; end += 1) {
    const offset = numberOf(facts, end, OFFSET);
    const size = numberOf(facts, end, SIZE);
    if (offset < stop || offset > stop + GAP || offset + size > start + READ) break;
    stop = offset + size;
  }
  return end;
}

function sourceOf(facts: Float64Array, index: number, from: number, run: Uint8Array | undefined): FileBytes | Uint8Array | undefined {
  const fd = numberOf(facts, index, FD);
  if (fd < 0) return undefined;
  const size = numberOf(facts, index, SIZE);
  const offset = numberOf(facts, index, OFFSET);
  if (run === undefined) return { fd, offset, size, [Symbol.dispose]: () => {} };
  const at = offset - numberOf(facts, from, OFFSET);
  return run.subarray(at, at + size);
}

function factsOf(facts: Float64Array, index: number, xattrs: FileFacts['xattrs']): FileFacts {
  return {
    size: numberOf(facts, index, SIZE),
    mode: numberOf(facts, index, MODE),
    mtime: numberOf(facts, index, MTIME),
    mtimeNs: numberOf(facts, index, MTIME_NS),
    ...(xattrs === undefined ? {} : { xattrs }),
  };
}

function numberOf(facts: Float64Array, index: number, field: number): number {
  return facts[index * FACTS + field] as number;
}

/** False: somebody else made it meanwhile, so that there may be something in it. */
function makeDirectory(path: BytePath): boolean {
  try {
    mkdirSync(fsPath(path), 0o700);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return false;
  }
}

function failure(name: BytePath, error: unknown): FileBatchEnd {
  const code = errnoOf(error);
  return { failed: { name, message: (error as Error).message, ...(code === undefined ? {} : { code }) } };
}
