// Helpers of this room's tests: hand-made layers and trees, and a place to write to.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type DiffID, type Digest, digestOf, quietJob } from '../base/index.ts';
import { encodeTarHeader, type Entry, type FileBytes, padding, TAR_END, type Tree } from '../layer/index.ts';
import { type ImageConfig, OCI, type Platform } from '../oci/index.ts';
import { openRegistry } from '../registry/index.ts';
import type { BlobOptions, Layer, LayerBlob, LayerStore } from '../snapshot/index.ts';
import { openStore, type Store } from '../store/index.ts';
import type { Attestation, ExportContext, PlatformResult } from './source.ts';

export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
export const ARM: Platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
/** The clock of these tests. */
const NOW = new Date('2024-05-06T07:08:09.123Z');

/** A folder that is gone after the tests of the file. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-export-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Files of a layer or tree: text; or an entry's facts, with `text` for a file. */
export type TestFiles = Readonly<Record<string, string | (Partial<Entry> & { readonly text?: string })>>;

interface TestEntry {
  readonly entry: Entry;
  readonly text: string;
}

/** Entries in order. */
export function entriesOf(files: TestFiles): readonly TestEntry[] {
  return Object.keys(files)
    .sort()
    .map((path) => {
      const given = files[path] ?? '';
      const { text = '', ...facts } = typeof given === 'string' ? { text: given } : given;
      const kind = facts.kind ?? 'file';
      const mode = kind === 'dir' ? 0o755 : kind === 'symlink' ? 0o777 : 0o644;
      const base = { path, kind, mode, uid: 0, gid: 0, size: Buffer.byteLength(text, 'latin1'), mtime: 1_700_000_000, mtimeNs: 0 };
      return { entry: { ...base, ...facts }, text };
    });
}

/** A store in a folder, whose layers are made of `TestFiles` on demand; and what outputs need besides. */
export interface TestWorld {
  readonly folder: string;
  readonly store: Store;
  readonly context: ExportContext;
  readonly statuses: string[];
  /** Options of every blob that was asked for. */
  readonly asked: BlobOptions[];
  layer(files: TestFiles, where?: 'here' | 'remote'): Layer;
}

export function testWorld(more: Partial<ExportContext> = {}): TestWorld {
  const folder = testFolder();
  const store = openStore(join(folder, 'store'), () => NOW);
  const registry = openRegistry({ retries: 0 });
  after(() => {
    registry[Symbol.dispose]();
    store[Symbol.dispose]();
  });
  const tars = new Map<string, { readonly tar: Buffer; readonly remote: boolean }>();
  const asked: BlobOptions[] = [];
  const statuses: string[] = [];
  const blob = (layer: Layer, options: BlobOptions): Promise<LayerBlob> => {
    asked.push(options);
    const { tar, remote } = tars.get(layer.id) as { tar: Buffer; remote: boolean };
    const packed = options.compression === 'none' && (options.force || !remote);
    const bytes = packed ? tar : gzipSync(tar, { level: options.level ?? 6 });
    const descriptor = { mediaType: packed ? OCI.layer : OCI.layerGzip, digest: digestOf(bytes), size: bytes.length };
    const diffID = digestOf(tar) as DiffID;
    if (remote && !options.force) {
      const open = async function* (): AsyncGenerator<Uint8Array, void> {
        yield bytes.subarray(0, 10);
        yield bytes.subarray(10);
      };
      return Promise.resolve({ descriptor, diffID, remote: { descriptor, diffID, open: () => Promise.resolve(open()) } });
    }
    store.blobs.put(bytes, descriptor.mediaType);
    return Promise.resolve({ descriptor, diffID, path: store.blobs.path(descriptor.digest) });
  };
  const context: ExportContext = {
    layers: { blob } as unknown as LayerStore,
    store,
    registry: () => registry,
    job: { ...quietJob(), now: () => NOW },
    status: ({ name, done }) => void (done && statuses.push(name)),
    ...more,
  };
  return {
    folder,
    store,
    context,
    statuses,
    asked,
    layer: (files, where = 'here') => {
      const tar = tarOf(files);
      const id = `${digestOf(tar)} ${where}`;
      tars.set(id, { tar, remote: where === 'remote' });
      return { id, createdAt: NOW.getTime() };
    },
  };
}

/** The result of one platform. */
export function resultOf(
  platform: Platform,
  layers: readonly Layer[],
  more: {
    readonly tree?: Tree;
    readonly baseLayers?: number;
    readonly attestations?: readonly Attestation[];
    readonly config?: Partial<ImageConfig>;
  } = {},
): PlatformResult {
  return {
    platform,
    layers,
    baseLayers: more.baseLayers ?? 0,
    config: (diffIds) => ({
      ...platform,
      config: { Env: ['PATH=/bin'], Cmd: ['sh'], WorkingDir: '/' },
      created: NOW.toISOString(),
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: diffIds.map((_, index) => ({ created: NOW.toISOString(), created_by: `step ${index}` })),
      ...more.config,
    }),
    tree: () => Promise.resolve(more.tree ?? new TestTree({})),
    ...(more.attestations === undefined ? {} : { attestations: more.attestations }),
  };
}

function tarOf(files: TestFiles): Buffer {
  const parts: Buffer[] = [];
  for (const { entry, text } of entriesOf(files)) {
    const bytes = Buffer.from(text, 'latin1');
    parts.push(encodeTarHeader(entry), bytes, Buffer.alloc(padding(bytes.length)));
  }
  return Buffer.concat([...parts, TAR_END]);
}

/** A tree of `TestFiles`. Entries of kind `hardlink` share the file they name. */
export class TestTree implements Tree {
  readonly #entries = new Map<string, TestEntry>();
  readonly #file: string;

  constructor(files: TestFiles) {
    for (const item of entriesOf(files)) this.#entries.set(item.entry.path, item);
    this.#file = join(testFolder(), 'bytes');
  }

  lookup(path: string): Entry | undefined {
    const item = this.#entries.get(path);
    if (item?.entry.kind !== 'hardlink') return item?.entry;
    const shared = this.#entries.get(item.entry.link ?? '');
    return shared === undefined ? undefined : { ...shared.entry, path };
  }

  list(path: string): readonly string[] {
    const prefix = path === '' ? '' : `${path}/`;
    const below = [...this.#entries.keys()]
      .filter((name) => name.startsWith(prefix) && name !== path)
      .map((name) => name.slice(prefix.length));
    return below.filter((name) => !name.includes('/')).sort();
  }

  open(entry: Entry): FileBytes {
    const bytes = Buffer.from(this.#bytes(entry), 'latin1');
    // A file of its own: others may be open still.
    rmSync(this.#file, { force: true });
    writeFileSync(this.#file, Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]));
    const fd = openSync(this.#file, 'r');
    return { fd, offset: 6, size: bytes.length, [Symbol.dispose]: () => closeSync(fd) };
  }

  digest(entry: Entry): Digest {
    return digestOf(Buffer.from(this.#bytes(entry), 'latin1'));
  }

  linkKey(entry: Entry): string | undefined {
    const item = this.#entries.get(entry.path)?.entry;
    if (item?.kind === 'hardlink') return item.link;
    return [...this.#entries.values()].some(({ entry: other }) => other.kind === 'hardlink' && other.link === entry.path)
      ? entry.path
      : undefined;
  }

  #bytes(entry: Entry): string {
    const item = this.#entries.get(entry.path);
    return (item?.entry.kind === 'hardlink' ? this.#entries.get(item.entry.link ?? '')?.text : item?.text) ?? '';
  }
}
