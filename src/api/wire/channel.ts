// A gRPC client over any Duplex: HTTP/2 by node:http2, the five-byte message frame by hand. A session is served this way round:
// the client's side of the tunnel is the server.

import { connect, type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  create,
  toBinary,
} from '@bufbuild/protobuf';
import { CODES, errorFromTrailers, RpcError } from './rpc-error.ts';

/** Request metadata: a key may have several values. */
export type CallMetadata = Readonly<Record<string, string | string[]>>;

/** An open call with streams both ways. */
export interface RpcStream {
  /** Sends one message; resolves when there is room for the next. Rejects once the call is over. */
  send(message: Uint8Array): Promise<void>;
  /** No more messages from us. */
  closeSend(): void;
  /** The answers. Ends when the call ended well; throws its RpcError otherwise. To be iterated once. */
  readonly messages: AsyncIterable<Buffer>;
  /** Gives the call up. */
  cancel(): void;
}

/** Largest message taken from the other side, bytes. */
const MAX_MESSAGE = 16 << 20;
const WINDOW = 4 << 20;
/** Largest header sent, bytes: the patterns of a folder travel in it. As much as gRPC's own servers take. */
const MAX_HEADER = 16 << 20;

/** One HTTP/2 connection that calls go over. */
export class RpcChannel {
  readonly #http2: ClientHttp2Session;
  readonly #closed = new AbortController();

  constructor(transport: Duplex) {
    this.#http2 = connect('http://localhost', {
      createConnection: () => transport,
      settings: { enablePush: false, initialWindowSize: WINDOW },
      maxSessionMemory: 200,
      maxSendHeaderBlockLength: MAX_HEADER,
    });
    this.#http2.on('connect', (session) => session.setLocalWindowSize(WINDOW * 4));
    this.#http2.on('error', () => this.#close());
    this.#http2.on('close', () => this.#close());
    transport.on('close', () => this.#close());
  }

  /** Aborted when the connection is gone. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Ends the connection and every call on it. */
  close(): void {
    this.#close();
  }

  /** One message there, one back. */
  async unary<M extends DescMethod & { input: DescMessage; output: DescMessage }>(
    method: M,
    input: MessageInitShape<M['input']>,
    signal: AbortSignal,
    metadata: CallMetadata = {},
  ): Promise<MessageShape<M['output']>> {
    const call = this.stream(`/${method.parent.typeName}/${method.name}`, signal, metadata);
    await call.send(toBinary(method.input, create(method.input, input)));
    call.closeSend();
    let answer: Buffer | undefined;
    for await (const message of call.messages) answer ??= message;
    if (answer === undefined) throw new RpcError('internal', `no answer to ${method.name}`);
    return fromBinary(method.output, answer) as MessageShape<M['output']>;
  }

  /** Opens a call whose messages are bytes both ways. */
  stream(path: string, signal: AbortSignal, metadata: CallMetadata = {}): RpcStream {
    signal.throwIfAborted();
    if (this.closed.aborted) throw new RpcError('unavailable', 'the session is over');
    const http2 = this.#http2.request(
      {
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'user-agent': 'slipway',
        ...metadata,
      },
      { endStream: false },
    );
    return new Http2Call(http2, AbortSignal.any([signal, this.closed]));
  }

  #close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new RpcError('unavailable', 'the session is over'));
    this.#http2.destroy();
  }
}

class Http2Call implements RpcStream {
  readonly #http2: ClientHttp2Stream;
  readonly #signal: AbortSignal;
  readonly #outcome: Promise<RpcError | undefined>;
  readonly messages: AsyncIterable<Buffer>;

  constructor(http2: ClientHttp2Stream, signal: AbortSignal) {
    this.#http2 = http2;
    this.#signal = signal;
    const onAbort = (): void => http2.close(constants.NGHTTP2_CANCEL);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#outcome = outcomeOf(http2, signal).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
    this.messages = this.#read();
  }

