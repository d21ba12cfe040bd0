// Files that are read before there is a build: Bake files of a git repository, of an archive that an address serves, or the address itself.

import { toBytePath } from '../base/index.ts';
import { readTreeFile } from '../ops/index.ts';
import { openImages } from './build.ts';
import { openEngine } from './engine.ts';
import { contextEdge, remoteSource } from './inputs.ts';
import type { BuildOptions } from './options.ts';
import { openSession } from './session.ts';

/** What was found at an address: files of a repository or archive by name, or the one file that it is. */
export type RemoteFiles =
  { readonly kind: 'folder'; readonly files: ReadonlyMap<string, string> } | { readonly kind: 'file'; readonly text: string };

/** The name that the file has which an address serves, where that is no archive. */
const SERVED_FILE = 'context';

/**
 * Reads those of the files that are there. `secrets` and `ssh` of the options are for the repository. Throws what fetching throws
 * (`GIT_…`, `HTTP_…`), and `GIT_REF_INVALID`.
 */
export async function readRemoteFiles(
  url: string,
  names: readonly string[],
  options: Pick<BuildOptions, 'root' | 'settings' | 'signal' | 'onProgress' | 'secrets' | 'ssh'>,
): Promise<RemoteFiles> {
  const { root = '/var/lib/slipway', settings = {}, signal = new AbortController().signal, onProgress = () => {}, ...request } = options;
  await using engine = openEngine({ root, settings });
  const job = { signal, progress: onProgress, now: engine.now };
  const folders = new Map<string, string>();
  await using session = openSession(engine, job, { images: openImages(engine, job), request, folders });
  const source = remoteSource(url);
  const edge = contextEdge({ kind: 'url', url }, source, engine.platform, folders);
  if (edge === undefined) throw new Error('internal: an address is a source');
  const tree = await session.tree(edge);
  const read = (name: string): string | undefined => {
    const bytes = readTreeFile(tree, toBytePath(name));
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8');
  };
  const files = new Map(names.flatMap((name) => present(name, read(name))));
  const served = source.kind === 'http' && files.size === 0 ? read(SERVED_FILE) : undefined;
  return served === undefined ? { kind: 'folder', files } : { kind: 'file', text: served };
}

function present(name: string, text: string | undefined): readonly (readonly [string, string])[] {
  return text === undefined ? [] : [[name, text]];
}
