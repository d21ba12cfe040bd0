// A proxy before a real registry that does to its traffic what networks and registries do on bad days.

import { createServer, type IncomingMessage, request as sendRequest, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What becomes of one request. */
export type Trouble =
  /** Answered here with this status; the registry never hears of it. */
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** The connection ends once this many bytes of the request's body came; the registry never hears of it. */
  | { readonly kind: 'cut-request'; readonly after: number }
  /** The connection ends after this many bytes of the answer's body. */
  | { readonly kind: 'cut-answer'; readonly after: number }
  /** Nothing is read of the request, and nothing is answered. */
  | { readonly kind: 'stall' }
  /** The registry does what was asked, and the answer is lost. */
  | { readonly kind: 'lost-answer' }
  /** One byte of the answer's body is another one. */
  | { readonly kind: 'flip'; readonly at: number }
  /** The answer has a body of half the length, and says so. */
  | { readonly kind: 'half' }
  /** The answer says that it is longer than it is, and ends. */
  | { readonly kind: 'too-short' }
  /** A page of a portal instead of an answer. */
  | { readonly kind: 'page' }
  /** The answer's body comes in pieces, this long apart (ms). */
  | { readonly kind: 'slow'; readonly pause: number }
  /** Another host has it: one that does, or the address `to`. */
  | { readonly kind: 'redirect'; readonly to?: string };

/** One request, as the weather looks at it. */
export interface Asked {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** With its question mark; '' without. */
  readonly query: string;
  /** The header of that name. */
  readonly range?: string;
}

export interface BadWeather extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** Asked for each request to the registry. Undefined: it goes through. */
  trouble: (asked: Asked) => Trouble | undefined;
  /** How many requests one token is good for; undefined: nobody wants a token. */
  tokenUses: number | undefined;
  /** What happened, one line each. */
  readonly told: string[];
  /** What no client may do: logins sent to another host, tokens out of nothing. Empty: all well. */
  readonly faults: string[];
}

/** Starts the proxy before the registry at `behind` (`127.0.0.1:PORT`). */
export async function startBadWeather(behind: string): Promise<BadWeather> {
  const uses = new Map<string, number>();
  const other = createServer((request, response) => {
    if (request.headers.authorization !== undefined) self.faults.push(`a login was sent to another host: ${request.url ?? ''}`);
    forward(behind, request, response, undefined);
  });
  const elsewhere = await listen(other);
  const server = createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split(/(?=\?)/);
    const { range } = request.headers;
    const asked = { method: request.method ?? '', path, query, ...(range !== undefined && { range }) };
    const authorization = request.headers.authorization;
    delete request.headers.authorization;
    if (asked.path === '/token') {
      const token = `t${uses.size}`;
      uses.set(token, self.tokenUses ?? 0);
      response.end(JSON.stringify({ token, expires_in: 300 }));
      return;
    }
    const trouble = self.trouble(asked);
    if (trouble !== undefined) self.told.push(`${asked.method} ${asked.path}: ${JSON.stringify(trouble)}`);
    if (self.tokenUses !== undefined && !spend(authorization)) {
      response.writeHead(401, {
        'www-authenticate': `Bearer realm="http://${self.address}/token",service="weather",scope="repository:x:pull,push"`,
      });
      request.resume().once('end', () => response.end('{}'));
    } else if (trouble?.kind === 'redirect') {
      response.writeHead(307, { location: trouble.to ?? `http://${elsewhere}${request.url ?? ''}` });
      response.end();
    } else forward(behind, request, response, trouble);
  });
  const spend = (authorization: string | undefined): boolean => {
    const token = /^Bearer (.*)$/.exec(authorization ?? '')?.[1];
    if (token === undefined) return false;
    const left = uses.get(token);
    if (left === undefined) self.faults.push(`a token out of nothing: ${token}`);
    uses.set(token, (left ?? 0) - 1);
    return (left ?? 0) > 0;
  };
  const self: BadWeather = {
    address: await listen(server),
    trouble: () => undefined,
    tokenUses: undefined,
    told: [],
    faults: [],
    [Symbol.asyncDispose]: async () => {
      for (const one of [server, other]) {
        one.closeAllConnections();
        await new Promise((resolve) => one.close(resolve));
      }
    },
  };
  return self;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function forward(behind: string, request: IncomingMessage, response: ServerResponse, trouble: Trouble | undefined): void {
  request.on('error', () => {}); // a client that goes away
  if (trouble?.kind === 'status') {
    response.writeHead(trouble.status, { 'content-type': 'application/json', ...trouble.headers });
    response.end(trouble.body ?? '');
    return;
  }
  if (trouble?.kind === 'page') {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<html><body>Please log in to this network</body></html>');
    return;
  }
  if (trouble?.kind === 'stall') return;
  if (trouble?.kind === 'cut-request') {
    let came = 0;
    const cut = (): void => void request.socket.destroy();
    request.on('data', (chunk: Buffer) => {
      came += chunk.length;
      if (came >= trouble.after) cut();
    });
    request.once('end', cut);
    return;
  }
  const [host, port] = behind.split(':');
  const headers = { ...request.headers };
  const sent = sendRequest({ host, port, method: request.method, path: request.url, headers, agent: false }, (answer) => {
    const parts: Buffer[] = [];
    answer
      .on('data', (chunk: Buffer) => parts.push(chunk))
      .once('end', () => reply(request, response, answer, Buffer.concat(parts), trouble));
    answer.once('error', () => request.socket.destroy());
  });
  sent.once('error', () => request.socket.destroy());
  request.once('close', () => {
    if (!request.complete) sent.destroy();
  });
  request.pipe(sent);
}

function reply(
  request: IncomingMessage,
  response: ServerResponse,
  answer: IncomingMessage,
  body: Buffer,
  trouble: Trouble | undefined,
): void {
  const socket: Socket = request.socket;
  const status = answer.statusCode ?? 502;
  const headers = { ...answer.headers };
  delete headers['transfer-encoding'];
  switch (trouble?.kind) {
    case 'lost-answer':
      socket.destroy();
      return;
    case 'cut-answer':
      response.writeHead(status, headers);
      response.write(body.subarray(0, Math.min(trouble.after, body.length - 1)), () => socket.destroy());
      return;
    case 'too-short':
      response.writeHead(status, { ...headers, 'content-length': body.length + 10 });
      response.write(body, () => socket.destroy());
      return;
    case 'half':
      response.writeHead(status, { ...headers, 'content-length': body.length >> 1 });
      response.end(body.subarray(0, body.length >> 1));
      return;
    case 'flip': {
      const changed = Buffer.from(body);
      if (changed.length > 0) changed.writeUInt8(changed.readUInt8(trouble.at % changed.length) ^ 1, trouble.at % changed.length);
      response.writeHead(status, headers);
      response.end(changed);
      return;
    }
    case 'slow': {
      response.writeHead(status, headers);
      const piece = Math.max(1, Math.ceil(body.length / 8));
      const next = (at: number): void => {
        if (at >= body.length) response.end();
        else response.write(body.subarray(at, at + piece), () => setTimeout(next, trouble.pause, at + piece));
      };
      next(0);
      return;
    }
    default:
      response.writeHead(status, headers);
      response.end(request.method === 'HEAD' ? undefined : body);
  }
}
