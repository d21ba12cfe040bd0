// Sockets to listen on, and which protocol a new connection speaks: gRPC (HTTP/2, known by its preface) or Docker's HTTP/1.1.

import { chmodSync, chownSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { errnoOf, SlipwayError } from '../base/index.ts';
import { makeFolders } from '../build/parts.ts';

/** Files for TLS; clients must show a certificate of `ca`. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

export interface ListenOptions {
  /** `unix:///path`, `tcp://host:port`. */
  readonly address: string;
  readonly tls?: TlsFiles;
  /** Owner of a unix socket, beside us. */
  readonly group?: number;
}

export interface Protocols {
  readonly http2: (socket: Socket) => void;
  readonly http1: (socket: Socket) => void;
}

/** A client's first bytes when it speaks HTTP/2 without having asked. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Starts listening. The returned address has the port that was taken. */
export async function listen(options: ListenOptions, protocols: Protocols): Promise<{ readonly server: Server; readonly address: string }> {
  const onSocket = (socket: Socket): void => chooseProtocol(socket, protocols);
  const url = parseAddress(options.address);
  if ('path' in url) {
    const server = createServer(onSocket);
    await takeSocket(url.path);
    // The mask, not a later chmod: nobody else may connect in between. The socket is made before `listen` returns.
    const mask = process.umask(0o177);
    let ready: Promise<void>;
    try {
      ready = listening(server, { path: url.path });
    } finally {
      process.umask(mask);
    }
    await ready;
    if (options.group !== undefined) {
      chownSync(url.path, process.getuid?.() ?? -1, options.group);
      chmodSync(url.path, 0o660);
    }
    return { server, address: options.address };
  }
  const server = options.tls === undefined ? createServer(onSocket) : tlsServer(options.tls, onSocket);
  await listening(server, url);
  const bound = server.address();
  return { server, address: `tcp://${url.host}:${typeof bound === 'object' && bound !== null ? bound.port : url.port}` };
}

function parseAddress(address: string): { readonly path: string } | { readonly host: string; readonly port: number } {
  const match = /^(unix|tcp):\/\/(.+)$/.exec(address);
  if (match?.[1] === 'unix') return { path: match[2] as string };
  const tcp = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(match?.[2] ?? '');
  if (match === null || tcp === null) {
    throw new SlipwayError('ADDRESS_INVALID', `cannot listen on ${JSON.stringify(address)}`, {
      hint: 'use unix:///path/to/socket or tcp://host:port',
    });
  }
  return { host: (tcp[1] ?? tcp[2]) as string, port: Number(tcp[3]) };
}

function tlsServer(files: TlsFiles, onSocket: (socket: TLSSocket) => void): Server {
  return createTlsServer(
    {
      cert: readFileSync(files.cert),
      key: readFileSync(files.key),
      ALPNProtocols: ['h2', 'http/1.1'],
      minVersion: 'TLSv1.2',
      ...(files.ca !== undefined && { ca: readFileSync(files.ca), requestCert: true, rejectUnauthorized: true }),
    },
    onSocket,
  );
}

function listening(server: Server, where: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Removes a socket that nobody listens on any more; a live one is another server's. */
async function takeSocket(path: string): Promise<void> {
  try {
    makeFolders(dirname(path), 0o711);
  } catch (cause) {
    throw new SlipwayError('ADDRESS_INVALID', `cannot listen on unix://${path}: ${(cause as Error).message}`, {
      hint: 'name a path in a folder of your own by --addr',
      cause,
    });
  }
  try {
    if (!statSync(path).isSocket()) throw new SlipwayError('ADDRESS_IN_USE', `${path} exists and is no socket`);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (alive) throw new SlipwayError('ADDRESS_IN_USE', `another server listens on ${path}`);
  rmSync(path, { force: true });
}

function chooseProtocol(socket: Socket, protocols: Protocols): void {
  let head = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  const onReadable = (): void => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
      head = Buffer.concat([head, chunk]);
    const known = Math.min(head.length, PREFACE.length);
    if (known === 0) return;
    const http2 = head.subarray(0, known).equals(PREFACE.subarray(0, known));
    if (http2 && known < PREFACE.length) return;
    socket.off('readable', onReadable);
    socket.unshift(head);
    (http2 ? protocols.http2 : protocols.http1)(socket);
  };
  socket.on('readable', onReadable);
}
