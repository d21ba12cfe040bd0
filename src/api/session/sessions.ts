// The sessions of all clients, by id.

import type { Duplex } from 'node:stream';
import { Arrivals } from '../arrivals.ts';
import type { Peer } from '../peer.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { Session, type SessionHeader } from './session.ts';

/** Milliseconds that a build waits for a session that has not come yet. */
const WAIT_MS = 5000;

/** One session has an id at a time: a new one closes the old. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #arrivals = new Arrivals();

  /** Opens a session of `peer` on a tunnel. It is forgotten when the tunnel ends. */
  open(header: SessionHeader, transport: Duplex, peer: Peer): Session {
    const session = new Session(header, transport, peer);
    this.#sessions.get(header.id)?.channel.close();
    this.#sessions.set(header.id, session);
    session.closed.addEventListener('abort', () => {
      if (this.#sessions.get(header.id) === session) this.#sessions.delete(header.id);
    });
    this.#arrivals.announce();
    return session;
  }

  /** The session, waiting a few seconds for it to come. Rejects with Unavailable. A prefix `x:` of the id is not part of it. */
  async get(id: string, signal: AbortSignal): Promise<Session> {
    const plain = plainId(id);
    const session = await this.#arrivals.await(() => this.#sessions.get(plain), WAIT_MS, signal);
    if (session === undefined) throw new RpcError('unavailable', `no active session for ${plain}`);
    return session;
  }

  /** The session if it is there now. */
  find(id: string): Session | undefined {
    return this.#sessions.get(plainId(id));
  }

  /** Ends all of them. */
  close(): void {
    for (const session of this.#sessions.values()) session.channel.close();
  }
}

function plainId(id: string): string {
  const colon = id.indexOf(':');
  return colon >= 0 && colon < id.length - 1 ? id.slice(colon + 1) : id;
}
