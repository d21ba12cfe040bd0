// DiffOp: what turns one tree into another, as a tree of its own. Where the second was built on the first, it is the layers between.

import { canonicalJson, digestOf } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import type { Op } from '../solver/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import type { OpDeps } from './deps.ts';
import { EMPTY_TREE, type DraftEntry } from './file-draft.ts';
import { stepIdentity } from './identity.ts';
import { treeOf } from './trees.ts';
import { writeLayer } from './write-layer.ts';

/** `lower` and `upper`: indexes of the inputs; -1: empty. */
export function createDiffOp(vertex: string, lower: number, upper: number, step: string, deps: OpDeps): Op<RootFS> {
  const keyOf = (inputs: readonly RootFS[]): { readonly op: 'diff'; readonly identities: readonly string[] } => ({
    op: 'diff',
    identities: [inputs[lower]?.identity ?? 'none', inputs[upper]?.identity ?? 'none'],
  });
  return {
    resource: 'files',
    cacheMap: (inputs) => {
      const key = keyOf(inputs);
      const fields = key.identities.map((value, index) => ({ name: `input ${index}`, value }));
      return Promise.resolve({ key: digestOf(canonicalJson(key)), step, fields });
    },
    exec: async (inputs, job) => {
      const key = digestOf(canonicalJson(keyOf(inputs)));
      const below = inputs[lower]?.layers ?? [];
      const above = inputs[upper]?.layers ?? [];
      if (below.every((layer, index) => above[index]?.id === layer.id)) {
        return [{ identity: digestOf(canonicalJson({ kind: 'diff', key })), layers: above.slice(below.length) }];
      }
      const before = inputs[lower] === undefined ? EMPTY_TREE : await treeOf(inputs[lower], lower, 'bytes', deps, job);
      const after = inputs[upper] === undefined ? EMPTY_TREE : await treeOf(inputs[upper], upper, 'bytes', deps, job);
      const layer = await writeLayer([...changes(before, after, '')], { vertex }, deps, job);
      if (layer.contentDigest === undefined) throw new Error('internal: a written layer without content digest');
      return [{ identity: stepIdentity(key, layer.contentDigest), layers: [layer] }];
    },
  };
}

/** Entries of `after` that `before` lacks or has otherwise, and whiteouts for what is gone; parents first. */
function* changes(before: Tree, after: Tree, directory: string): Generator<DraftEntry> {
  const names = new Set([...before.list(directory), ...after.list(directory)]);
  for (const name of [...names].sort()) {
    const path = directory === '' ? name : `${directory}/${name}`;
    const old = before.lookup(path);
    const entry = after.lookup(path);
    if (entry === undefined) {
      yield { entry: { path, kind: 'whiteout', mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, mtimeNs: 0 } };
      continue;
    }
    if (entry.kind === 'dir') {
      const inside = [...changes(old?.kind === 'dir' ? before : EMPTY_TREE, after, path)];
      if (inside.length === 0 && old !== undefined && sameFacts(old, entry)) continue;
      yield { entry: old !== undefined && old.kind !== 'dir' ? { ...entry, opaque: true } : entry };
      yield* inside;
    } else if (old === undefined || !sameFacts(old, entry) || (entry.kind === 'file' && before.digest(old) !== after.digest(entry))) {
      yield entry.kind === 'file' && entry.size > 0 ? { entry, bytes: { kind: 'tree', tree: after, entry } } : { entry };
    }
  }
}

function sameFacts(a: Entry, b: Entry): boolean {
  const facts = ({ kind, mode, uid, gid, size, link, devMajor, devMinor, xattrs, mtime }: Entry): string =>
    canonicalJson({ kind, mode, uid, gid, size, link, devMajor, devMinor, xattrs, mtime: kind === 'dir' ? 0 : mtime });
  return facts(a) === facts(b);
}
