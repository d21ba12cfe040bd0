// What failed steps leave behind: their files are looked at for test results before the root is thrown away, and kept for debuggers.

import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, renameSync } from 'node:fs';
import { type BytePath, digestOf, errnoOf, fsPath, isSlipwayError, type JobContext } from '../base/index.ts';
import { isResultName, type ResultFile, resultsIn, type TestSuite } from '../insight/index.ts';
import type { FailedStep, LeftOver } from '../ops/index.ts';
import { Redactor } from '../runtime/index.ts';
import type { LayerStore, RootFS } from '../snapshot/index.ts';
import { dropTree } from '../sys/index.ts';

/** Names looked at in one step's changes, and folders inside each other: a failed step may have unpacked anything. */
const MAX_NAMES = 300_000;
const MAX_DEPTH = 100;

/** A state of a failed step, until somebody wants to see it as layers. */
interface KeptState extends LeftOver {
  readonly secrets: readonly Uint8Array[];
  layers?: Promise<RootFS | undefined>;
}

/** What failed steps of one build left. Disposing it throws away what was kept. */
export class FailedSteps implements AsyncDisposable {
  readonly #suites: TestSuite[] = [];
  readonly #states = new Map<string, KeptState>();
  readonly #newFolder: () => string;

  /** `newFolder`: a path on the layers' file system. */
  constructor(newFolder: () => string) {
    this.#newFolder = newFolder;
  }

  /** Looks at a step's changes, at once, and keeps what is to be kept. Throws nothing that the step could bring about. */
  add({ vertex, folder, secrets, left }: FailedStep): void {
    const clean = secrets.length === 0 ? undefined : (text: string) => redacted(text, secrets);
    this.#suites.push(...resultsIn(vertex.about.stage ?? '', candidates(folder), clean));
    for (const one of left) {
      const name = stateName(vertex.digest, one.mount);
      if (this.#states.has(name)) continue;
      const kept = this.#newFolder();
      renameSync(one.folder, kept);
      this.#states.set(name, { ...one, folder: kept, secrets });
    }
  }

  /** Whether the state of a mount of a failed step is kept. */
  has(vertex: string, mount: number): boolean {
    return this.#states.has(stateName(vertex, mount));
  }

  /** The state as it was when the step failed. Undefined: there is none, or a secret in it keeps it from being shown. */
  state(vertex: string, mount: number, layers: LayerStore, job: JobContext): Promise<RootFS | undefined> {
    const kept = this.#states.get(stateName(vertex, mount));
    if (kept === undefined) return Promise.resolve(undefined);
    return (kept.layers ??= asLayers(kept, layers, job));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const states = [...this.#states.values()];
    this.#states.clear();
    await Promise.all(states.map(({ folder }) => dropTree(folder)));
  }

  /** Results so far. */
  get suites(): readonly TestSuite[] {
    return this.#suites;
  }
}

function stateName(vertex: string, mount: number): string {
  return `${vertex} ${mount}`;
}

async function asLayers({ folder, below, secrets }: KeptState, layers: LayerStore, job: JobContext): Promise<RootFS | undefined> {
  const under = below?.folder === undefined ? (below?.layers ?? []) : [];
  try {
    const layer = await layers.commitFolder(folder, job, { below: under, ...(secrets.length === 0 ? {} : { secrets }) });
    return { identity: digestOf(`failed ${below?.identity ?? ''} ${layer.id}`), layers: [...under, layer] };
  } catch (error) {
    if (isSlipwayError(error, 'SECRET_IN_LAYER')) return undefined;
    throw error;
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
