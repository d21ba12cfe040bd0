// Docker's Engine API, as far as `docker build` (classic, and with BuildKit over the upgraded connections) and its neighbours call it.

import type { IncomingMessage, RequestListener } from 'node:http';
import type { Duplex } from 'node:stream';
import { isSlipwayError } from '../../base/index.ts';
import type { SolveHost } from '../control/solver.ts';
import type { Peer } from '../peer.ts';
import { readSessionHeader } from '../session/session.ts';
import { isRpcError } from '../wire/rpc-error.ts';
import { buildImage, pruneBuilds } from './build.ts';
import { type DockerCall, sendJson } from './call.ts';
import { inspectImage, listImages, pushImage, removeImage, tagImage } from './images.ts';
import { ping, systemFacts, versionFacts } from './system.ts';

/** What the HTTP server does with requests and with upgraded connections. */
export interface DockerApi {
  readonly request: RequestListener;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

type Route = readonly [method: string, path: RegExp, run: (call: DockerCall, match: RegExpExecArray) => Promise<void>];

const ROUTES: readonly Route[] = [
  ['GET', /^\/_ping$/, ping],
  ['HEAD', /^\/_ping$/, ping],
  ['GET', /^\/version$/, async (call) => sendJson(call, 200, versionFacts(call.host))],
  ['GET', /^\/info$/, async (call) => sendJson(call, 200, systemFacts(call.host))],
  ['POST', /^\/build$/, buildImage],
  ['POST', /^\/build\/prune$/, pruneBuilds],
  ['GET', /^\/images\/json$/, listImages],
  ['GET', /^\/images\/(.+)\/json$/, (call, match) => inspectImage(call, match[1] as string)],
  ['POST', /^\/images\/(.+)\/tag$/, (call, match) => tagImage(call, match[1] as string)],
  ['POST', /^\/images\/(.+)\/push$/, (call, match) => pushImage(call, match[1] as string)],
  ['DELETE', /^\/images\/(.+)$/, (call, match) => removeImage(call, match[1] as string)],
];

/** The API; `inject` hands a connection to the gRPC server, `peerOf` says whose it is. */
export function dockerApi(host: SolveHost, inject: (socket: Duplex) => void, peerOf: (socket: Duplex) => Peer): DockerApi {
  return {
    request: (request, response) => {
      const gone = new AbortController();
      response.on('close', () => {
        if (!response.writableFinished) gone.abort(new DOMException('the client is gone', 'AbortError'));
      });
      const where = readTarget(request);
      if (where === undefined) sendJson({ response }, 400, { message: 'the path cannot be read' });
      else void answer({ request, response, host, peer: peerOf(request.socket), signal: gone.signal, ...where });
    },
    upgrade: (request, socket, head) => {
      const path = readTarget(request)?.path;
      const protocol = (request.headers.upgrade ?? '').toLowerCase();
      try {
        if (protocol !== 'h2c' || (path !== '/grpc' && path !== '/session')) {
          socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
          return;
        }
        const header = path === '/session' ? readSessionHeader((key) => request.headersDistinct[key] ?? []) : undefined;
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
        if (head.length > 0) socket.unshift(head);
        if (header === undefined) inject(socket);
        else host.sessions.open(header, socket, peerOf(socket));
      } catch (error) {
        socket.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n${(error as Error).message}`);
      }
    },
  };
}

/** Undefined for what no client of ours writes. */
function readTarget(request: IncomingMessage): { readonly path: string; readonly query: URLSearchParams } | undefined {
  try {
    const url = new URL(request.url ?? '/', 'http://localhost');
    return { path: decodeURIComponent(url.pathname.replace(/^\/v\d+\.\d+(?=\/)/, '')), query: url.searchParams };
  } catch {
    return undefined;
  }
}

async function answer(call: DockerCall): Promise<void> {
  const { request, response, path } = call;
  try {
    for (const [method, pattern, run] of ROUTES) {
      const match = method === request.method ? pattern.exec(path) : null;
      if (match !== null) return await call.host.undertakings.run(call.signal, (signal) => run({ ...call, signal }, match));
    }
    sendJson(call, 404, { message: `slipway serve builds images, and does nothing else: it has no ${request.method ?? ''} ${path}` });
  } catch (error) {
    if (response.headersSent) response.end();
    else sendJson(call, statusOf(error), { message: error instanceof Error ? error.message : String(error) });
  }
}

function statusOf(error: unknown): number {
  if (isRpcError(error, 'invalidArgument')) return 400;
  if (isRpcError(error, 'unavailable')) return 503;
  if (isSlipwayError(error, 'IMAGE_UNKNOWN') || isRpcError(error, 'notFound')) return 404;
  return isSlipwayError(error) ? 400 : 500;
}
