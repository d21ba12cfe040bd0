// Worker: reads and hashes files of a folder, each checked to be what was seen before and after.

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type Digest, fsPath } from '../base/index.ts';
import { encodeTarHeader } from '../layer/index.ts';
import type { HashReply, HashRequest } from './digest-files.ts';
import { hashBytes, hashFile } from './file-hash.ts';
import { SPOOLED_FILE } from './file-spool.ts';
import { HeldFolders } from './held-folders.ts';
import { SpoolWriter } from './spool-writer.ts';

const REPORT_EVERY = 1000;

const { root, paths, stamps, spool } = workerData as HashRequest;
const names = paths.split('\0');
const held = new HeldFolders(root);
const digests = Buffer.alloc(names.length * 32);
const failed: number[] = [];
const writer = spool === undefined ? undefined : new SpoolWriter(spool.fd);
const offsets = new Float64Array(writer === undefined ? 0 : names.length).fill(-1);
const headers = new Uint32Array(offsets.length);
const likely = spool?.likely;
const likelyPaths = likely?.paths.split('\0') ?? [];
for (const [at, name] of names.entries()) {
  try {
    const slash = name.lastIndexOf('/');
    const folder = held.at(slash < 0 ? '' : name.slice(0, slash));
    const fd = openSync(fsPath(`${folder}/${name.slice(slash + 1)}`), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const digest = isAsSeen(fd, at) ? hash(fd, at) : undefined;
      if (digest !== undefined && isAsSeen(fd, at)) digests.write(digest.slice(7), at * 32, 'hex');
      else failed.push(at);
    } finally {
      closeSync(fd);
    }
  } catch {
    // The main thread reads it again and says why.
    failed.push(at);
  }
  if ((at + 1) % REPORT_EVERY === 0) parentPort?.postMessage(REPORT_EVERY);
}
parentPort?.postMessage(names.length % REPORT_EVERY);
writer?.flush();
const spooled = writer === undefined || writer.failed ? {} : { spooled: { offsets, headers } };
const reply: HashReply = { digests, failed, ...spooled };
parentPort?.postMessage(reply, [digests.buffer, offsets.buffer, headers.buffer]);

function hash(fd: number, at: number): Digest {
  const size = stamps[at * 6 + 1] as number;
  if (writer === undefined || size > SPOOLED_FILE) return hashFile(fd, size);
  const digest = hashBytes(writer.take(fd, size, headerOf(at, size)));
  offsets[at] = writer.offset;
  headers[at] = writer.headerBytes;
  return digest;
}

function headerOf(at: number, size: number): Buffer | undefined {
  const path = likelyPaths[at] ?? '';
  if (likely === undefined || path === '') return undefined;
  const { modes, uid, gid } = likely;
  const mtime = stamps[at * 6 + 2] as number;
  return encodeTarHeader({ path, kind: 'file', mode: modes[at] ?? 0, uid, gid, size, mtime, mtimeNs: 0 });
}

function isAsSeen(fd: number, at: number): boolean {
  const stat = fstatSync(fd, { bigint: true });
  const [ino, size, mtime, mtimeNs, ctime, ctimeNs] = stamps.subarray(at * 6, at * 6 + 6) as unknown as number[];
  const time = (seconds = 0, nanoseconds = 0): bigint => BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  return (
    stat.isFile() &&
    Number(stat.ino) === ino &&
    Number(stat.size) === size &&
    stat.mtimeNs === time(mtime, mtimeNs) &&
    stat.ctimeNs === time(ctime, ctimeNs)
  );
}
