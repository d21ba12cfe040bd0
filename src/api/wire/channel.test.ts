import assert from 'node:assert/strict';
import { Duplex, PassThrough } from 'node:stream';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { toRpcError } from '../failure.ts';
import { type ExecMessage, ExecMessageSchema, LLBBridge } from '../gen/gateway_pb.ts';
import { RpcChannel, type RpcStream } from './channel.ts';
import { RpcError } from './rpc-error.ts';
import { addService } from './service.ts';

type Exec = (requests: AsyncIterable<ExecMessage>) => AsyncGenerator<{ processId: string }>;

/** A call of a service whose answers are what `exec` says. */
function callOf(t: { after: (fn: () => void) => void }, exec: Exec): RpcStream {
  const there = new PassThrough();
  const back = new PassThrough();
  const server = new Server();
  addService(server, LLBBridge, { execProcess: exec }, toRpcError);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  injector.injectConnection(Duplex.from({ readable: there, writable: back }));
  const channel = new RpcChannel(Duplex.from({ readable: back, writable: there }));
  // In memory nothing keeps the process alive while it waits.
  const awake = setInterval(() => {}, 1000);
  t.after(() => {
    clearInterval(awake);
    channel.close();
    injector.destroy();
    server.forceShutdown();
  });
  return channel.stream(`/${LLBBridge.typeName}/ExecProcess`, new AbortController().signal);
}

const message = (processId: string): Uint8Array => toBinary(ExecMessageSchema, create(ExecMessageSchema, { processId }));

test('answers still go out after the last question was read', { timeout: 20_000 }, async (t) => {
  const call = callOf(t, async function* (requests) {
    const seen: string[] = [];
    for await (const { processId } of requests) seen.push(processId);
    yield { processId: `after ${seen.join(' and ')}` };
  });
  await call.send(message('one'));
  await call.send(message('two'));
  call.closeSend();
  const answers: string[] = [];
  for await (const bytes of call.messages) answers.push(fromBinary(ExecMessageSchema, bytes).processId);
  assert.deepEqual(answers, ['after one and two']);
});

test('a refusal ends the call though the client has not finished', { timeout: 20_000 }, async (t) => {
  const call = callOf(t, async function* (requests) {
    for await (const { processId } of requests) throw new RpcError('notFound', `no ${processId}`);
    yield { processId: '' };
  });
  await call.send(message('such thing'));
  await assert.rejects(call.messages[Symbol.asyncIterator]().next(), (error: RpcError) => {
    assert.deepEqual([error.code, error.message], ['notFound', 'no such thing']);
    return true;
  });
});
