// Archives by content: a tar, plain or compressed, whatever its name. Members are listed; bytes stay where they are or are spooled.

import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { isSlipwayError, type JobContext, type SlipwayError } from '../base/index.ts';
import {
  decompress,
  detectFormat,
  type FileBytes,
  MAGIC_BYTES,
  tarBound,
  type TarMember,
  TarReader,
  type TarSink,
  unpackBound,
} from '../layer/index.ts';

/** A member and where its bytes are: counted in the archive file itself, or in the spool. */
export interface ArchivePart {
  readonly member: TarMember;
  readonly offset: number;
  readonly spooled: boolean;
}

const CHUNK = 1 << 20;

/**
 * Lists the members of an archive; undefined for what is none (not a tar, not a compressed one, or an empty file). `spool` is the path
 * of a file to be made for bytes that have no place in the archive file. Throws `TAR_BROKEN` or `STREAM_BROKEN` when it breaks off later.
 */
export async function readArchive(file: FileBytes, spool: string, job: JobContext): Promise<readonly ArchivePart[] | undefined> {
  if (file.size === 0) return undefined;
  const head = Buffer.alloc(Math.min(MAGIC_BYTES, file.size));
  readSync(file.fd, head, 0, head.length, file.offset);
  const plain = detectFormat(head) === 'none';
  const parts: ArchivePart[] = [];
  let out: number | undefined;
  let written = 0;
  let spooling = false;
  const bytes = unpackBound(file.size, dirname(spool));
  const sink: TarSink = {
    member: (member) => {
      spooling = member.kind === 'file' && (!plain || member.offset === undefined);
      parts.push({ member, spooled: spooling, offset: spooling ? written : file.offset + (member.offset ?? 0) });
    },
    data: (bytes) => {
      if (!spooling) return;
      out ??= openSync(spool, 'wx', 0o600);
      for (let at = 0; at < bytes.length;) at += writeSync(out, bytes, at);
      written += bytes.length;
    },
    end: () => {},
  };
  const reader = new TarReader(sink, { bytes });
  try {
    for await (const piece of decompress(pieces(file), { maxBytes: tarBound(bytes), signal: job.signal, ignoreRest: true })) {
      job.signal.throwIfAborted();
      reader.write(piece);
      if (reader.over) break;
    }
    reader.finish();
  } catch (error) {
    // Before the first member it only means that this is no archive.
    if (parts.length === 0 && (isSlipwayError(error, 'TAR_BROKEN') || isSlipwayError(error, 'STREAM_BROKEN'))) return undefined;
    throw error;
  } finally {
    if (out !== undefined) closeSync(out);
  }
  return parts.length === 0 ? undefined : parts;
}

/**
 * Why nothing can be had of a file that looks like an archive: the error before its first member. Undefined: there is a member, or the
 * archive is empty.
 */
export async function archiveFault(file: FileBytes): Promise<SlipwayError | undefined> {
  let seen = false;
  const reader = new TarReader({ member: () => (seen = true), data: () => {}, end: () => {} });
  try {
    for await (const piece of decompress(pieces(file), { maxBytes: Infinity, ignoreRest: true })) {
      reader.write(piece);
      if (seen || reader.over) return undefined;
    }
    reader.finish();
  } catch (error) {
    if (isSlipwayError(error, 'TAR_BROKEN') || isSlipwayError(error, 'STREAM_BROKEN')) return error;
    throw error;
  }
  return undefined;
}

async function* pieces(file: FileBytes): AsyncGenerator<Uint8Array, void, void> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  for (let at = 0; at < file.size;) {
    const count = readSync(file.fd, buffer, 0, Math.min(CHUNK, file.size - at), file.offset + at);
    if (count === 0) return;
    at += count;
    // Decompressors may keep what they are given.
    yield Buffer.from(buffer.subarray(0, count));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
