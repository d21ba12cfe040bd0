// What tar and local outputs write: the files of each platform, its attestations, and folders to keep platforms apart.

import { type BytePath, fromBytePath, SlipwayError, toBytePath } from '../base/index.ts';
import type { Entry, FileBytes, Tree } from '../layer/index.ts';
import { formatWholePlatform } from '../oci/index.ts';
import { attestationFiles, chooseAttestations, digestMap, type Subject } from './attestation.ts';
import type { TreePlan } from './plan.ts';
import type { ExportSource, PlatformResult } from './source.ts';

/** One path to write. A directory comes before what is in it; a hard link after the path it shares. */
export interface TreeItem {
  readonly entry: Entry;
  /** Bytes of a file. */
  readonly open?: () => FileBytes;
  readonly bytes?: Uint8Array;
}

const DIRECTORY = { kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 } as const;

/** All items of an output, in order, without the root. `now` dates what no layer has. */
export async function* treeItems(plan: TreePlan, source: ExportSource, now: Date): AsyncGenerator<Iterable<TreeItem>, void> {
  const several = source.asIndex === true || source.platforms.length !== 1;
  const split = plan.platformSplit ?? several;
  const seen = new Map<BytePath, string>();
  for (const result of source.platforms) {
    const id = formatWholePlatform(result.platform);
    const folder = split ? toBytePath(id.replaceAll('/', '_')) : '';
    const tree = await result.tree();
    if (folder !== '') yield [{ entry: dated({ ...DIRECTORY, path: folder }, plan.epoch) }];
    const items = withFolder(platformItems(tree, plan.epoch), folder);
    // Platforms in one folder may share directories, but no file.
    yield several && !split ? refuseOverwriting(items, id, seen) : items;
    const suffix = several && !split ? `.${id.replaceAll('/', '_')}` : '';
    yield withFolder(await attestationItems(result, tree, plan, suffix, now), folder);
  }
}

/** The files of a tree, hard links told apart. */
function* platformItems(tree: Tree, epoch: number | undefined): Generator<TreeItem, void> {
  const firsts = new Map<string, BytePath>();
  const pending: Entry[] = childrenOf(tree, '');
  for (let found = pending.pop(); found !== undefined; found = pending.pop()) {
    const { path } = found;
    const entry = dated(found, epoch);
    const key = entry.kind === 'dir' ? undefined : tree.linkKey(found);
    const first = key === undefined ? undefined : firsts.get(key);
    if (first !== undefined) yield { entry: { ...withoutBytes(entry), kind: 'hardlink', size: 0, link: first } };
    else if (entry.kind === 'file') yield { entry, open: () => tree.open(found) };
    else yield { entry };
    if (key !== undefined && first === undefined) firsts.set(key, path);
    if (entry.kind === 'dir') for (const child of childrenOf(tree, path)) pending.push(child); // a spread of many would end the stack
  }
}

/** Last first, as a stack wants them. */
function childrenOf(tree: Tree, path: BytePath): Entry[] {
  if (tree.entries !== undefined) return tree.entries(path).toReversed();
  return tree
    .list(path)
    .map((name) => {
      const child = path === '' ? name : `${path}/${name}`;
      const entry = tree.lookup(child);
      if (entry === undefined) throw new SlipwayError('FILE_CHANGED', `${fromBytePath(child)} went away while it was exported`);
      return entry;
    })
    .reverse();
}

async function attestationItems(
  result: PlatformResult,
  tree: Tree,
  plan: TreePlan,
  suffix: string,
  now: Date,
): Promise<readonly TreeItem[]> {
  const chosen = chooseAttestations(result.attestations, false);
  if (chosen.length === 0) return [];
  const subjects: Subject[] = [];
  for (const { entry } of platformItems(tree, undefined)) {
    const found = entry.kind === 'file' || entry.kind === 'hardlink' ? tree.lookup(entry.path) : undefined;
    if (found?.kind === 'file') subjects.push({ name: fromBytePath(entry.path), digest: digestMap(tree.digest(found)) });
  }
  const files = await attestationFiles(chosen, subjects, plan.attestationPrefix, suffix);
  const mtime = plan.epoch ?? Math.floor(now.getTime() / 1000);
  return [...files].map(([name, bytes]) => ({
    entry: { path: toBytePath(name), kind: 'file', mode: 0o600, uid: 0, gid: 0, size: bytes.length, mtime, mtimeNs: 0 },
    bytes,
  }));
}

function* withFolder(items: Iterable<TreeItem>, folder: BytePath): Generator<TreeItem, void> {
  if (folder === '') return yield* items;
  for (const item of items) {
    const { entry } = item;
    const link = entry.kind === 'hardlink' ? { link: `${folder}/${entry.link ?? ''}` } : {};
    yield { ...item, entry: { ...entry, path: `${folder}/${entry.path}`, ...link } };
  }
}

function* refuseOverwriting(items: Iterable<TreeItem>, platform: string, seen: Map<BytePath, string>): Generator<TreeItem, void> {
  for (const item of items) {
    const { path, kind } = item.entry;
    const earlier = seen.get(path);
    if (earlier !== undefined && kind !== 'dir') {
      throw new SlipwayError(
        'EXPORT_CONFLICT',
        `cannot overwrite ${fromBytePath(path)} from ${earlier} with ${platform} when split option is disabled`,
        {
          hint: 'leave platform-split=false out',
        },
      );
    }
    if (kind !== 'dir') seen.set(path, platform);
    yield item;
  }
}

/** With `epoch` everything has that time: equal files give equal output, whenever they were made. */
function dated(entry: Entry, epoch: number | undefined): Entry {
  return epoch === undefined ? entry : { ...entry, mtime: epoch, mtimeNs: 0 };
}

function withoutBytes(entry: Entry): Entry {
  const { digest: _, offset: __, pack: ___, headerBytes: ____, ...rest } = entry;
  return rest;
}
