// A server that plays a script: expected requests and their replies, in order. A request that is not next in the script fails.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One exchange. */
export interface Scripted {
  /** `GET /v2/a/manifests/1`, with the query. */
  readonly expect: string;
  /** Headers the request must have; undefined: must not have. */
  readonly with?: Readonly<Record<string, string | undefined>>;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Cuts the connection after this many bytes of the body. */
  readonly cutAfter?: number;
  /** The body comes without its length, in chunks. */
  readonly chunked?: true;
  /** Cuts the connection once this many bytes of the request's body came. */
  readonly cutRequestAfter?: number;
}

export interface ScriptedServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** What was not as the script says, and what of the script did not happen. Empty: all as written. */
  faults(): readonly string[];
  /** Bodies of the requests, in order. */
  readonly bodies: readonly Buffer[];
  /** Adds to the script: for replies that need the address. */
  add(...more: readonly Scripted[]): void;
}

export async function startScriptedServer(script: readonly Scripted[] = []): Promise<ScriptedServer> {
  const rest = [...script];
  const faults: string[] = [];
  const bodies: Buffer[] = [];
  const server = createServer((request, response) => {
    const next = rest.shift();
    const asked = `${request.method ?? ''} ${request.url ?? ''}`;
    if (next === undefined || next.expect !== asked) {
      faults.push(`got ${asked}, expected ${next?.expect ?? 'nothing more'}`);
      if (next !== undefined) rest.unshift(next);
      response.writeHead(418).end();
      return;
    }
    for (const [name, value] of Object.entries(next.with ?? {})) {
      if (request.headers[name] !== value) faults.push(`${asked}: ${name} is ${String(request.headers[name])}, expected ${String(value)}`);
    }
    play(next, request, response, bodies);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    faults: () => [...faults, ...rest.map((exchange) => `never got ${exchange.expect}`)],
    add: (...more) => void rest.push(...more),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function play(exchange: Scripted, request: IncomingMessage, response: ServerResponse, bodies: Buffer[]): void {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (exchange.cutRequestAfter !== undefined && size >= exchange.cutRequestAfter) request.socket.destroy();
  });
  request.on('error', () => {});
  request.on('end', () => {
    bodies.push(Buffer.concat(chunks));
    const body = Buffer.from(exchange.body ?? '');
    const length = exchange.headers?.['content-length'] ?? String(body.length);
    response.writeHead(exchange.status ?? 200, { ...exchange.headers, ...(exchange.chunked === true ? {} : { 'content-length': length }) });
    if (exchange.cutAfter === undefined) response.end(body);
    else response.write(body.subarray(0, exchange.cutAfter), () => response.socket?.destroySoon());
  });
}