  async send(message: Uint8Array): Promise<void> {
    if (this.#http2.destroyed || this.#http2.closed) throw (await this.#outcome) ?? new RpcError('unavailable', 'the call is over');
    const header = Buffer.allocUnsafe(5);
    header[0] = 0;
    header.writeUInt32BE(message.byteLength, 1);
    this.#http2.write(header);
    if (this.#http2.write(message)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#http2.off('drain', done);
        this.#http2.off('close', done);
        resolve();
      };
      this.#http2.on('drain', done);
      this.#http2.on('close', done);
    });
  }

  closeSend(): void {
    if (!this.#http2.destroyed) this.#http2.end();
  }

  cancel(): void {
    this.#http2.close(constants.NGHTTP2_CANCEL);
  }

  async *#read(): AsyncGenerator<Buffer> {
    let rest: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of this.#http2 as AsyncIterable<Buffer>) {
        rest.push(chunk);
        length += chunk.length;
        if (length < 5 || length < needed(rest)) continue;
        let buffer = rest.length === 1 ? chunk : Buffer.concat(rest);
        for (;;) {
          if (buffer.length < 5) break;
          const size = buffer.readUInt32BE(1);
          if (buffer[0] !== 0) throw new RpcError('internal', 'a compressed message came though none was agreed on');
          if (size > MAX_MESSAGE) throw new RpcError('resourceExhausted', `a message of ${size} bytes came, more than ${MAX_MESSAGE}`);
          if (buffer.length < 5 + size) break;
          yield buffer.subarray(5, 5 + size);
          buffer = buffer.subarray(5 + size);
        }
        rest = buffer.length === 0 ? [] : [buffer];
        length = buffer.length;
      }
    } catch (error) {
      if (error instanceof RpcError) {
        this.cancel();
        throw error;
      }
      // The stream's own error says less than the outcome below.
    }
    const failure = await this.#outcome;
    this.#signal.throwIfAborted();
    if (failure !== undefined) throw failure;
    if (length > 0) throw new RpcError('internal', 'the answer ended inside a message');
  }
}

/** Bytes that must be there before the first message in `parts` is whole. */
function needed(parts: readonly Buffer[]): number {
  const first = parts[0] as Buffer;
  const header = first.length >= 5 ? first : Buffer.concat(parts);
  return Math.min(5 + header.readUInt32BE(1), MAX_MESSAGE);
}

function outcomeOf(http2: ClientHttp2Stream, signal: AbortSignal): Promise<RpcError | undefined> {
  return new Promise((resolve) => {
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders | undefined;
    http2.on('response', (received) => {
      headers = received;
    });
    http2.on('trailers', (received) => {
      trailers = received;
    });
    // The other side has said how it ended: whatever we still had to say, nobody listens. 'close' waits for our end.
    const finish = (): void => void (http2.writableEnded || http2.end());
    http2.on('trailers', finish);
    http2.on('end', finish);
    http2.on('error', () => {}); // 'close' follows
    http2.on('close', () => {
      if (signal.aborted) {
        const reason: unknown = signal.reason;
        resolve(reason instanceof RpcError ? reason : new RpcError('canceled', 'the call was given up', [], { cause: reason }));
        return;
      }
      const last = trailers ?? headers; // an answer without messages has everything in its header
      const code = last['grpc-status'];
      if (code === undefined) resolve(new RpcError('unavailable', `the call broke off${httpStatus(headers)}`));
      else resolve(errorFromTrailers(Number(code), decodeMessage(last['grpc-message']), binary(last['grpc-status-details-bin'])));
    });
  });
}

function httpStatus(headers: IncomingHttpHeaders): string {
  const status = headers[':status'] as number | undefined;
  return status === undefined || status === 200 ? '' : ` with http status ${status}`;
}

function decodeMessage(value: string | string[] | undefined): string {
  const text = Array.isArray(value) ? value.join(', ') : (value ?? '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function binary(value: string | string[] | undefined): Buffer | undefined {
  const text = Array.isArray(value) ? value[0] : value;
  return text === undefined ? undefined : Buffer.from(text, 'base64');
}

/** Whether a call failed because the other side does not offer it. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof RpcError && CODES[error.code] === CODES.unimplemented;
}
