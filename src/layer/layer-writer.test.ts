import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { digestOf } from '../base/index.ts';
import { type BlockSource, encodeBlocks } from './block-map.ts';
import { type CompressedBlob, openPipeline } from './block-pipeline.ts';
import type { CodecChoice } from './codec.ts';
import { type LayerWriter, openLayerWriter, type PackedLayer, type WrittenLayer } from './layer-writer.ts';
import type { Entry } from './entry.ts';
import { decodeLayerIndex, encodeLayerIndex } from './index-file.ts';
import type { EntryRows } from './entry-rows.ts';

import { assembleTar, assembleTarOf, type GroupSink, MAX_GROUP } from './tar-groups.ts';
import { encodeTarHeader, padding } from './tar-header.ts';
import type { FileBytes } from './tree.ts';
import { dir, entry, hardlink, symlink, testFolder, unpackTar } from './testing.ts';

const root = testFolder();
let count = 0;

/** A tree of 3 MB: many small files, one of several groups. `change` edits texts. */
function write(change: (path: string, text: Buffer) => Buffer = (_, text) => text, previous?: PackedLayer): WrittenLayer {
  const folder = `${root}/${(count += 1)}`;
  mkdirSync(folder);
  const writer = openLayerWriter({ folder, ...(previous === undefined ? {} : { previous }) });
  writer.add(dir('many'));
  for (let at = 0; at < 600; at += 1) {
    const path = `many/${at}`;
    const text = change(path, Buffer.alloc(2000 + (at % 7) * 700, `${path} `));
    writer.add(entry(path, { size: text.length, digest: digestOf(text) }), text);
  }
  const big = change('big', Buffer.alloc(5_000_000, 'a long text that repeats '));
  writeFileSync(`${folder}/source`, big);
  writer.add(entry('big', { size: big.length, digest: digestOf(big) }), () => {
    const fd = openSync(`${folder}/source`, 'r');
    return { fd, offset: 0, size: big.length, [Symbol.dispose]: () => closeSync(fd) };
  });
  writer.add(symlink('link', 'big'));
  writer.add(entry('empty', { mtime: -5 }), Buffer.alloc(0));
  writer.add(entry('attributes', { size: 1, xattrs: { 'user.a': 'b' }, digest: digestOf('x') }), Buffer.from('x'));
  writer.add(hardlink('zzz', 'big'));
  return writer.finish();
}

async function compress(
  layer: WrittenLayer,
  workers: number,
  choice?: CodecChoice,
  reuse: BlockSource[] = [],
): Promise<CompressedBlob & { path: string }> {
  const path = `${root}/blob${(count += 1)}`;
  const output = openSync(path, 'w');
  const packs = layer.packs.map((name) => openSync(`${layer.folder}/${name}`, 'r'));
  try {
    using pipeline = await openPipeline({ choice, output, workers, reuse });
    const open = ({ pack, offset, size }: { pack?: number; offset?: number; size: number }) => ({
      fd: packs[pack ?? 0] ?? assert.fail(),
      offset: offset ?? assert.fail(),
      size,
      [Symbol.dispose]: () => {},
    });
    const bytes = { open, pack: (number: number) => packs[number] };
    const { columns } = layer.index;
    assembleTarOf(columns, bytes, pipeline);
    // Entries give the same groups under the same keys, with and without times lowered.
    for (const options of [{}, { clampMtime: 1000 }]) {
      assert.deepEqual(
        groupsOf((sink) => assembleTarOf(columns, bytes, sink, options)),
        groupsOf((sink) => assembleTar(layer.index.entries, { open }, sink, options)),
      );
    }
    return { ...pipeline.finish(), path };
  } finally {
    for (const fd of [output, ...packs]) closeSync(fd);
  }
}

/** Keys and digests of all groups. */
function groupsOf(assemble: (sink: GroupSink) => number): readonly string[] {
  const buffer = Buffer.alloc(MAX_GROUP);
  const groups: string[] = [];
  assemble({
    begin: () => buffer.fill(1),
    end: (length, key) => groups.push(`${key.toString('hex')} ${digestOf(buffer.subarray(0, length))}`),
  });
  return groups;
}

