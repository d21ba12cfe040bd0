import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isArchive } from './archive-head.ts';

/** The first header of a tar as programs wrote it before there was a magic: name, mode, owners, size, time, checksum. */
function oldHeader(): Buffer {
  const header = Buffer.alloc(512);
  header.write('Dockerfile', 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write('00000000014\0', 124);
  header.write('00000000000\0', 136);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

test('a tar is known by its checksum, with or without a magic; compressed ones by their first bytes; nothing else is an archive', () => {
  assert.equal(isArchive(oldHeader()), true);
  assert.equal(isArchive(Buffer.concat([oldHeader(), Buffer.from('FROM scratch')])), true);
  for (const start of ['1f8b0800', '425a6839', 'fd377a585a0000', '28b52ffd04'])
    assert.equal(isArchive(Buffer.from(start, 'hex')), true, start);
  const damaged = oldHeader();
  damaged[0] = 0x65;
  const others = [damaged, Buffer.alloc(512), Buffer.alloc(0), oldHeader().subarray(0, 511), Buffer.from('FROM scratch\n'.repeat(100))];
  for (const other of others) assert.equal(isArchive(other), false);
});
