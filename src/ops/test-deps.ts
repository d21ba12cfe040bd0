// What ops are given in tests: layers in a temporary folder, everything else empty.

import { closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { type Digest, quietJob } from '../base/index.ts';
import { type Entry, type FileBytes, type PackedLayer, StackTree, type Tree, type WrittenLayer } from '../layer/index.ts';
import type { CopyAction, GraphEdge, GraphVertex, OpSpec, VertexAbout } from '../graph/index.ts';
import type { Layer, LayerStore, RootFS } from '../snapshot/index.ts';
import { AskedSources } from './asked-sources.ts';
import type { OpDeps } from './deps.ts';
import { readSource } from './file-draft.ts';

/** What a Dockerfile's COPY of everything becomes. */
export const COPY: CopyAction = {
  kind: 'copy',
  src: '/',
  dest: '/',
  followSymlink: true,
  dirCopyContents: true,
  attemptUnpack: false,
  createDestPath: true,
  allowWildcard: true,
  allowEmptyWildcard: true,
  includePatterns: [],
  excludePatterns: [],
  alwaysReplaceExistingDestPaths: false,
  requiredPaths: [],
};

/** Layers kept as their writer left them. Only what file ops use. */
class TestLayers {
  readonly written = new Map<string, WrittenLayer>();
  readonly #root: string;
  #count = 0;

  constructor(root: string) {
    this.#root = root;
  }

  get(id: string): Layer | undefined {
    const written = this.written.get(id);
    return written === undefined ? undefined : { id, contentDigest: written.index.contentDigest, createdAt: 0 };
  }

  hasBytes(layer: Layer): boolean {
    return this.written.has(layer.id);
  }

  commitWritten(written: WrittenLayer): Promise<Layer> {
    const id = `layer-${(this.#count += 1)}`;
    const folder = join(this.#root, id);
    renameSync(written.folder, folder);
    this.written.set(id, { ...written, folder });
    return Promise.resolve(this.get(id) as Layer);
  }

  tree(layers: readonly Layer[]): Promise<Tree> {
    const stack = layers.map(({ id }) => {
      const { index, packs, folder } = this.written.get(id) as WrittenLayer;
      const open = (entry: Entry): FileBytes => {
        const fd = openSync(join(folder, packs[entry.pack ?? 0] as string), 'r');
        return { fd, offset: entry.offset ?? 0, size: entry.size, [Symbol.dispose]: () => closeSync(fd) };
      };
      return { id, index, open };
    });
    return Promise.resolve(new StackTree(stack));
  }

  packed(layer: Layer): PackedLayer | undefined {
    const written = this.written.get(layer.id);
    return written && { columns: written.index.columns, packs: written.packs.map((pack) => join(written.folder, pack)) };
  }
}

/** A place for one test file. `folders` are the local sources by name. */
export interface TestPlace {
  readonly root: string;
  readonly deps: OpDeps;
  readonly layers: TestLayers;
  readonly folders: Map<string, string>;
  readonly secrets: Map<string, string>;
  readonly notices: string[];
  /** The files of a result, as `path kind mode uid:gid content`. */
  show(rootfs: RootFS): Promise<string[]>;
}

export function testPlace(): TestPlace {
  const root = mkdtempSync(join(tmpdir(), 'slipway-ops-'));
  after(() => rmSync(root, { recursive: true, force: true }));
  for (const name of ['layers', 'temp', 'state']) mkdirSync(join(root, name));
  const layers = new TestLayers(join(root, 'layers'));
  const folders = new Map<string, string>();
  const secrets = new Map<string, string>();
  const notices: string[] = [];
  const digests = new Map<string, Digest>();
  let temp = 0;
  const given: Partial<OpDeps> = {
    layers: layers as unknown as LayerStore,
    pathDigests: {
      get: (identity, selector) => Promise.resolve(digests.get(`${identity} ${selector}`)),
      set: (identity, selector, content) => Promise.resolve(void digests.set(`${identity} ${selector}`, content)),
    },
    folder: ({ name }) => Promise.resolve(folders.has(name) ? { path: folders.get(name) as string } : undefined),
    secret: (id) => Promise.resolve(secrets.has(id) ? Buffer.from(secrets.get(id) as string) : undefined),
    sshSocket: () => Promise.resolve(undefined),
    stateFolder: (name) => join(root, 'state', name),
    asked: new AskedSources(),
    tempFolder: () => join(root, 'temp', String((temp += 1))),
    isSoonMounted: () => false,
    takenPaths: () => [],
    notice: (_vertex, text) => void notices.push(text),
    network: { http: { send }, git: { path: process.env['PATH'] ?? '' } },
  };
  const deps = given as OpDeps;
  const show = async (rootfs: RootFS): Promise<string[]> => {
    const tree = await layers.tree(rootfs.layers);
    return [...below(tree, '')];
  };
  return { root, deps, layers, folders, secrets, notices, show };
}

function* below(tree: Tree, directory: string): Generator<string> {
  for (const name of tree.list(directory)) {
    const path = directory === '' ? name : `${directory}/${name}`;
    const entry = tree.lookup(path) as Entry;
    const content =
      entry.kind === 'file' ? readSource({ kind: 'tree', tree, entry }, 1 << 20, path).toString('latin1') : (entry.link ?? '');
    yield `${path} ${entry.kind} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${content}`.trim();
    if (entry.kind === 'dir') yield* below(tree, path);
  }
}

/** A vertex as the graph makes it. */
export function vertexOf(op: OpSpec, inputs: readonly GraphVertex[] = [], about: Partial<VertexAbout> = {}): GraphVertex {
  const edges = inputs.map((vertex): GraphEdge => ({ vertex, output: 0 }));
  return { digest: 'sha256:test', op, inputs: edges, platform: { os: 'linux', architecture: 'amd64' }, about: { name: 'test', ...about } };
}

export const job = quietJob();

/** The plainest http client. */
const send: OpDeps['network']['http']['send'] = ({ method, url, headers, signal }) =>
  new Promise((resolve, reject) => {
    request(url, { method, headers, signal, agent: false }, (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
    })
      .once('error', reject)
      .end();
  });
