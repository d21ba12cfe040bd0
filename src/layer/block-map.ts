// Which compressed block of which blob holds which group: what lets the next blob take blocks over instead of compressing again.

/** One block of a finished blob. */
export interface BlobBlock {
  /** The group's key (`GroupSink.end`). */
  readonly key: Buffer;
  readonly offset: number;
  readonly length: number;
}

const RECORD = 32 + 6 + 4;

/** The blocks as a file: records of key, offset (6 bytes) and length (4 bytes), little endian. */
export function encodeBlocks(blocks: readonly BlobBlock[]): Buffer {
  const bytes = Buffer.alloc(blocks.length * RECORD);
  for (const [index, block] of blocks.entries()) {
    block.key.copy(bytes, index * RECORD);
    bytes.writeUIntLE(block.offset, index * RECORD + 32, 6);
    bytes.writeUInt32LE(block.length, index * RECORD + 38);
  }
  return bytes;
}

/** Reads such a file; a broken one gives what can be read: it is only a memory. */
export function decodeBlocks(file: Uint8Array): readonly BlobBlock[] {
  // A Buffer that came from another thread is a plain array.
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  return Array.from({ length: Math.floor(bytes.length / RECORD) }, (_, index) => ({
    key: bytes.subarray(index * RECORD, index * RECORD + 32),
    offset: bytes.readUIntLE(index * RECORD + 32, 6),
    length: bytes.readUInt32LE(index * RECORD + 38),
  }));
}

/** A blob that blocks may be taken from. Paths, not descriptors: it travels to workers. */
export interface BlockSource {
  readonly blob: string;
  readonly blocks: Uint8Array;
}
