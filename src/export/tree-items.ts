// What tar and local outputs write: the files of each platform, its attestations, and folders to keep platforms apart.

import { posix } from 'node:path';
import { type BytePath, fromBytePath, SlipwayError, toBytePath } from '../base/index.ts';
import type { Entry, FileBytes, FoundEntry, Tree } from '../layer/index.ts';
import { formatWholePlatform } from '../oci/index.ts';
import { attestationFiles, chooseAttestations, digestMap, type Subject } from './attestation.ts';
import type { TreePlan } from './plan.ts';
import type { ExportSource, PlatformResult } from './source.ts';

/** One path to write. A directory comes before what is in it; a hard link after the path it shares. */
export interface TreeItem {
  readonly entry: Entry;
  /** Opens the bytes of a file that are in a tree. */
  open?(): FileBytes;
  /** Those that are in none. */
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
  for (const found of tree.walk?.() ?? walkByName(tree)) {
    const { entry, linkKey } = found;
    const first = linkKey === undefined || entry.kind === 'dir' ? undefined : firsts.get(linkKey);
    if (first !== undefined) yield { entry: { ...withoutBytes(dated(entry, epoch)), kind: 'hardlink', size: 0, link: first } };
    else if (epoch === undefined) yield found;
    else yield { entry: dated(entry, epoch), open: () => found.open() };
    if (linkKey !== undefined && first === undefined) firsts.set(linkKey, entry.path);
  }
}

/** From name to name. */
function* walkByName(tree: Tree, directory: BytePath = ''): Generator<FoundEntry, void> {
  for (const name of tree.list(directory)) {
    const path = directory === '' ? name : `${directory}/${name}`;
    const entry = tree.lookup(path);
    if (entry === undefined) throw new SlipwayError('FILE_CHANGED', `${fromBytePath(path)} went away while it was exported`);
    yield { entry, linkKey: entry.kind === 'dir' ? undefined : tree.linkKey(entry), open: () => tree.open(entry) };
    if (entry.kind === 'dir') yield* walkByName(tree, path);
  }
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

function withFolder(items: Iterable<TreeItem>, folder: BytePath): Iterable<TreeItem> {
  return folder === '' ? items : belowFolder(items, folder);
}

function* belowFolder(items: Iterable<TreeItem>, folder: BytePath): Generator<TreeItem, void> {
  for (const item of items) {
    const { entry, bytes } = item;
    yield {
      entry: { ...entry, path: `${folder}/${entry.path}`, ...linkBelow(entry, folder) },
      ...(bytes === undefined ? {} : { bytes }),
      ...(item.open === undefined ? {} : { open: item.open.bind(item) }),
    };
  }
}

/** What a link names is in the folder, too: where the output is a root, a symlink from `/` stays with its platform. */
function linkBelow({ kind, link = '' }: Entry, folder: BytePath): { readonly link?: BytePath } {
  if (kind === 'hardlink') return { link: `${folder}/${link}` };
  if (kind === 'symlink' && link.startsWith('/')) return { link: posix.join('/', folder, posix.resolve(link)) };
  return {};
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
