// A client's session, made by hand: the server's calls arrive at a gRPC server of the test's, through the session's stream.

import { Duplex } from 'node:stream';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { Control } from '../../src/api/gen/control_pb.ts';
import { decodeBytes, encodeBytes } from '../../src/api/wire/bytes-message.ts';
import type { RpcChannel } from '../../src/api/wire/channel.ts';

/** Opens the session `id`, which says that it answers `methods` (`/package.Service/Method`). Disposing ends it, `server` and `channel`. */
export function openSession(channel: RpcChannel, id: string, methods: readonly string[], server: Server): Disposable {
  const session = channel.stream(`/${Control.typeName}/Session`, new AbortController().signal, {
    'x-docker-expose-session-uuid': id,
    'x-docker-expose-session-name': 'by-hand',
    'x-docker-expose-session-grpc-method': [...methods, '/grpc.health.v1.Health/Check'],
  });
  const tunnel = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => void session.send(encodeBytes(chunk)).then(() => done(), done),
  });
  tunnel.on('error', () => {});
  void (async () => {
    for await (const bytes of session.messages) tunnel.push(decodeBytes(bytes));
  })().catch(() => {});
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  injector.injectConnection(tunnel);
  return {
    [Symbol.dispose]: () => {
      injector.destroy();
      server.forceShutdown();
      channel.close();
    },
  };
}
