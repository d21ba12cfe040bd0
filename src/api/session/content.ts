// Blobs that a client keeps: an OCI layout it builds from, a local cache, an OCI layout it wants written.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  Content,
  ReadContentRequestSchema,
  ReadContentResponseSchema,
  WriteContentRequestSchema,
  WriteContentResponseSchema,
} from '../gen/content_pb.ts';
import { MAX_CHUNK } from '../wire/bytes-message.ts';
import { isRpcError, RpcError } from '../wire/rpc-error.ts';
import { ContentRead, ContentWrite } from './methods.ts';
import type { Session } from './session.ts';

const WRITE = { stat: 0, write: 1, commit: 2 } as const;

/** One of the client's content stores: `oci:<name>`, `local:<folder>`, `export`. */
export class SessionContent {
  readonly #session: Session;
  readonly #metadata: { readonly 'buildkit-attachable-store-id': string };

  constructor(session: Session, store: string) {
    this.#session = session;
    this.#metadata = { 'buildkit-attachable-store-id': store };
  }

  /** Size of a blob, or undefined when the client does not have it. */
  async size(digest: string, signal: AbortSignal): Promise<number | undefined> {
    try {
      const { info } = await this.#session.channel.unary(Content.method.info, { digest }, signal, this.#metadata);
      return Number(info?.size ?? 0n);
    } catch (error) {
      if (isRpcError(error, 'notFound')) return undefined;
      throw error;
    }
  }

  /** The blob's bytes, unverified. */
  async *read(digest: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const call = this.#session.channel.stream(ContentRead, signal, this.#metadata);
    await call.send(toBinary(ReadContentRequestSchema, create(ReadContentRequestSchema, { digest })));
    call.closeSend();
    for await (const message of call.messages) yield fromBinary(ReadContentResponseSchema, message).data;
  }

  /** Stores a blob. Nothing is sent when the client has it. */
  async write(digest: string, size: number, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    if ((await this.size(digest, signal)) !== undefined) return;
    const call = this.#session.channel.stream(ContentWrite, signal, this.#metadata);
    const answers = call.messages[Symbol.asyncIterator]();
    const total = BigInt(size);
    const say = async (action: number, offset: number, data?: Uint8Array): Promise<number> => {
      const request = create(WriteContentRequestSchema, {
        action,
        ref: `slipway-${digest}`,
        total,
        expected: digest,
        offset: BigInt(offset),
      });
      if (data !== undefined) request.data = data;
      await call.send(toBinary(WriteContentRequestSchema, request));
      const answer = await answers.next();
      if (answer.done === true) throw new RpcError('unavailable', 'the client stopped taking the blob');
      return Number(fromBinary(WriteContentResponseSchema, answer.value).offset);
    };
    try {
      let skip = await say(WRITE.stat, 0);
      let at = 0;
      for await (const chunk of bytes) {
        for (let from = 0; from < chunk.length; from += MAX_CHUNK) {
          const part = chunk.subarray(from, from + MAX_CHUNK);
          const known = Math.min(skip, part.length);
          skip -= known;
          at += known;
          if (known < part.length) at = await say(WRITE.write, at, part.subarray(known));
        }
      }
      await say(WRITE.commit, at);
      call.closeSend();
    } catch (error) {
      call.cancel();
      if (!isRpcError(error, 'alreadyExists')) throw error;
    }
  }
}
