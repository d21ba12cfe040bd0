// Who is at the other end of a connection, as far as the kernel or TLS vouches for it. What a client says of itself is not asked.

import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { MachineCalls } from './session/machine-calls.ts';

/** `user:1000` at a unix socket, `certificate:…` where clients must show one; empty: somebody, of whom nothing is known. */
export type Peer = string;

/** Asks the kernel, or TLS. Never what was sent. */
export function peerOf(socket: Duplex, machine: MachineCalls): Peer {
  if (socket instanceof TLSSocket) {
    const { fingerprint256 } = socket.authorized ? socket.getPeerCertificate() : { fingerprint256: undefined };
    return fingerprint256 === undefined ? '' : `certificate:${fingerprint256}`;
  }
  // node:net tells the descriptor to nobody; a stream without one is no connection of a client.
  const fd = (socket as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  const user = fd === undefined || fd < 0 ? undefined : machine.peerUser(fd);
  return user === undefined ? '' : `user:${user}`;
}
