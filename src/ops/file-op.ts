// FileOp: COPY, ADD, WORKDIR and their like. No root filesystem is mounted and no process runs: a change set is planned on trees and
// written as a layer.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, digestHex, digestOf, errnoOf, isSlipwayError, type JobContext, locate } from '../base/index.ts';
import type { FileSpec, GraphVertex } from '../graph/index.ts';
import type { Entry, PackedLayer, Tree } from '../layer/index.ts';
import type { Layer, RootFS } from '../snapshot/index.ts';
import { type CacheMap, KeyChanged, type Op } from '../solver/index.ts';
import { readArchive } from '../source/index.ts';
import type { ArchiveMember } from './copy-unpack.ts';
import { findMatches } from './copy-walk.ts';
import { selectorOf } from './copy-select.ts';
import type { OpDeps } from './deps.ts';
import { fileKey } from './file-key.ts';
import { type PlannedOutput, planFiles } from './file-plan.ts';
import { countItems } from './graft.ts';
import { stepIdentity } from './identity.ts';
import { rememberedLayer, snapshotFolder } from './selection.ts';
import { forgetFolders, treeOf } from './trees.ts';
import { writeLayer } from './write-layer.ts';

/** Makes the op of a file vertex. `step` is its place for explanations. */
export function createFileOp(vertex: GraphVertex, spec: FileSpec, step: string, deps: OpDeps): Op<RootFS> {
  // By inputs: the engine also asks what the key would be with other results of them.
  const keys = new Map<string, Digest>();
  const keyOf = async (inputs: readonly RootFS[], job: JobContext): Promise<CacheMap> => {
    try {
      const map = await fileKey(vertex, spec, step, inputs, deps, job);
      keys.set(identitiesOf(inputs), map.key);
      return map;
    } catch (error) {
      throw locate(error, vertex.about.location);
    }
  };
  return {
    resource: 'files',
    cacheMap: keyOf,
    exec: async (inputs, job) => {
      try {
        const keyed = keys.get(identitiesOf(inputs)) ?? (await keyOf(inputs, job)).key;
        return await retryChanged(inputs, deps, async (again) => {
          // Rewritten with the same bytes: nothing changed as far as the key goes. Else it would be kept under a wrong key.
          if (again !== undefined && (await keyOf(inputs, job)).key !== keyed) throw new KeyChanged(again);
          return await execute(vertex, spec, step, keyed, inputs, deps, job);
        });
      } catch (error) {
        throw locate(error, vertex.about.location);
      }
    },
  };
}

function identitiesOf(inputs: readonly RootFS[]): string {
  return inputs.map(({ identity }) => identity).join(' ');
}

/** Does it once more, with a new look at the user's folders, when a file changed under it. */
async function retryChanged<T>(inputs: readonly RootFS[], deps: OpDeps, work: (again: Error | undefined) => Promise<T>): Promise<T> {
  try {
    return await work(undefined);
  } catch (error) {
    if (!isSlipwayError(error, 'FILE_CHANGED') || !forgetFolders(inputs, deps)) throw error;
    return await work(error);
  }
}

async function execute(
  vertex: GraphVertex,
  spec: FileSpec,
  step: string,
  key: Digest,
  inputs: readonly RootFS[],
  deps: OpDeps,
  job: JobContext,
): Promise<readonly RootFS[]> {
  const spool = deps.tempFolder();
  try {
    const trees: Tree[] = [];
    const soon = deps.isSoonMounted(vertex.digest);
    for (const [index, input] of inputs.entries()) {
      const need = needOf(spec, index);
      trees.push(await treeOf(input, index, need === 'index' && soon ? 'index-then-bytes' : need, deps, job));
    }
    const archives = await readArchives(spec, trees, spool, job);
    const now = Math.floor(job.now().getTime() / 1000);
    const outputs = planFiles(spec, trees, {
      now: { mtime: now, mtimeNs: 0 },
      archive: (tree, entry) => archives.get(tree)?.get(entry.path),
      unknownOwner: (kind, name) => {
        deps.notice(
          vertex.digest,
          `${kind} ${JSON.stringify(name)} is not in the image's /etc/${kind === 'user' ? 'passwd' : 'group'}; 0 is used`,
        );
      },
    });
    return await write(vertex, step, key, outputs, inputs, deps, job);
  } finally {
    rmSync(spool, { recursive: true, force: true });
  }
}

