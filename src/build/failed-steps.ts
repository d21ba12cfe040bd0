// Test results that failed steps leave behind: their files are looked at before the root is thrown away.

import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { type BytePath, errnoOf, fsPath } from '../base/index.ts';
import { isResultName, type ResultFile, resultsIn, type TestSuite } from '../insight/index.ts';
import type { FailedStep } from '../ops/index.ts';
import { Redactor } from '../runtime/index.ts';

/** Names looked at in one step's changes, and folders inside each other: a failed step may have unpacked anything. */
const MAX_NAMES = 300_000;
const MAX_DEPTH = 100;

/** What failed steps of one build left. */
export class FailedSteps {
  readonly #suites: TestSuite[] = [];

  /** Looks at a step's changes, at once. Throws nothing that the step could bring about. */
  add({ vertex, folder, secrets }: FailedStep): void {
    const clean = secrets.length === 0 ? undefined : (text: string) => redacted(text, secrets);
    this.#suites.push(...resultsIn(vertex.about.stage ?? '', candidates(folder), clean));
  }

  /** Results so far. */
  get suites(): readonly TestSuite[] {
    return this.#suites;
  }
}

/** Files with names of results. Symlinks are not followed; what cannot be read is passed over. */
function* candidates(folder: string): Generator<ResultFile> {
  const folders: BytePath[] = [''];
  let names = 0;
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    for (const entry of readFolder(`${folder}/${path}`)) {
      if (++names > MAX_NAMES) return;
      const inside = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory() && inside.split('/').length <= MAX_DEPTH) folders.push(inside);
      else if (entry.isFile() && isResultName(inside)) yield* openFile(folder, inside);
    }
  }
}

function readFolder(path: BytePath): readonly { readonly name: BytePath; isDirectory(): boolean; isFile(): boolean }[] {
  return whatCanBeRead(() => readdirSync(fsPath(path), { encoding: 'latin1', withFileTypes: true })) ?? [];
}

function* openFile(folder: string, path: BytePath): Generator<ResultFile> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = whatCanBeRead(() => openSync(fsPath(`${folder}/${path}`), flags));
  if (fd === undefined) return;
  try {
    const head = (limit: number): Buffer => {
      const bytes = Buffer.alloc(Math.min(limit, fstatSync(fd).size));
      return bytes.subarray(0, whatCanBeRead(() => readSync(fd, bytes, 0, bytes.length, 0)) ?? 0);
    };
    yield { path, size: fstatSync(fd).size, head };
  } finally {
    closeSync(fd);
  }
}

function whatCanBeRead<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}

function redacted(text: string, secrets: readonly Uint8Array[]): string {
  const redactor = new Redactor(secrets);
  return Buffer.concat([redactor.pass(Buffer.from(text)), redactor.end()]).toString('utf8');
}
