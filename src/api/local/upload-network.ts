// Addresses on `buildkit-session` are streams of the client; all others are the network's.

import { Readable } from 'node:stream';
import type { SourceNetwork } from '../../build/parts.ts';
import type { ClientServices } from '../backend.ts';

const SESSION_HOST = 'buildkit-session';

/** `network`, with the uploads of one client beside it. */
export function uploadNetwork(network: SourceNetwork, client: ClientServices, signal: AbortSignal): SourceNetwork {
  return {
    ...network,
    git: { ...network.git, wholeRefs: true },
    http: {
      send: async (request) => {
        if (request.url.hostname !== SESSION_HOST) return network.http.send(request);
        // A stream can be read once: a question about it must not use it up.
        const body = request.method === 'HEAD' ? Readable.from([]) : Readable.from(client.upload(request.url, signal));
        return { status: 200, headers: {}, body };
      },
    },
  };
}
