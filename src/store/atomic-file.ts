// Whole files that appear at once: temporary name, write, rename.

import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../base/index.ts';
import { inStore } from './faults.ts';

let counter = 0;

/** A name beside nothing else's: this process's and this moment's. */
export function freshName(): string {
  counter += 1;
  return `${process.pid.toString(36)}-${counter.toString(36)}-${Math.floor(Math.random() * 0xffffffff).toString(36)}`;
}

/**
 * Writes a file so that a reader sees the old one or the new one, never a part. `durable` also survives power loss.
 * The folder is made when it is missing. `temporary` is where it is written first (same filesystem); default: beside it, `.tmp-…`.
 */
export function writeFileAtomic(
  root: string,
  path: string,
  content: string | Uint8Array,
  options: { readonly durable?: boolean; readonly temporary?: string } = {},
): void {
  inStore(root, `writing ${path}`, () => {
    const temporary = options.temporary ?? `${dirname(path)}/.tmp-${freshName()}`;
    const fd = openMakingFolder(temporary);
    try {
      try {
        writeAll(fd, typeof content === 'string' ? Buffer.from(content, 'utf8') : content);
        if (options.durable === true) fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameMakingFolder(temporary, path);
    } catch (error) {
      unlinkIfThere(temporary);
      throw error;
    }
    if (options.durable === true) syncFolder(dirname(path));
  });
}

/** Makes the entries of a folder survive power loss. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes the bytes of a file survive power loss, beside other work; nothing when it does not exist. */
export async function syncLater(path: string): Promise<void> {
  try {
    const file = await open(path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Removes a file; true when it was there. */
export function unlinkIfThere(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Renames into a folder that may be missing. */
export function renameMakingFolder(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(to), { recursive: true });
    renameSync(from, to);
  }
}

function openMakingFolder(path: string): number {
  try {
    return openSync(path, 'wx', 0o644);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'wx', 0o644);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}
