import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { openFileSink, openStreamSink, type Sink } from './index.ts';
import { testFolder } from './testing.ts';

const { signal } = new AbortController();
const MIB = 1 << 20;

/** Writes and copies of sizes around the buffer's, mixed; returns what should come out. */
async function fill(sink: Sink, folder: string): Promise<Buffer> {
  const source = randomBytes(5 * MIB);
  writeFileSync(join(folder, 'source'), source);
  const fd = openSync(join(folder, 'source'), 'r');
  const parts: Buffer[] = [];
  try {
    for (const size of [1, 512, MIB - 1, 3, MIB, 600_000, 600_000, 2 * MIB, 0, 7, 3 * MIB + 5]) {
      const bytes = randomBytes(size);
      await sink.write(bytes);
      await sink.copy(fd, 11, size);
      parts.push(bytes, source.subarray(11, 11 + size));
      assert.equal(sink.written, Buffer.concat(parts).length);
    }
  } finally {
    closeSync(fd);
  }
  return Buffer.concat(parts);
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('a file has all bytes in their places, and is there only when it is whole', async () => {
  const folder = testFolder();
  const path = join(folder, 'out/x');
  using sink = openFileSink(path, signal);
  const expected = await fill(sink, folder);
  assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
  await sink.finish();
  assert.equal(hash(readFileSync(path)), hash(expected));
  {
    using second = openFileSink(path, signal);
    await second.write(Buffer.from('given up'));
  }
  assert.equal(hash(readFileSync(path)), hash(expected));
  assert.deepEqual(readdirSync(join(folder, 'out')), ['x']);
});

test('a file that cannot have its name leaves nothing behind, and what has it meanwhile stays', async () => {
  const folder = testFolder();
  const path = join(folder, 'x');
  using sink = openFileSink(path, signal);
  await sink.write(Buffer.from('bytes'));
  mkdirSync(join(path, 'of-somebody'), { recursive: true });
  await assert.rejects(sink.finish(), (error) => isSlipwayError(error, 'EXPORT_WRITE'));
  assert.deepEqual(readdirSync(folder), ['x']);
  assert.deepEqual(readdirSync(path), ['of-somebody']);
});

test('what killed builders left of a file goes with the next one, what others are writing stays', async () => {
  const folder = testFolder();
  const path = join(folder, 'x.tar');
  using writing = openFileSink(path, signal);
  await writing.write(Buffer.from('other'));
  for (const name of ['.x.tar.0a1b2c.slipway-part', '.y.tar.0a1b2c.slipway-part', '.x.tar.1.gz']) writeFileSync(join(folder, name), 'left');
  {
    using sink = openFileSink(path, signal);
    await sink.write(Buffer.from('own'));
    await sink.finish();
  }
  assert.equal(readFileSync(path, 'utf8'), 'own');
  await writing.finish();
  assert.equal(readFileSync(path, 'utf8'), 'other');
  assert.deepEqual(readdirSync(folder).sort(), ['.x.tar.1.gz', '.y.tar.0a1b2c.slipway-part', 'x.tar']);
});

test('a stream gets the same, however slowly it takes', async () => {
  const folder = testFolder();
  const stream = new PassThrough({ highWaterMark: 1000 });
  const received = buffer(stream);
  const sink = openStreamSink(stream, signal);
  const expected = await fill(sink, folder);
  await sink.finish();
  sink[Symbol.dispose]();
  stream.end();
  assert.equal(hash(await received), hash(expected));
});

test('a reader that goes away, a file that is too short: both are told', async () => {
  const folder = testFolder();
  const stream = new PassThrough();
  using sink = openStreamSink(stream, signal);
  stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  await assert.rejects(fill(sink, folder), (error) => isSlipwayError(error, 'EXPORT_WRITE'));
  writeFileSync(join(folder, 'short'), 'abc');
  const fd = openSync(join(folder, 'short'), 'r');
  using file = openFileSink(join(folder, 'x'), signal);
  for (const size of [4, 2 * MIB]) await assert.rejects(file.copy(fd, 0, size), (error) => isSlipwayError(error, 'BLOB_TRUNCATED'));
  closeSync(fd);
});