/** What is copied from must be readable, as must the files that owners are looked up in; what is copied onto is only looked at. */
function needOf({ actions }: FileSpec, index: number): 'index' | 'bytes' {
  const read = actions.some(({ action, secondaryInput }) => {
    if (secondaryInput === index) return true;
    if (!('owner' in action)) return false;
    return [action.owner?.user, action.owner?.group].some((who) => who !== undefined && 'name' in who && who.input === index);
  });
  return read ? 'bytes' : 'index';
}

async function write(
  vertex: GraphVertex,
  step: string,
  key: Digest,
  outputs: readonly PlannedOutput[],
  inputs: readonly RootFS[],
  deps: OpDeps,
  job: JobContext,
): Promise<readonly RootFS[]> {
  const written = new Map<PlannedOutput['layers'][number], Layer>();
  const results: RootFS[] = [];
  for (const [index, output] of outputs.entries()) {
    const base = inputs[output.input];
    const layers: Layer[] =
      base === undefined ? [] : base.folder === undefined ? [...base.layers] : [await snapshotFolder(base, '', deps, job)];
    let content: Digest | undefined;
    for (const entries of output.layers) {
      let layer = written.get(entries);
      if (layer === undefined) {
        const memory = join(deps.stateFolder('copies'), digestHex(digestOf(`${step}\0${written.size}`)));
        const previous = previousLayer(memory, countItems(entries), deps);
        layer = await writeLayer(entries, { vertex: vertex.digest, previous }, deps, job);
        if (countItems(entries) >= WORTH_REFERRING) remember(memory, layer, deps);
        written.set(entries, layer);
      }
      content = layer.contentDigest;
      layers.push(layer);
    }
    if (content === undefined) throw new Error('internal: a written layer without content digest');
    results.push({ identity: stepIdentity(key, content, index), layers });
  }
  return results;
}

/** Smaller layers are written anew: to look for what the last one had costs more. */
const WORTH_REFERRING = 200;

/** The layer that this step made last, to refer to what it has already. */
function previousLayer(memory: string, entries: number, deps: OpDeps): PackedLayer | undefined {
  if (entries < WORTH_REFERRING) return undefined;
  const layer = rememberedLayer(memory, deps);
  return layer === undefined ? undefined : deps.layers.packed(layer);
}

function remember(memory: string, layer: Layer, deps: OpDeps): void {
  mkdirSync(deps.stateFolder('copies'), { recursive: true });
  try {
    if (readFileSync(memory, 'latin1') === layer.id) return;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  writeFileSync(memory, layer.id);
}

/** The archives among what ADD names, taken apart. */
async function readArchives(
  { actions }: FileSpec,
  trees: readonly Tree[],
  spool: string,
  job: JobContext,
): Promise<ReadonlyMap<Tree, ReadonlyMap<string, readonly ArchiveMember[]>>> {
  const archives = new Map<Tree, Map<string, readonly ArchiveMember[]>>();
  let count = 0;
  for (const { action, secondaryInput } of actions) {
    const tree = trees[secondaryInput];
    if (action.kind !== 'copy' || !action.attemptUnpack || tree === undefined) continue;
    const { src, allowWildcard: wildcard, followSymlink: followLinks } = selectorOf(action);
    for (const { entry } of findMatches(tree, src, { wildcard, followLinks })) {
      if (entry.kind !== 'file') continue;
      mkdirSync(spool, { recursive: true, mode: 0o700 });
      const members = await readMembers(tree, entry, join(spool, `${(count += 1)}`), job);
      if (members === undefined) continue;
      const known = archives.get(tree) ?? new Map<string, readonly ArchiveMember[]>();
      archives.set(tree, known.set(entry.path, members));
    }
  }
  return archives;
}

async function readMembers(tree: Tree, entry: Entry, spool: string, job: JobContext): Promise<readonly ArchiveMember[] | undefined> {
  using file = tree.open(entry);
  const parts = await readArchive(file, spool, job);
  return parts?.map(({ member, offset, spooled }) => ({
    member,
    bytes: member.size === 0 ? undefined : { kind: 'part', of: spooled ? spool : { tree, entry }, offset, size: member.size },
  }));
}
