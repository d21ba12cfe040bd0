// A client's folder, brought here.

import { FileSyncDiffCopy } from './methods.ts';
import type { MachineCalls } from './machine-calls.ts';
import type { MirrorLease, MirrorPool } from './mirror.ts';
import { receiveFolder } from './receive.ts';
import type { Session } from './session.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { CallMetadata } from '../wire/channel.ts';

/** Which folder, and what of it. */
export interface FolderRequest {
  /** Name that the client gave it: `context`, `dockerfile`, … */
  readonly name: string;
  /** Undefined: everything. */
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** Paths that are needed with what their symlinks lead to. */
  readonly followPaths?: readonly string[];
  /** Tells folders of one name apart where the session's shared key does not. */
  readonly sharedKeyHint?: string;
}

export interface FolderSync {
  readonly mirrors: MirrorPool;
  readonly machine: MachineCalls;
  readonly owners: boolean;
}

/** Brings the folder up to date and lends it. NotFound when the client does not allow it. */
export async function syncFolder(
  session: Session,
  request: FolderRequest,
  sync: FolderSync,
  onBytes: (total: number) => void,
  signal: AbortSignal,
): Promise<MirrorLease> {
  if (!session.supports(FileSyncDiffCopy)) throw new RpcError('notFound', 'no local sources enabled');
  // What is asked for is part of the key: another selection of the same folder would delete what this one needs next time.
  const selection = JSON.stringify([request.include ?? null, request.exclude ?? null, request.followPaths ?? null]);
  // So is who asks: the shared key is what a client says, and whoever lists another's files by it would be lent their bytes unasked.
  const key = [session.peer, request.name, request.sharedKeyHint ?? '', session.header.sharedKey, selection];
  const lease = sync.mirrors.take(key.join('\0'));
  try {
    const call = session.channel.stream(FileSyncDiffCopy, signal, folderMetadata(request));
    const listing = await receiveFolder(call, {
      folder: lease.folder,
      previous: lease.previous,
      machine: sync.machine,
      owners: sync.owners,
      onBytes,
    });
    lease.keep(listing);
    return lease;
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

function folderMetadata(request: FolderRequest): CallMetadata {
  return {
    'dir-name': request.name,
    ...listMetadata('include-patterns', request.include),
    ...listMetadata('exclude-patterns', request.exclude),
    ...listMetadata('followpaths', request.followPaths),
  };
}

/** Header values are ASCII: a list with anything else travels query-escaped, and says so. */
function listMetadata(key: string, values: readonly string[] | undefined): CallMetadata {
  if (values === undefined || values.length === 0) return {};
  if (values.every((value) => /^[\x21-\x7e][\x20-\x7e]*$/.test(value) && !value.endsWith(' '))) return { [key]: [...values] };
  return { [key]: values.map((value) => encodeURIComponent(value)), [`${key}-encoded`]: '1' };
}
