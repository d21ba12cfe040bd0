// SourceOp of a user's folder: nothing is read before a consumer selects from it.

import { canonicalJson, digestOf, type JobContext, SlipwayError } from '../base/index.ts';
import type { LocalSource } from '../graph/index.ts';
import type { FolderRef, RootFS } from '../snapshot/index.ts';
import type { CacheMap, Op } from '../solver/index.ts';
import type { OpDeps } from './deps.ts';

/** Makes the op of a folder. Its identity says which folder, never what is in it: consumers are keyed by what they select. */
export function createLocalOp(source: LocalSource, step: string, deps: OpDeps): Op<RootFS> {
  const folderOf = async (job: JobContext): Promise<FolderRef> => {
    const folder = await deps.folder(source, job);
    if (folder === undefined) {
      throw new SlipwayError('CONTEXT_MISSING', `the build was given no folder ${JSON.stringify(source.name)}`, {
        hint: source.name === 'context' ? 'name the context: `.` is the current folder' : `add --build-context ${source.name}=PATH`,
      });
    }
    const { name, exclude, include, followPaths } = source;
    return {
      name,
      path: folder.path,
      exclude,
      ...(include === undefined ? {} : { include }),
      ...(followPaths === undefined ? {} : { followPaths }),
    };
  };
  return {
    resource: 'none',
    cacheable: false,
    cacheMap: async (_inputs, job): Promise<CacheMap> => {
      const identity = folderIdentity(await folderOf(job));
      return { key: identity, step, fields: [{ name: `folder ${source.name}`, value: identity }] };
    },
    exec: async (_inputs, job): Promise<readonly RootFS[]> => {
      const folder = await folderOf(job);
      return [{ identity: folderIdentity(folder), layers: [], folder }];
    },
  };
}

function folderIdentity({ name, path, exclude, include }: FolderRef): RootFS['identity'] {
  return digestOf(canonicalJson({ kind: 'folder', name, path, exclude, include }));
}
