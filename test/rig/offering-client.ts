// A client whose session offers calls of the test's choice: to decide about sources, to choose exporters.

import { connect } from 'node:net';
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { type handleUnaryCall, Server } from '@grpc/grpc-js';
import { RpcChannel } from '../../src/api/wire/channel.ts';
import { openSession } from './session.ts';

/** A call that is offered, and its answer; what it throws fails the call. */
export interface Offer {
  readonly method: DescMethod;
  /** From one message's bytes to the other's. */
  readonly answer: (request: Uint8Array) => Promise<Uint8Array>;
}

/** One offer with its types. */
export function offer<M extends DescMethod & { input: DescMessage; output: DescMessage }>(
  method: M,
  answer: (request: MessageShape<M['input']>) => MessageInitShape<M['output']> | Promise<MessageInitShape<M['output']>>,
): Offer {
  return {
    method,
    answer: async (bytes) => {
      const message = await answer(fromBinary(method.input, bytes) as MessageShape<M['input']>);
      return toBinary(method.output, create(method.output, message as MessageInitShape<DescMessage>));
    },
  };
}

/** An open session, `id`. Disposing ends it. */
export class OfferingClient implements Disposable {
  readonly id = `offering-${process.pid}-${Math.random().toString(36).slice(2)}`;
  readonly #session: Disposable;

  constructor(socket: string, offers: readonly Offer[]) {
    const methods = offers.map(({ method }) => pathOf(method));
    this.#session = openSession(new RpcChannel(connect(socket)), this.id, methods, serverOf(offers));
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }
}

function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

function serverOf(offers: readonly Offer[]): Server {
  const bytes = (message: Buffer): Buffer => message;
  const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  const server = new Server();
  for (const { method, answer } of offers) {
    const handle: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      answer(call.request).then(
        (message) => callback(null, Buffer.from(message)),
        (error: Error) => callback({ code: 2, details: error.message }),
      );
    };
    server.addService({ call: { path: pathOf(method), requestStream: false, responseStream: false, ...codec } }, { call: handle });
  }
  return server;
}
