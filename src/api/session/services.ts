// What the engine may ask of a client, over the session of the build.

import { toBytePath } from '../../base/index.ts';
import type { ClientServices, Lease } from '../backend.ts';
import type { RpcStream } from '../wire/channel.ts';
import { isRpcError, RpcError } from '../wire/rpc-error.ts';
import { SessionContent } from './content.ts';
import { type FolderSync, syncFolder } from './folders.ts';
import { FileSendDiffCopy } from './methods.ts';
import { fetchToken, getCredentials, getSecret } from './secrets.ts';
import { sendFolder } from './send.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';
import { hasAgent, openAgentSocket } from './ssh.ts';
import { exporterMetadata, pullUpload, sendFile } from './upload.ts';

export interface SessionHost {
  readonly sessions: Sessions;
  readonly sync: FolderSync;
}

/** Services of the session with that id; an empty id is a build without a client to ask. */
export function sessionServices(host: SessionHost, id: string): ClientServices {
  const session = (signal: AbortSignal, other?: string): Promise<Session> => {
    const wanted = other ?? id;
    if (wanted === '')
      return Promise.reject(new RpcError('failedPrecondition', 'the build has no session: nobody can be asked for files or secrets'));
    return host.sessions.get(wanted, signal);
  };
  const ifAny = async (signal: AbortSignal): Promise<Session | undefined> => (id === '' ? undefined : session(signal));
  return {
    peer: async (signal) => {
      try {
        return (await ifAny(signal))?.peer ?? '';
      } catch (error) {
        if (!isRpcError(error, 'unavailable')) throw error;
        return ''; // it announced a session that does not come
      }
    },
    folder: async (source, onBytes, signal) => {
      const lease = await syncFolder(await session(signal, source.session), source, host.sync, onBytes, signal);
      return leaseOf(lease.folder, () => lease[Symbol.dispose]());
    },
    secret: async (secret, signal) => {
      const open = await ifAny(signal);
      return open === undefined ? undefined : getSecret(open, secret, signal);
    },
    agent: async (agent, owner, signal) => {
      const open = await ifAny(signal);
      if (open === undefined || !(await hasAgent(open, agent, signal))) return undefined;
      const socket = await openAgentSocket(open, agent, host.sync.mirrors.scratch, owner, signal);
      return leaseOf(socket.path, async () => socket[Symbol.asyncDispose]());
    },
    credentials: async (registry, signal) => {
      const open = await ifAny(signal);
      return open === undefined ? undefined : getCredentials(open, registry, signal);
    },
    token: async (request, signal) => {
      const open = await ifAny(signal);
      return open === undefined ? undefined : fetchToken(open, request, signal);
    },
    content: (store, other) => {
      const at = (signal: AbortSignal): Promise<SessionContent> => session(signal, other).then((open) => new SessionContent(open, store));
      return {
        size: async (digest, signal) => (await at(signal)).size(digest, signal),
        read: (digest, signal) => later(async () => (await at(signal)).read(digest, signal)),
        write: async (digest, size, bytes, signal) => (await at(signal)).write(digest, size, bytes, signal),
      };
    },
    upload: (url, signal) => later(async () => pullUpload(await session(signal), url, signal)),
    sendFile: async (index, facts, bytes, signal) => {
      await sendFile(await session(signal), bytes, exporterMetadata(index, facts), signal);
    },
    sendFolder: async (index, folder, signal) => {
      const open = await session(signal);
      if (!open.supports(FileSendDiffCopy)) throw new RpcError('failedPrecondition', 'the client takes no files');
      const call: RpcStream = open.channel.stream(FileSendDiffCopy, signal, {
        ...exporterMetadata(index, {}),
        // All that belongs into the target comes by this call, several platforms or one: the client may remove what is there besides.
        'buildkit-exporter-multi-platform': '1',
      });
      await sendFolder(call, toBytePath(folder), host.sync.machine);
    },
  };
}

function leaseOf<T>(value: T, release: () => void | Promise<void>): Lease<T> {
  return { value, [Symbol.asyncDispose]: async () => release() };
}

async function* later(open: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await open();
}
