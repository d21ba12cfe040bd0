// Files that are read before there is a build: Bake files of a git repository, of an archive that an address serves, or the address itself.

import { toBytePath } from '../base/index.ts';
import { readTreeFile } from '../ops/index.ts';
import { openImages } from './build.ts';
import { openEngine } from './engine.ts';
import { contextEdge, remoteSource } from './inputs.ts';
import type { BuildOptions } from './options.ts';
import { openSession } from './session.ts';

/** The name of the file that an address serves which is no archive. */
export const SERVED_FILE = 'context';

/**
 * Reads those of the files that are there. `secrets` and `ssh` of the options are for the repository. Throws what fetching throws
 * (`GIT_…`, `HTTP_…`), and `GIT_REF_INVALID`.
 */
export async function readRemoteFiles(
  url: string,
  names: readonly string[],
  options: Pick<BuildOptions, 'root' | 'settings' | 'signal' | 'onProgress' | 'secrets' | 'ssh'>,
): Promise<ReadonlyMap<string, string>> {
  const { root = '/var/lib/slipway', settings = {}, signal = new AbortController().signal, onProgress = () => {}, ...request } = options;
  await using engine = openEngine({ root, settings });
  const job = { signal, progress: onProgress, now: engine.now };
  const folders = new Map<string, string>();
  await using session = openSession(engine, job, { images: openImages(engine, job), request, folders });
  const edge = contextEdge({ kind: 'url', url }, remoteSource(url), engine.platform, folders);
  if (edge === undefined) throw new Error('internal: an address is a source');
  const tree = await session.tree(edge);
  const found = names.flatMap((name) => {
    const bytes = readTreeFile(tree, toBytePath(name));
    return bytes === undefined ? [] : [[name, Buffer.from(bytes).toString('utf8')] as const];
  });
  return new Map(found);
}
