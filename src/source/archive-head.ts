// Whether bytes that came without a name are an archive: a tar, plain or compressed.

/** First bytes of compressed files. */
const COMPRESSED: readonly (readonly number[])[] = [
  [0x1f, 0x8b, 0x08], // gzip
  [0x42, 0x5a, 0x68], // bzip2
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], // xz
  [0x28, 0xb5, 0x2f, 0xfd], // zstd
];

/** Tells by the first 512 bytes, or by all there are. A tar is known by the checksum of its first header, as old ones have no magic. */
export function isArchive(head: Buffer): boolean {
  if (COMPRESSED.some((magic) => magic.every((byte, index) => head[index] === byte))) return true;
  if (head.length < 512) return false;
  let sum = 0;
  for (let index = 0; index < 512; index += 1) sum += index >= 148 && index < 156 ? 32 : (head[index] as number); // its own field as spaces
  const written = Number.parseInt(head.toString('latin1', 148, 156).replaceAll('\0', ' ').trim(), 8);
  return written === sum && sum !== 256; // not a block of zeros
}
