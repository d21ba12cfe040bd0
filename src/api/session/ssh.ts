// A client's SSH agent behind a socket of this machine.

import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { SSH } from '../gen/ssh_pb.ts';
import { decodeBytes, encodeBytes } from '../wire/bytes-message.ts';
import { isRpcError, RpcError } from '../wire/rpc-error.ts';
import { CheckAgent, ForwardAgent } from './methods.ts';
import type { Session } from './session.ts';

/** Whether the client forwards an agent of that id. */
export async function hasAgent(session: Session, id: string, signal: AbortSignal): Promise<boolean> {
  if (!session.supports(CheckAgent)) return false;
  try {
    await session.channel.unary(SSH.method.checkAgent, { id }, signal);
    return true;
  } catch (error) {
    if (error instanceof RpcError && (isRpcError(error, 'unimplemented') || isRpcError(error, 'unknown'))) return false;
    throw error;
  }
}

export interface AgentSocket extends AsyncDisposable {
  readonly path: string;
}

/** Listens on a socket in a fresh folder below `scratch`; every connection to it is one to the client's agent. */
export async function openAgentSocket(
  session: Session,
  id: string,
  scratch: string,
  owner: { readonly uid: number; readonly gid: number; readonly mode: number } | undefined,
  signal: AbortSignal,
): Promise<AgentSocket> {
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  const folder = mkdtempSync(join(scratch, 'ssh-'));
  const path = join(folder, 'agent');
  const open = new Set<Socket>();
  const stop = new AbortController();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    void forward(session, id, socket, AbortSignal.any([signal, stop.signal]));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  if (owner !== undefined) {
    chmodSync(path, owner.mode);
    chownSync(path, owner.uid, owner.gid);
  }
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      stop.abort(new RpcError('canceled', 'the step is over'));
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function forward(session: Session, id: string, socket: Socket, signal: AbortSignal): Promise<void> {
  try {
    const call = session.channel.stream(ForwardAgent, signal, { 'buildkit.ssh.id': id });
    const outward = (async () => {
      for await (const chunk of socket as AsyncIterable<Buffer>) await call.send(encodeBytes(chunk));
      call.closeSend();
    })();
    outward.catch(() => call.cancel());
    for await (const message of call.messages) socket.write(decodeBytes(message));
    socket.end();
    await outward;
  } catch {
    socket.destroy(); // the process sees a broken agent, as with a local one
  }
}