const packed = (layer: WrittenLayer): PackedLayer => ({
  columns: layer.index.columns,
  packs: layer.packs.map((name) => `${layer.folder}/${name}`),
});
const GZIP: CodecChoice = { codec: 'gzip', reproducible: false };

test('a written layer becomes a tar that unpacks to the same content', async () => {
  const layer = write();
  const blob = await compress(layer, 0);
  const tar = readFileSync(blob.path);
  assert.equal(blob.diffID, digestOf(tar));
  assert.equal(blob.digest, blob.diffID);
  assert.equal(unpackTar(tar, {}, 65_536).index.contentDigest, layer.index.contentDigest);
  assert.equal(layer.index.entries.find(({ path }) => path === 'zzz')?.kind, 'hardlink');
});

test('the entries of a layer are those that its index file says', () => {
  const first = write();
  const again = write((path, text) => (path === 'many/7' ? Buffer.from('new') : text), packed(first));
  for (const { index } of [first, again]) assert.deepEqual(index.entries, decodeLayerIndex(encodeLayerIndex(index)).entries);
});

test('the blob has the same bytes with workers and without, made anew or from blocks of an earlier one', async () => {
  const first = write();
  const old = await compress(first, 1, GZIP);
  assert.equal((await compress(first, 0, GZIP)).digest, old.digest);
  assert.equal(digestOf(gunzipSync(readFileSync(old.path))), old.diffID);
  const second = write((path, text) => (path === 'many/300' ? Buffer.concat([text, Buffer.from('more')]) : text), packed(first));
  const reuse = [{ blob: old.path, blocks: encodeBlocks(old.blocks) }];
  const anew = await compress(second, 1, GZIP);
  const taken = await compress(second, 1, GZIP, reuse);
  assert.equal(taken.digest, anew.digest);
  assert.notEqual(taken.diffID, old.diffID);
  assert.ok(taken.reused >= taken.blocks.length - 2, `${taken.reused} of ${taken.blocks.length}`);
  assert.equal(digestOf(gunzipSync(readFileSync(taken.path))), taken.diffID);
});

test('a change inside a large file is not mistaken for the old one', async () => {
  const first = write();
  const old = await compress(first, 0, GZIP);
  const second = write((path, text) => (path === 'big' ? Buffer.concat([text.subarray(0, -1), Buffer.from('!')]) : text), packed(first));
  const taken = await compress(second, 0, GZIP, [{ blob: old.path, blocks: encodeBlocks(old.blocks) }]);
  assert.equal(digestOf(gunzipSync(readFileSync(taken.path))), taken.diffID);
  assert.equal(taken.diffID, (await compress(second, 0)).diffID);
});

test('unchanged files stay in the earlier pack, unless most of it is unused', async () => {
  const first = write();
  const second = write((path, text) => (path === 'many/5' ? Buffer.from('new') : text), packed(first));
  assert.deepEqual(second.packs, ['tar', 'tar.1']);
  assert.ok(statSync(`${second.folder}/tar`).size < 10_000);
  const third = write((path, text) => (path === 'many/6' ? Buffer.from('new') : text), packed(second));
  const fresh = write((path, text) => (path === 'many/6' ? Buffer.from('new') : text));
  assert.equal(third.index.contentDigest, fresh.index.contentDigest);
  assert.equal((await compress(third, 0)).diffID, (await compress(fresh, 0)).diffID);
  const writer = openLayerWriter({ folder: testFolder(), previous: packed(first) });
  writer.add(entry('one', { size: 2000, digest: digestOf(Buffer.alloc(2000, 'many/0 ')) }), () => assert.fail('not to be read'));
  assert.deepEqual(writer.finish().packs, ['tar']);
});

