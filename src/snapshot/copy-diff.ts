// What a step changed in a copied root filesystem: the tree is compared with what it was before, and the difference becomes a folder in
// overlay's form, as if overlayfs had been there.

import { lstatSync, readdirSync, rmSync, writeFileSync, type BigIntStats } from 'node:fs';
import { type BytePath, fsPath, parentPath } from '../base/index.ts';
import type { OverlayNamespace } from '../layer/index.ts';
import { mknod, readXattrs, S_IFCHR, setXattr } from '../sys/index.ts';
import { copyMetadata, copyNode, makeDirectory } from './copy-stack.ts';

/**
 * State of one path: enough to notice any change, since a process cannot set ctime or birth time. Provided that the kernel's clock went on
 * in between (`scanBeforeChanges`).
 */
interface Seen {
  readonly ino: bigint;
  readonly born: bigint;
  readonly changed: bigint;
  readonly isDirectory: boolean;
  /** Of a directory: its names, and all that a layer says of it. */
  readonly names?: readonly BytePath[];
  readonly facts?: string;
}

/** State of a tree, by path. */
export type TreeState = ReadonlyMap<BytePath, Seen>;

/** Looks at a tree. `''` is its root. */
function scanTree(root: BytePath): TreeState {
  const state = new Map<BytePath, Seen>();
  const visit = (path: BytePath, stat: BigIntStats): void => {
    const seen = { ino: stat.ino, born: stat.birthtimeNs, changed: stat.ctimeNs };
    if (!stat.isDirectory()) return void state.set(path, { ...seen, isDirectory: false });
    const names = namesIn(root, path);
    state.set(path, { ...seen, isDirectory: true, names, facts: directoryFacts(stat, join(root, path)) });
    for (const name of names) visit(join(path, name), statAt(root, join(path, name)));
  };
  visit('', statAt(root, ''));
  return state;
}

/** Milliseconds between two looks at the clock, and looks at most: some filesystems count whole, or even, seconds. */
const LOOK_MS = 1;
const MOST_LOOKS = 2500;
const STILL = new Int32Array(new SharedArrayBuffer(4));

/** Looks at a tree that somebody will change at once. `probe`: path for a file on the same filesystem, which is gone afterwards. */
export function scanBeforeChanges(root: BytePath, probe: BytePath): TreeState {
  const state = scanTree(root);
  let newest = 0n;
  for (const { changed } of state.values()) if (changed > newest) newest = changed;
  try {
    outlast(newest, () => changeAt(probe));
  } finally {
    rmSync(fsPath(probe), { force: true });
  }
  return state;
}

/** Waits until a change, as `change` makes one, does not get this time any more: the clock that dates changes ticks every 1 to 10 ms only. */
export function outlast(time: bigint, change: () => bigint, pause = (): unknown => Atomics.wait(STILL, 0, 0, LOOK_MS)): void {
  for (let looks = 0; looks < MOST_LOOKS && change() === time; looks += 1) pause();
}

function changeAt(probe: BytePath): bigint {
  writeFileSync(fsPath(probe), '.');
  return lstatSync(fsPath(probe), { bigint: true }).ctimeNs;
}

/** Writes the difference between `before` and the tree as it is now into the empty folder `target`. */
export function writeDifference(root: BytePath, before: TreeState, target: BytePath, overlay: OverlayNamespace): void {
  const links = new Map<string, BytePath>();
  const made = new Set<BytePath>(['']);

  /** Directories on the way must exist before something is put into them; they get their metadata when they are left. */
  const ensure = (path: BytePath): void => {
    if (made.has(path)) return;
    ensure(parentPath(path));
    makeDirectory(`${target}/${path}`);
    made.add(path);
  };

  /** `known`: the directory stood here before, so that its old names count. */
  const visit = (path: BytePath, stat: BigIntStats, known: Seen | undefined): void => {
    const changed = known === undefined || known.changed !== stat.ctimeNs;
    if (stat.isDirectory()) {
      const same = known?.isDirectory === true && known.ino === stat.ino && known.born === stat.birthtimeNs;
      // Things that came and went inside leave a new ctime alone.
      const differs = changed && !(same && known.facts === directoryFacts(stat, join(root, path)));
      if (differs && path !== '') ensure(path);
      if (known?.isDirectory === true && !same) setXattr(`${target}/${path}`, `${overlay}.overlay.opaque`, 'y');
      const names = namesIn(root, path);
      for (const name of names) visit(join(path, name), statAt(root, join(path, name)), same ? before.get(join(path, name)) : undefined);
      if (same) removals(path, known.names ?? [], names);
      if (made.has(path) && path !== '') copyMetadata(stat, `${root}/${path}`, `${target}/${path}`);
      return;
    }
    if (!changed && known.ino === stat.ino && !known.isDirectory) return;
    ensure(parentPath(path));
    copyNode(stat, `${root}/${path}`, `${target}/${path}`, links);
  };

  const removals = (path: BytePath, old: readonly BytePath[], names: readonly BytePath[]): void => {
    const still = new Set(names);
    for (const name of old) {
      if (still.has(name)) continue;
      ensure(path);
      mknod(`${target}/${join(path, name)}`, S_IFCHR);
    }
  };

  visit('', statAt(root, ''), before.get(''));
}

function directoryFacts(stat: BigIntStats, path: BytePath): string {
  return [stat.mode, stat.uid, stat.gid, stat.mtimeNs, JSON.stringify(readXattrs(path) ?? {})].join(' ');
}

function namesIn(root: BytePath, path: BytePath): readonly BytePath[] {
  return readdirSync(fsPath(`${root}/${path}`), { encoding: 'latin1' }).sort();
}

function statAt(root: BytePath, path: BytePath): BigIntStats {
  return lstatSync(fsPath(path === '' ? root : `${root}/${path}`), { bigint: true });
}

function join(path: BytePath, name: BytePath): BytePath {
  return path === '' ? name : `${path}/${name}`;
}
