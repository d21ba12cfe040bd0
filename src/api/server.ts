// The server: BuildKit's services and Docker's build API on one socket.

import { createServer as createHttpServer } from 'node:http';
import type { Server as NetServer, Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { waitAtMost } from '../base/index.ts';
import type { BuildBackend } from './backend.ts';
import { contentHandlers } from './control/content.ts';
import { BuildHistory, type HistoryLimits } from './control/history.ts';
import { controlHandlers, sessionHandler } from './control/handlers.ts';
import { RunningBuilds } from './control/builds.ts';
import { ResultOwners } from './control/result-owners.ts';
import type { SolveHost } from './control/solver.ts';
import { Undertakings } from './control/undertakings.ts';
import { dockerApi } from './docker/handler.ts';
import { toRpcError } from './failure.ts';
import { bridgeHandlers } from './gateway/handlers.ts';
import { Content } from './gen/content_pb.ts';
import { Control } from './gen/control_pb.ts';
import { LLBBridge } from './gen/gateway_pb.ts';
import { Health } from './gen/health_pb.ts';
import { listen, type ListenOptions } from './listen.ts';
import { type Peer, peerOf } from './peer.ts';
import { ProvenanceStore } from './provenance/request-node.ts';
import { MirrorPool } from './session/mirror.ts';
import { Sessions } from './session/sessions.ts';
import { addService } from './wire/service.ts';

export interface ServeOptions {
  readonly listen: readonly ListenOptions[];
  readonly backend: BuildBackend;
  readonly history?: HistoryLimits;
}

/** A running server. Disposing it gives up every build, tells the clients why, and ends their connections. */
export interface ApiServer extends AsyncDisposable {
  /** Where it listens, ports filled in. */
  readonly addresses: readonly string[];
}

type ConnectionInjector = ReturnType<Server['createConnectionInjector']>;

/** Milliseconds that builds have to end when the server shall. */
const END_MS = 5000;
/** Milliseconds that their clients have to hear of it and hang up. */
const FAREWELL_MS = 1000;
/** Largest message taken, bytes. */
const MAX_MESSAGE = 16 << 20;

/** Starts serving. */
export async function serve(options: ServeOptions): Promise<ApiServer> {
  const { backend } = options;
  const mirrors = new MirrorPool(backend.mirrorFolder, join(backend.folder, 'sessions/scratch'), backend);
  const host: SolveHost = {
    backend,
    sessions: new Sessions(),
    provenance: new ProvenanceStore(),
    owners: new ResultOwners(),
    sync: { mirrors, machine: backend.machine, owners: backend.owners },
    running: new RunningBuilds(),
    undertakings: new Undertakings(),
    history: new BuildHistory(join(backend.folder, 'history'), backend.temporary('running'), backend.now, options.history),
  };
  const whose = (socket: Duplex): Peer => peerOf(socket, backend.machine);
  const grpc = new GrpcServers(host);
  const inject = (socket: Duplex): void => grpc.take(socket, whose(socket));
  const docker = dockerApi(host, inject, whose);
  const http = createHttpServer(docker.request);
  http.on('upgrade', docker.upgrade);
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const servers: NetServer[] = [];
  const addresses: string[] = [];
  try {
    for (const one of options.listen) {
      const bound = await listen(one, {
        http2: (socket) => inject(track(socket)),
        http1: (socket) => http.emit('connection', track(socket)),
      });
      servers.push(bound.server);
      addresses.push(bound.address);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    addresses,
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) server.close();
      if (await host.undertakings.end(END_MS)) await allClosed(sockets, FAREWELL_MS);
      host.sessions.close();
      grpc.close();
      for (const socket of sockets) socket.destroy();
      host.history[Symbol.dispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}

/** Waits until no connection is left, at most `limitMs`. */
async function allClosed(sockets: ReadonlySet<Socket>, limitMs: number): Promise<void> {
  const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  await waitAtMost(Promise.all(closed), limitMs);
}

/** A gRPC server for each peer, made when it comes: a call does not tell on which connection it came. */
class GrpcServers {
  readonly #host: SolveHost;
  readonly #servers = new Map<Peer, { readonly server: Server; readonly injector: ConnectionInjector }>();

  constructor(host: SolveHost) {
    this.#host = host;
  }

  take(socket: Duplex, peer: Peer): void {
    let served = this.#servers.get(peer);
    if (served === undefined) {
      const server = grpcServer(this.#host, peer);
      served = { server, injector: server.createConnectionInjector(ServerCredentials.createInsecure()) };
      this.#servers.set(peer, served);
    }
    served.injector.injectConnection(socket);
  }

  close(): void {
    for (const { server, injector } of this.#servers.values()) {
      injector.destroy();
      server.forceShutdown();
    }
  }
}

function grpcServer(host: SolveHost, peer: Peer): Server {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE,
    'grpc.max_send_message_length': MAX_MESSAGE,
    'grpc.max_concurrent_streams': 1000,
  });
  addService(server, Control, controlHandlers(host), toRpcError, { session: sessionHandler(host, peer) });
  addService(server, LLBBridge, bridgeHandlers(host), toRpcError);
  addService(server, Content, contentHandlers(host.history.blobs), toRpcError);
  addService(server, Health, { check: async () => ({ status: 1 }) }, toRpcError);
  addTraceSink(server);
  return server;
}

/** Clients send their traces here; they are taken and dropped. */
function addTraceSink(server: Server): void {
  const bytes = (message: Buffer): Buffer => message;
  server.addService(
    {
      export: {
        path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    { export: (_call: unknown, callback: (error: null, answer: Buffer) => void) => callback(null, Buffer.alloc(0)) },
  );
}
