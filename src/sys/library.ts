// Shared libraries of the machine that make something faster when they are there.

import { realpathSync, statSync } from 'node:fs';
import { koffi } from './syscall.ts';

/** A foreign function: numbers, buffers, pointers as koffi takes and gives them. */
export type ForeignFunction = (...args: readonly unknown[]) => unknown;

/** The same in a thread of the pool. What it is given, and what that points to, must stay until it is done. */
export type AsyncForeignFunction = (...args: readonly unknown[]) => Promise<unknown>;

export interface Library {
  /** Declares a function by its C prototype. Throws when the library lacks it. */
  func(prototype: string): ForeignFunction;
  asyncFunc(prototype: string): AsyncForeignFunction;
  /** Where a buffer's bytes are, for structures that hold pointers. Keep the buffer alive meanwhile. */
  address(bytes: Uint8Array): bigint;
}

/** What koffi adds to a function: the same in its thread pool, with a callback. */
interface KoffiFunction {
  readonly async: (...args: readonly unknown[]) => void;
}

const versions = new Map<string, string | undefined>();

/**
 * Version of a library in the system's folders: what its file's name has (`libx.so.2` is a link to `libx.so.2.0.30`) and the file's size,
 * since not every name tells. Undefined: it is not there. Nothing is loaded.
 */
export function libraryVersion(name: string): string | undefined {
  if (!versions.has(name)) {
    const path = findLibrary(name);
    versions.set(name, path === undefined ? undefined : `${path.slice(path.lastIndexOf('.so.') + 4)}-${statSync(path).size}`);
  }
  return versions.get(name);
}

/** Opens a library that `libraryVersion` found. Throws when it cannot be loaded. */
export function openLibrary(name: string): Library {
  const path = findLibrary(name);
  if (path === undefined) throw new Error(`internal: no ${name} on this machine`);
  return load(path);
}

/** The symbols of this process: whatever Node brings along, as OpenSSL. What is there differs from one build of Node to another. */
export function openProcess(): Library {
  return load(null);
}

function load(path: string | null): Library {
  const binding = koffi();
  const library = binding.load(path);
  return {
    func: (prototype) => library.func(prototype) as ForeignFunction,
    asyncFunc: (prototype) => inPool(library.func(prototype) as unknown as KoffiFunction),
    address: (bytes) => binding.address(bytes),
  };
}

/** A library by the name that the loader finds it by. Throws when it cannot be loaded. */
export function loadLibrary(name: string): Pick<Library, 'func'> {
  const library = koffi().load(name);
  return { func: (prototype) => library.func(prototype) as ForeignFunction };
}

/** A function of libc, by its C prototype. Throws when this machine's libc lacks it. */
export function libcFunction(prototype: string): ForeignFunction {
  return openProcess().func(prototype);
}

/** Whether this machine's libc has a function. */
export function libcHas(name: string): boolean {
  try {
    libcFunction(`void ${name}()`);
    return true;
  } catch {
    return false;
  }
}

function inPool(foreign: KoffiFunction): AsyncForeignFunction {
  return (...args) =>
    new Promise((resolve, reject) =>
      foreign.async(...args, (error: Error | null, result: unknown) => (error === null ? resolve(result) : reject(error))),
    );
}

function findLibrary(name: string): string | undefined {
  const triple = process.arch === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
  for (const folder of [`/usr/lib/${triple}`, '/usr/lib64', '/usr/lib', `/lib/${triple}`, '/lib', '/usr/local/lib']) {
    try {
      return realpathSync(`${folder}/${name}`);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