test('a file that is ours becomes a pack of the layer, with its headers where they are right, unless most of it is unused', async () => {
  const spool = `${testFolder()}/spool`;
  const texts = Array.from({ length: 40 }, (_, at) => Buffer.alloc(1000 + at * 37, `text ${at} `));
  const entries = texts.map((text, at) =>
    entry(`many/${at + 10}`, { size: text.length, digest: digestOf(text), mode: at === 7 ? 0o600 : 0o644 }),
  );
  const parts = texts.map((text, at) => {
    const header = { ...(entries[at] as Entry), mode: 0o644, headerBytes: 512 };
    return { header, bytes: Buffer.concat([encodeTarHeader(header), text, Buffer.alloc(padding(text.length))]) };
  });
  writeFileSync(spool, Buffer.concat(parts.map(({ bytes }) => bytes)));
  const fd = openSync(spool, 'r');
  let offset = 512;
  const sources = parts.map(({ header, bytes }) => {
    const at = offset;
    offset += bytes.length;
    return () => ({ fd, offset: at, size: header.size, pack: { path: spool, header }, [Symbol.dispose]: () => {} });
  });
  const written = (source: (at: number) => (() => FileBytes) | Uint8Array, which = entries): WrittenLayer => {
    const writer = openLayerWriter({ folder: testFolder() });
    writer.add(dir('many'));
    for (const one of which) writer.add(one, source(entries.indexOf(one)));
    return writer.finish();
  };
  const taken = written((at) => sources[at] ?? assert.fail());
  const copied = written((at) => texts[at] ?? assert.fail());
  assert.deepEqual(taken.packs, ['tar', 'tar.1']);
  assert.equal(statSync(`${taken.folder}/tar.1`).ino, statSync(spool).ino);
  assert.equal(taken.index.contentDigest, copied.index.contentDigest);
  assert.equal((await compress(taken, 0)).diffID, (await compress(copied, 0)).diffID);
  // The header of the one with another mode cannot serve.
  assert.equal(taken.index.entries.filter(({ kind, headerBytes }) => kind === 'file' && headerBytes === undefined).length, 1);
  const few = written((at) => sources[at] ?? assert.fail(), entries.slice(0, 3));
  assert.deepEqual(few.packs, ['tar']);
  assert.equal(
    (await compress(few, 0)).diffID,
    (
      await compress(
        written((at) => texts[at] ?? assert.fail(), entries.slice(0, 3)),
        0,
      )
    ).diffID,
  );
  closeSync(fd);
});

test('zstd frames are read by the zstd program; levels out of range are refused', async () => {
  const layer = write();
  for (const reproducible of [false, true]) {
    const blob = await compress(layer, 0, { codec: 'zstd', reproducible });
    assert.equal(digestOf(execFileSync('zstd', ['-dc', blob.path], { maxBuffer: 1 << 26 })), blob.diffID);
  }
  await assert.rejects(compress(layer, 0, { codec: 'gzip', level: 10, reproducible: false }), { code: 'CODEC_LEVEL' });
});

test('a file that is not what its digest says is refused', () => {
  using writer = openLayerWriter({ folder: testFolder() });
  assert.throws(() => writer.add(entry('a', { size: 1, digest: digestOf('x') }), Buffer.from('y')), { code: 'FILE_CHANGED' });
});

test('newer times are lowered to the clamp, older ones stay', async () => {
  const folder = testFolder();
  const writer = openLayerWriter({ folder });
  writer.add(entry('old', { mtime: 50 }));
  writer.add(entry('new', { mtime: 500 }));
  const { index, packs } = writer.finish();
  const fd = openSync(`${folder}/${packs[0]}`, 'r');
  const output = openSync(`${folder}/out`, 'w');
  using pipeline = await openPipeline({ choice: undefined, output, workers: 0 });
  const open = (): never => assert.fail('no bytes');
  const opened = { open: (found: { offset?: number }) => ({ fd, offset: found.offset ?? open(), size: 0, [Symbol.dispose]: () => {} }) };
  assembleTar(index.entries, opened, pipeline, { clampMtime: 100 });
  pipeline.finish();
  const times = unpackTar(readFileSync(`${folder}/out`)).index.entries.map(({ path, mtime }) => [path, mtime]);
  assert.deepEqual(times, [
    ['new', 100],
    ['old', 50],
  ]);
  closeSync(fd);
  closeSync(output);
});

