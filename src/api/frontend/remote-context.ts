// Contexts that came as one file: archives are unpacked, anything else is the Dockerfile itself.

import { toBytePath } from '../../base/index.ts';
import type { Build } from '../control/build.ts';
import type { CopyAction, GraphEdge } from '../engine.ts';

const MAGIC: readonly (readonly number[])[] = [
  [0x42, 0x5a, 0x68],
  [0x1f, 0x8b, 0x08],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  [0x28, 0xb5, 0x2f, 0xfd],
];

/** Whether the first kilobyte looks like a tar, compressed or not. */
export function isArchive(head: Buffer): boolean {
  if (MAGIC.some((magic) => magic.every((byte, index) => head[index] === byte))) return true;
  if (head.length < 512) return false;
  let sum = 0;
  for (let index = 0; index < 512; index += 1) sum += index >= 148 && index < 156 ? 32 : (head[index] as number);
  const written = Number.parseInt(
    head
      .toString('latin1', 148, 156)
      .replace(/[\0 ]+$/, '')
      .trim(),
    8,
  );
  return written === sum && sum !== 256;
}

function copy(src: string, unpack: boolean): CopyAction {
  return {
    kind: 'copy',
    src: toBytePath(src),
    dest: '/',
    followSymlink: false,
    dirCopyContents: !unpack,
    attemptUnpack: unpack,
    createDestPath: false,
    allowWildcard: false,
    allowEmptyWildcard: false,
    includePatterns: [],
    excludePatterns: [],
    alwaysReplaceExistingDestPaths: false,
    requiredPaths: [],
  };
}

/** The archive `name` of a tree, unpacked. */
export function unpackEdge(build: Build, file: GraphEdge, name: string): GraphEdge {
  return build.edge(
    { type: 'file', actions: [{ input: -1, secondaryInput: 0, output: 0, action: copy(`/${name}`, true) }] },
    '[internal] unpack build context',
    [file],
  );
}

/** A folder of a tree as a tree; without a folder the tree itself. */
export function subdirEdge(build: Build, edge: GraphEdge | undefined, subdir: string | undefined): GraphEdge | undefined {
  if (edge === undefined || subdir === undefined || subdir === '' || subdir === '/' || subdir === '.') return edge;
  return build.edge(
    {
      type: 'file',
      actions: [{ input: -1, secondaryInput: 0, output: 0, action: copy(subdir.startsWith('/') ? subdir : `/${subdir}`, false) }],
    },
    `[internal] use ${subdir} of the build context`,
    [edge],
  );
}
