// Worker: reads and hashes files of a folder, each checked afterwards to be what was seen before.

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type Digest, fsPath } from '../base/index.ts';
import { encodeTarHeader } from '../layer/index.ts';
import { type HashBatch, type HashedBatch, type HashReply, type HashWorkerData, STAMPS } from './digest-files.ts';
import { hashBytes, hashFile } from './file-hash.ts';
import { SPOOLED_FILE } from './file-spool.ts';
import { HeldFolders } from './held-folders.ts';
import { SpoolWriter } from './spool-writer.ts';

const { root, spool, owner } = workerData as HashWorkerData;
const held = new HeldFolders(root);
const writer = spool === undefined ? undefined : new SpoolWriter(spool);

parentPort?.on('message', (message: HashBatch | 'end') => {
  if (message !== 'end') return send(hashBatch(message));
  writer?.flush();
  send({ spooled: writer?.failed === false });
});

function send(reply: HashReply): void {
  parentPort?.postMessage(reply);
}

function hashBatch({ paths, likely, stamps, keep }: HashBatch): HashedBatch {
  const names = paths.split('\0');
  const places = likely.split('\0');
  const digests = Buffer.alloc(names.length * 32);
  const failed: number[] = [];
  const offsets = new Float64Array(names.length).fill(-1);
  const headers = new Uint32Array(names.length);
  for (const [at, name] of names.entries()) {
    const seen = stamps.subarray(at * STAMPS, (at + 1) * STAMPS);
    try {
      const slash = name.lastIndexOf('/');
      const folder = held.at(slash < 0 ? '' : name.slice(0, slash));
      const fd = openSync(fsPath(`${folder}/${name.slice(slash + 1)}`), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        const size = seen[1] as number;
        const isKept = keep && writer !== undefined && size <= SPOOLED_FILE;
        const digest: Digest = isKept ? hashBytes(writer.take(fd, size, headerOf(places[at] ?? '', seen))) : hashFile(fd, size);
        if (isKept) {
          offsets[at] = writer.offset;
          headers[at] = writer.headerBytes;
        }
        // Whatever changes a file changes its ctime: what is the same now was so while it was read.
        if (isAsSeen(fd, seen)) digests.write(digest.slice(7), at * 32, 'hex');
        else failed.push(at);
      } finally {
        closeSync(fd);
      }
    } catch {
      // The main thread reads it again and says why.
      failed.push(at);
    }
  }
  return { digests, failed, offsets, headers };
}

function headerOf(path: string, seen: Float64Array): Buffer | undefined {
  if (path === '') return undefined;
  const [, size = 0, mtime = 0, , , , mode = 0] = seen;
  return encodeTarHeader({ path, kind: 'file', mode, ...owner, size, mtime, mtimeNs: 0 });
}

function isAsSeen(fd: number, seen: Float64Array): boolean {
  const stat = fstatSync(fd, { bigint: true });
  const [ino, size, mtime, mtimeNs, ctime, ctimeNs] = seen;
  const time = (seconds = 0, nanoseconds = 0): bigint => BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  return (
    stat.isFile() &&
    Number(stat.ino) === ino &&
    Number(stat.size) === size &&
    stat.mtimeNs === time(mtime, mtimeNs) &&
    stat.ctimeNs === time(ctime, ctimeNs)
  );
}
