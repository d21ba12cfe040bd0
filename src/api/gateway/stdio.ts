// Answers one frontend over the standard streams of its process: gRPC's HTTP/2 on a pair of pipes.

import { Duplex, type Readable, type Writable } from 'node:stream';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { toRpcError } from '../failure.ts';
import { LLBBridge } from '../gen/gateway_pb.ts';
import { Health } from '../gen/health_pb.ts';
import { nativeSocket } from '../wire/native-socket.ts';
import { addService } from '../wire/service.ts';
import type { Bridge } from './bridge.ts';

/** Largest message taken, bytes. */
const MAX_MESSAGE = 16 << 20;

/** Serves `bridge` to the process that reads `input` and writes `output`, until it is disposed. */
export function serveOnStreams(bridge: Bridge, input: Writable, output: Readable): Disposable {
  const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE, 'grpc.max_send_message_length': MAX_MESSAGE });
  addService(server, LLBBridge, bridge.handlers, toRpcError);
  addService(server, Health, { check: async () => ({ status: 1 }) }, toRpcError);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const connection = nativeSocket(Duplex.from({ readable: output, writable: input }));
  injector.injectConnection(connection);
  return {
    [Symbol.dispose]: () => {
      injector.destroy();
      server.forceShutdown();
      connection.destroy();
    },
  };
}
