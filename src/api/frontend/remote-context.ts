// Contexts that came as one file: archives are unpacked, anything else is the Dockerfile itself.

import { toBytePath } from '../../base/index.ts';
import { COPY_EVERYTHING } from '../../build/parts.ts';
import type { Build } from '../control/build.ts';
import type { CopyAction, GraphEdge } from '../engine.ts';

function copy(src: string, unpack: boolean): CopyAction {
  return { ...COPY_EVERYTHING, src: toBytePath(src), dirCopyContents: !unpack, attemptUnpack: unpack, createDestPath: false };
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