/** Files of one directory as rows. */
function rowsOf(files: readonly Entry[]): EntryRows {
  const names = files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
  const ends = names.map((_, at) => names.slice(0, at + 1).join('').length);
  const digestsAt = ends.at(-1) ?? 0;
  const of = (slot: number): Entry => files[slot] ?? assert.fail();
  return {
    count: files.length,
    bytes: Buffer.concat([Buffer.from(names.join('')), ...files.map(({ digest }) => Buffer.from((digest ?? '').slice(7), 'hex'))]),
    isPlain: () => true,
    isDirectory: () => false,
    mode: (slot) => 0o100000 | of(slot).mode,
    size: (slot) => of(slot).size,
    modified: (slot) => of(slot).mtime,
    modifiedNs: (slot) => of(slot).mtimeNs,
    nameStart: (slot) => ends[slot - 1] ?? 0,
    nameEnd: (slot) => ends[slot] ?? assert.fail(),
    digest: (slot) => digestsAt + slot * 32,
  };
}

test('rows that an earlier layer has are taken as they stand there, wherever their packs go; others are not', async () => {
  const texts = Array.from({ length: 40 }, (_, at) => Buffer.alloc(at === 5 ? 0 : 100 + at, `${at} `));
  const files = texts.map((text, at) =>
    entry(`d/f${String(at).padStart(2, '0')}`, { size: text.length, mtime: at, digest: digestOf(text) }),
  );
  const same = { uid: 0, gid: 0, mode: undefined, time: undefined };
  const add = (writer: LayerWriter, at: number): void => writer.add(files[at] ?? assert.fail(), texts[at]);
  const begin = (previous?: PackedLayer): LayerWriter => {
    const writer = openLayerWriter({ folder: testFolder(), ...(previous === undefined ? {} : { previous }) });
    writer.add(dir('d'));
    return writer;
  };
  const all = begin();
  for (const at of files.keys()) add(all, at);
  const first = all.finish();
  const rows = rowsOf(files);
  const prefix = Buffer.from('d/');

  for (const which of [[...files.keys()], [0, 1, 2, 3], [37, 38, 39], [3, 4, 5, 20, 21, 22, 39]]) {
    const writer = begin(packed(first));
    for (const slot of which) assert.ok(writer.addRow(prefix, rows, slot, same), `slot ${slot}`);
    // Between rows, before and behind them.
    for (const path of ['d/f00a', 'd/f21a', 'd/z', 'a']) writer.add(entry(path, { size: 1, digest: digestOf('x') }), Buffer.from('x'));
    const made = writer.finish();
    // Of few rows the pack is not kept: they were copied.
    assert.deepEqual(made.packs, which.length > 30 ? ['tar', 'tar.1'] : ['tar']);
    const plain = begin();
    for (const slot of which) add(plain, slot);
    for (const path of ['d/f00a', 'd/f21a', 'd/z', 'a']) plain.add(entry(path, { size: 1, digest: digestOf('x') }), Buffer.from('x'));
    const copied = plain.finish();
    assert.equal(made.index.contentDigest, copied.index.contentDigest);
    assert.equal(made.size, copied.size);
    assert.equal((await compress(made, 0)).diffID, (await compress(copied, 0)).diffID);
  }

  const writer = begin(packed(first));
  const other = (facts: Partial<Entry>): EntryRows => rowsOf(files.map((file) => ({ ...file, ...facts })));
  for (const facts of [{ mode: 0o600 }, { mtime: 999 }, { mtimeNs: 1 }, { size: 7 }, { digest: digestOf('y') }])
    assert.equal(writer.addRow(prefix, other(facts), 9, same), false, JSON.stringify(facts));
  for (const change of [{ uid: 1 }, { gid: 1 }, { mode: () => 0o600 }, { time: { mtime: 5, mtimeNs: 5 } }])
    assert.equal(writer.addRow(prefix, rows, 9, { ...same, ...change }), false, JSON.stringify(change));
  assert.equal(writer.addRow(Buffer.from('e/'), rows, 9, same), false);
  // Whether their pack stays or not.
  for (const which of [[9], [...files.keys()]]) {
    const twice = begin(packed(first));
    for (const slot of which) assert.ok(twice.addRow(prefix, rows, slot, same));
    add(twice, 9);
    assert.throws(() => twice.finish(), /two entries for d\/f09/);
  }
});
