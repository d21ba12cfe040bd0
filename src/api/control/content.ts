// The history's blobs by containerd's Content service, for reading.

import { createReadStream } from 'node:fs';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Content, InfoSchema } from '../gen/content_pb.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { Handlers } from '../wire/service.ts';
import type { HistoryBlob, HistoryBlobs } from './blobs.ts';

const CHUNK = 1 << 20;

/** containerd's `Content` service, as far as clients read the documents of past builds by it. */
export function contentHandlers(blobs: HistoryBlobs): Handlers<typeof Content> {
  const find = (digest: string): HistoryBlob => {
    const blob = blobs.find(digest);
    if (blob === undefined) throw new RpcError('notFound', `content ${digest}: not found`);
    return blob;
  };
  const refuse = async (): Promise<never> => {
    throw new RpcError('failedPrecondition', 'read-only content store');
  };
  return {
    info: async ({ digest }) => {
      return { info: infoOf(digest, find(digest)) };
    },
    read: async function* ({ digest, offset, size }) {
      const blob = find(digest);
      const start = Number(offset);
      if (start < 0 || start > blob.size) throw new RpcError('outOfRange', `offset ${start} is outside of ${digest}`);
      const end = size > 0n ? Math.min(blob.size, start + Number(size)) : blob.size;
      let at = start;
      if (end === start) return;
      for await (const chunk of createReadStream(blob.path, { start, end: end - 1, highWaterMark: CHUNK })) {
        yield { offset: BigInt(at), data: chunk as Buffer };
        at += (chunk as Buffer).length;
      }
    },
    list: async function* ({ filters }) {
      if (filters.some((filter) => filter !== '')) throw new RpcError('unimplemented', 'content cannot be listed by filters');
      for (const [digest, blob] of blobs.list()) yield { info: [infoOf(digest, blob)] };
    },
    update: refuse,
    delete: refuse,
    abort: refuse,
    status: refuse,
    listStatuses: async () => ({ statuses: [] }),
  };
}

function infoOf(digest: string, { size, createdAt }: HistoryBlob): MessageInitShape<typeof InfoSchema> {
  const at = timestampFromDate(createdAt);
  return { digest, size: BigInt(size), createdAt: at, updatedAt: at };
}
