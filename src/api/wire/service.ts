// From generated service descriptors to handlers of the gRPC server: typed messages, async iterables, one error path.

import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { handleBidiStreamingCall, handleServerStreamingCall, handleUnaryCall, Server, ServerWritableStream } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import { CODES, detailsBytes, RpcError, toldMessage } from './rpc-error.ts';

/** What a handler knows of its call beside the message. */
export interface RpcCall {
  /** Values of a metadata key, as text. */
  metadata(key: string): readonly string[];
  /** Aborted when the client is gone or gave up. */
  readonly signal: AbortSignal;
  /** Sends the response header now (with these entries) instead of with the first message. */
  sendHeader(entries: Readonly<Record<string, string>>): void;
}

type Handler<M> = M extends { methodKind: 'unary'; input: infer I extends DescMessage; output: infer O extends DescMessage }
  ? (request: MessageShape<I>, call: RpcCall) => Promise<MessageInitShape<O>>
  : M extends { methodKind: 'server_streaming'; input: infer I extends DescMessage; output: infer O extends DescMessage }
    ? (request: MessageShape<I>, call: RpcCall) => AsyncIterable<MessageInitShape<O>>
    : M extends { methodKind: 'bidi_streaming'; input: infer I extends DescMessage; output: infer O extends DescMessage }
      ? (requests: AsyncIterable<MessageShape<I>>, call: RpcCall) => AsyncIterable<MessageInitShape<O>>
      : never;

/** The handlers of a service; a missing one answers Unimplemented. */
export type Handlers<S extends DescService> = { readonly [K in keyof S['method']]?: Handler<S['method'][K]> };

/** A duplex call whose messages stay bytes: for the tunnels. */
export type RawHandler = handleBidiStreamingCall<Buffer, Buffer>;

/** Turns any failure into what the client shall see. */
export type ErrorReader = (error: unknown) => RpcError;

const raw = (bytes: Buffer): Buffer => bytes;

/** Adds a service. `rawHandlers` (by local method name) get and give bytes. */
export function addService<S extends DescService>(
  server: Server,
  service: S,
  handlers: Handlers<S>,
  read: ErrorReader,
  rawHandlers: Readonly<Record<string, RawHandler>> = {},
): void {
  const definition: Record<string, object> = {};
  const implementation: Record<string, unknown> = {};
  for (const method of service.methods) {
    const handler = (handlers as Record<string, unknown>)[method.localName] as ((input: unknown, call: RpcCall) => unknown) | undefined;
    const rawHandler = rawHandlers[method.localName];
    if (handler === undefined && rawHandler === undefined) continue;
    definition[method.localName] = {
      path: `/${service.typeName}/${method.name}`,
      requestStream: method.methodKind === 'bidi_streaming' || method.methodKind === 'client_streaming',
      responseStream: method.methodKind === 'bidi_streaming' || method.methodKind === 'server_streaming',
      requestSerialize: raw,
      responseDeserialize: raw,
      // Read by the adapters below: what cannot be read is the client's mistake and answered as such.
      requestDeserialize: raw,
      responseSerialize: rawHandler === undefined ? (message: object) => encode(method, message) : raw,
    };
    implementation[method.localName] = rawHandler ?? adapt(method, handler as AnyHandler, read);
  }
  server.addService(definition as Parameters<Server['addService']>[0], implementation as Parameters<Server['addService']>[1]);
}

function encode(method: DescMethod, message: object): Buffer {
  const bytes = toBinary(method.output, create(method.output, message as MessageInitShape<DescMessage>));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

type AnyHandler = (input: unknown, call: RpcCall) => unknown;

function decode(method: DescMethod, bytes: Buffer): MessageShape<DescMessage> {
  try {
    return fromBinary(method.input, bytes);
  } catch (cause) {
    throw new RpcError('invalidArgument', `the message for ${method.name} cannot be read: ${(cause as Error).message}`, [], { cause });
  }
}

function adapt(method: DescMethod, handler: AnyHandler, read: ErrorReader): unknown {
  switch (method.methodKind) {
    case 'unary':
      return unary(async (bytes, call) => handler(decode(method, bytes), call) as Promise<object>, read);
    case 'server_streaming':
      return serverStream((bytes, call) => handler(decode(method, bytes), call) as AsyncIterable<object>, read);
    default:
      return bidi((requests, call) => handler(decodeAll(method, requests), call) as AsyncIterable<object>, read);
  }
}

async function* decodeAll(method: DescMethod, requests: AsyncIterable<Buffer>): AsyncGenerator<MessageShape<DescMessage>> {
  for await (const bytes of requests) yield decode(method, bytes);
}

function unary(handler: (input: Buffer, call: RpcCall) => Promise<object>, read: ErrorReader): handleUnaryCall<Buffer, object> {
  return (call, callback) => {
    handler(call.request, rpcCall(call)).then(
      (response) => callback(null, response),
      (error: unknown) => callback(grpcError(read(error))),
    );
  };
}

function serverStream(
  handler: (input: Buffer, call: RpcCall) => AsyncIterable<object>,
  read: ErrorReader,
): handleServerStreamingCall<Buffer, object> {
  return (call) => {
    const context = rpcCall(call);
    void pump(() => handler(call.request, context), call, context, read);
  };
}

function bidi(
  handler: (requests: AsyncIterable<Buffer>, call: RpcCall) => AsyncIterable<object>,
  read: ErrorReader,
): handleBidiStreamingCall<Buffer, object> {
  return (call) => {
    const context = rpcCall(call);
    // Reading to the end must not destroy the stream that the answers go out by.
    const requests = call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    void pump(() => handler(requests, context), call as unknown as ServerWritableStream<unknown, object>, context, read);
  };
}

/** Never rejects: every failure ends the call. */
async function pump(
  answers: () => AsyncIterable<object>,
  call: ServerWritableStream<unknown, object>,
  context: RpcCall,
  read: ErrorReader,
): Promise<void> {
  try {
    for await (const message of answers()) {
      if (context.signal.aborted) break;
      if (!call.write(message)) await drained(call, context.signal);
    }
    call.end();
  } catch (error) {
    call.emit('error', grpcError(read(error)));
  }
}

function drained(call: ServerWritableStream<unknown, object>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
}

interface AnyCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  sendMetadata(metadata: Metadata): void;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** The parts of a grpc-js call that handlers see. */
function rpcCall(call: AnyCall): RpcCall {
  const abort = new AbortController();
  if (call.cancelled) abort.abort(canceled());
  call.on('cancelled', () => abort.abort(canceled()));
  return {
    metadata: (key) => call.metadata.get(key).map((value) => value.toString()),
    signal: abort.signal,
    sendHeader: (entries) => {
      const header = new Metadata();
      for (const [key, value] of Object.entries(entries)) header.set(key, value);
      call.sendMetadata(header);
    },
  };
}

function canceled(): Error {
  return new DOMException('the client is gone', 'AbortError');
}

/** An error in the form that grpc-js sends. */
function grpcError(error: RpcError): Error & { code: number; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  const status = detailsBytes(error);
  if (status !== undefined) metadata.set('grpc-status-details-bin', Buffer.from(status));
  const details = toldMessage(error);
  return Object.assign(new Error(details), { code: CODES[error.code], details, metadata });
}
