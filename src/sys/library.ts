// Shared libraries of the machine that make something faster when they are there.

import { realpathSync } from 'node:fs';
import { koffi } from './syscall.ts';

/** A foreign function: numbers, buffers, pointers as koffi takes and gives them. */
export type ForeignFunction = (...args: readonly unknown[]) => unknown;

export interface Library {
  /** Declares a function by its C prototype. Throws when the library lacks it. */
  func(prototype: string): ForeignFunction;
  /** Where a buffer's bytes are, for structures that hold pointers. Keep the buffer alive meanwhile. */
  address(bytes: Uint8Array): bigint;
  /** Version as the file's name has it, or the name that was opened. */
  readonly version: string;
}

const opened = new Map<string, Library | undefined>();

/** Opens the first library that the machine has, once per thread; undefined when it has none of them, or koffi does not run here. */
export function openLibrary(names: readonly string[]): Library | undefined {
  const key = names.join(':');
  if (!opened.has(key)) opened.set(key, tryOpen(names));
  return opened.get(key);
}

function tryOpen(names: readonly string[]): Library | undefined {
  for (const name of names) {
    try {
      const binding = koffi();
      const library = binding.load(name);
      return {
        func: (prototype) => library.func(prototype) as ForeignFunction,
        address: (bytes) => binding.address(bytes),
        version: fileVersion(name),
      };
    } catch {
      // Not installed: the caller has another way.
    }
  }
  return undefined;
}

/** `libx.so.2` is a link to `libx.so.2.0.30`: the version that blobs are remembered under. */
function fileVersion(name: string): string {
  const triple = process.arch === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
  for (const folder of [`/usr/lib/${triple}`, '/usr/lib64', '/usr/lib', `/lib/${triple}`, '/lib']) {
    try {
      const real = realpathSync(`${folder}/${name}`);
      return real.slice(real.lastIndexOf('.so.') + 4);
    } catch {
      // Not in this folder.
    }
  }
  return name;
}
