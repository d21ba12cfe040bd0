import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { digestOf, type DiffID, quietJob } from '../base/index.ts';
import { type Entry, openLayerWriter } from '../layer/index.ts';
import { OCI } from '../oci/index.ts';
import { mknod, S_IFCHR, setXattr } from '../sys/index.ts';
import { openLayerStore } from './layer-store.ts';
import type { LayerSurroundings } from './layer-files.ts';
import { rightsOf } from './layer-rights.ts';
import type { BlobOptions, LayerStore, RemoteBlob } from './types.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const job = quietJob();
const folder = mkdtempSync(join(tmpdir(), 'slipway-layers-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;

/** A store root as the store room keeps it, as far as layers see it. */
function surroundings(root = `${folder}/${(count += 1)}`): LayerSurroundings & { readonly published: string[] } {
  const published: string[] = [];
  mkdirSync(`${root}/blobs`, { recursive: true });
  mkdirSync(`${root}/tmp`, { recursive: true });
  const path = (digest: string): string => `${root}/blobs/${digest.slice(7)}`;
  return {
    root,
    published,
    blobs: {
      path,
      has: (digest) => existsSync(path(digest)),
      publish: (file, { digest }) => {
        published.push(digest);
        renameSync(file, path(digest));
      },
      ensure: () => Promise.reject(new Error('nothing of a test is fetched without being read')),
    },
    temp: {
      path: (hint) => `${root}/tmp/${hint}-${(count += 1)}`,
      pathAside: () => assert.fail('it can be written'),
    },
    locks: { acquire: () => Promise.resolve({ [Symbol.dispose]: () => {} }) },
    use: existsSync,
  };
}

/** An upper folder as overlayfs leaves one. */
function upper(around: LayerSurroundings, fill: (path: string) => void): string {
  const path = around.temp.path('upper');
  mkdirSync(path);
  fill(path);
  return path;
}

function written(
  around: LayerSurroundings,
  files: Readonly<Record<string, string | Buffer>>,
  previous?: Parameters<typeof openLayerWriter>[0]['previous'],
) {
  const path = around.temp.path('write');
  mkdirSync(path);
  const writer = openLayerWriter({ folder: path, ...(previous === undefined ? {} : { previous }) });
  for (const [name, text] of Object.entries(files)) {
    const facts: Entry = {
      path: name,
      kind: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: text.length,
      mtime: 1,
      mtimeNs: 0,
      digest: digestOf(text),
    };
    writer.add(facts, Buffer.from(text));
  }
  return writer.finish();
}

const GZIP: BlobOptions = { compression: 'gzip', force: true, reproducible: false };

/** A blob that counts how often it is fetched. */
function remote(tar: Buffer, mediaType: string = OCI.layerGzip): RemoteBlob & { opened: number } {
  const bytes = mediaType === OCI.layer ? tar : gzipSync(tar);
  const blob = {
    opened: 0,
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    open: async () => {
      blob.opened += 1;
      return (async function* () {
        for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
      })();
    },
  };
  return blob;
}

function tarOfFolder(fill: (path: string) => void): Buffer {
  const path = `${folder}/source-${(count += 1)}`;
  mkdirSync(path);
  fill(path);
  return execFileSync('tar', ['--sort=name', '--numeric-owner', '-cf', '-', '-C', path, '.'], { maxBuffer: 1 << 27 });
}

const pull = (store: LayerStore, tar: Buffer, blob: RemoteBlob) => store.addRemote(digestOf(tar) as DiffID, blob);

test('a step becomes a layer, the same step the same layer, and a blob that unpacks to it', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const fill = (path: string): void => {
    writeFileSync(`${path}/file`, 'content', { mode: 0o750 });
    mkdirSync(`${path}/opaque`);
    setXattr(`${path}/opaque`, 'trusted.overlay.opaque', 'y');
    mknod(`${path}/gone`, S_IFCHR);
    execFileSync('touch', ['-d', '@5', `${path}/file`, `${path}/opaque`, `${path}/gone`]);
  };
  const layer = await store.commitFolder(upper(around, fill), job);
  const again = await openLayerStore(around).commitFolder(upper(around, fill), job);
  assert.deepEqual(again, layer);
  assert.deepEqual(store.get(layer.id), layer);
  const blob = await store.blob(layer, GZIP, job);
  const names = execFileSync('tar', ['-tf', '-'], { input: gunzipSync(readFileSync(blob.path ?? '')), encoding: 'utf8' });
  assert.equal(names, 'file\n.wh.gone\nopaque/\nopaque/.wh..wh..opq\n');
  assert.equal(blob.diffID, digestOf(gunzipSync(readFileSync(blob.path ?? ''))));
  // Remembered, also by another process; the layer knows its DiffID now.
  assert.equal((await openLayerStore(around).blob(layer, GZIP, job)).descriptor.digest, blob.descriptor.digest);
  assert.equal(around.published.length, 1);
  assert.equal(openLayerStore(around).get(layer.id)?.diffID, blob.diffID);
  await store[Symbol.asyncDispose]();
});

test('what did not change below, and marks that hide nothing, are left out', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const base = await store.commitFolder(
    upper(around, (path) => {
      mkdirSync(`${path}/etc`);
      writeFileSync(`${path}/etc/same`, 'x');
      execFileSync('touch', ['-d', '@5', `${path}/etc/same`]);
    }),
    job,
  );
  const changed = (path: string): void => {
    mkdirSync(`${path}/etc`);
    writeFileSync(`${path}/etc/same`, 'x');
    writeFileSync(`${path}/etc/new`, 'y');
    mkdirSync(`${path}/fresh`);
    setXattr(`${path}/fresh`, 'trusted.overlay.opaque', 'y');
    mknod(`${path}/never`, S_IFCHR);
    execFileSync('touch', ['-d', '@5', `${path}/etc/same`]);
  };
  const layer = await store.commitFolder(upper(around, changed), job, { below: [base] });
  const { entries } = await store.index(layer, job);
  assert.deepEqual(
    entries.map(({ path, opaque }) => [path, opaque]),
    [
      ['etc', undefined],
      ['etc/new', undefined],
      ['fresh', undefined],
    ],
  );
  await store[Symbol.asyncDispose]();
});

test('a step that leaves a secret behind is refused, with the place', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const secrets = [Buffer.from('hunter2-token\n'), Buffer.from('ab')];
  const places: ((path: string) => void)[] = [
    (path) => writeFileSync(`${path}/leak`, `TOKEN=hunter2-token;`),
    (path) => writeFileSync(`${path}/leak`, Buffer.concat([Buffer.alloc(262_140, 'x'), Buffer.from('hunter2-token')])),
    (path) => symlinkSync('/x?hunter2-token', `${path}/leak`),
  ];
  for (const place of places) {
    await assert.rejects(store.commitFolder(upper(around, place), job, { secrets }), { code: 'SECRET_IN_LAYER', message: /\/leak$/ });
  }
  await store.commitFolder(
    upper(around, (path) => writeFileSync(`${path}/fine`, 'abc about ab')),
    job,
    { secrets },
  );
  await store[Symbol.asyncDispose]();
});

test('a written layer is read as a tree, unpacked when a process needs it, and referred to by the next', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`f${at}`, Buffer.alloc(4000, `${at} `)]));
  const layer = await store.commitWritten(written(around, files), job);
  const tree = await store.tree([layer], 'bytes', job);
  using bytes = tree.open(tree.lookup('f7') ?? assert.fail());
  assert.equal(bytes.size, 4000);
  assert.equal(readFileSync(`${await store.folder(layer, job)}/f7`).length, 4000);
  const next = await store.commitWritten(written(around, { ...files, f3: 'changed' }, store.packed(layer)), job);
  assert.ok(statSync(`${around.root}/layers/${next.id}/tar`).size < 5000);
  // The earlier layer may go: its packs live on.
  rmSync(`${around.root}/layers/${layer.id}`, { recursive: true });
  const unpacked = await openLayerStore(around).folder(next, job);
  assert.equal(readFileSync(`${unpacked}/f3`, 'utf8'), 'changed');
  assert.equal(readFileSync(`${unpacked}/f299`).length, 4000);
  await store[Symbol.asyncDispose]();
});

test('a pulled layer is fetched when its index is wanted, once, and keeps its bytes', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const tar = tarOfFolder((path) => {
    mkdirSync(`${path}/bin`);
    writeFileSync(`${path}/bin/tool`, Buffer.alloc(3_000_000, 'tool '));
    symlinkSync('bin', `${path}/sbin`);
  });
  const blob = remote(tar);
  const layer = pull(store, tar, blob);
  assert.equal(store.hasBytes(layer), true);
  // Not fetched for an export: it is where it is.
  const remotely = await store.blob(layer, { ...GZIP, force: false }, job);
  assert.deepEqual([remotely.path, remotely.descriptor, remotely.remote?.descriptor], [undefined, blob.descriptor, blob.descriptor]);
  assert.deepEqual([blob.opened, around.published.length], [0, 0]);
  assert.equal((await store.tree([layer], 'index', job)).lookup('bin/tool')?.size, 3_000_000);
  assert.deepEqual([blob.opened, around.published], [1, [blob.descriptor.digest]]);
  const exported = await store.blob(layer, { ...GZIP, force: false }, job);
  assert.deepEqual([exported.path, exported.remote?.descriptor], [around.blobs.path(blob.descriptor.digest), blob.descriptor]);
  assert.equal(statSync(`${await store.folder(layer, job)}/bin/tool`).size, 3_000_000);
  assert.deepEqual([blob.opened, around.published.length], [1, 1]);
  // From now on nothing is fetched; recompression keeps the tar.
  const later = openLayerStore(around);
  const zstd = await later.blob(layer, { ...GZIP, compression: 'zstd' }, job);
  assert.equal(zstd.diffID, digestOf(tar));
  assert.equal(digestOf(execFileSync('zstd', ['-dc', zstd.path ?? ''], { maxBuffer: 1 << 26 })), digestOf(tar));
  assert.equal((await later.blob(layer, { ...GZIP, force: false }, job)).descriptor.digest, blob.descriptor.digest);
  assert.equal(blob.opened, 1);
  await store[Symbol.asyncDispose]();
  await later[Symbol.asyncDispose]();
});

test('a layer that stood there and is collected before it was claimed: ours takes its place', { skip }, async () => {
  const around = surroundings();
  const fill = (path: string): void => {
    writeFileSync(`${path}/f`, 'the same');
    utimesSync(`${path}/f`, 1000, 1000);
  };
  await using first = openLayerStore(around);
  const { id } = await first.commitFolder(upper(around, fill), job);
  let collected = 0;
  const use = (path: string): boolean => {
    if (path.endsWith(id) && collected === 0 && existsSync(path)) {
      collected += 1;
      rmSync(path, { recursive: true });
    }
    return existsSync(path);
  };
  await using second = openLayerStore({ ...around, use });
  const layer = await second.commitFolder(upper(around, fill), job);
  assert.deepEqual([collected, layer.id, second.hasBytes(layer)], [1, id, true]);
  assert.equal(readFileSync(`${await second.folder(layer, job)}/f`, 'utf8'), 'the same');
});

test('a large layer goes through workers: unpacked, walked, compressed', { skip }, async () => {
  const around = surroundings();
  // Workers are slow to start from source; the compressing ones have a test of their own.
  const store = openLayerStore(around, { threads: 1 });
  const tar = tarOfFolder((path) => {
    for (let at = 0; at < 2000; at += 1) writeFileSync(`${path}/${at}`, Buffer.from(`${at} ${Math.sin(at)} `.repeat(100)));
  });
  const blob = remote(tar, OCI.layer);
  const base = pull(store, tar, blob);
  const lower = await store.folder(base, job);
  assert.equal(readdirSync(lower).length, 2000);
  const copy = around.temp.path('upper');
  execFileSync('cp', ['-a', lower, copy]);
  const layer = await store.commitFolder(copy, job);
  const mine = await store.blob(layer, GZIP, job);
  const changed = around.temp.path('upper');
  execFileSync('cp', ['-a', await store.folder(layer, job), changed]);
  writeFileSync(`${changed}/new`, 'one more');
  const next = await store.blob(await store.commitFolder(changed, job), GZIP, job);
  assert.equal(digestOf(gunzipSync(readFileSync(next.path ?? ''))), next.diffID);
  assert.equal(digestOf(gunzipSync(readFileSync(mine.path ?? ''))), mine.diffID);
  await store[Symbol.asyncDispose]();
});

test('times that its table cannot say are left out of an estargz layer', async () => {
  const around = surroundings();
  await using store = openLayerStore(around);
  const path = around.temp.path('write');
  mkdirSync(path);
  const writer = openLayerWriter({ folder: path });
  const facts = { kind: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0 } as const;
  for (const [name, mtime] of Object.entries({ late: 2 ** 45, early: -(2 ** 40), old: -1 })) writer.add({ ...facts, path: name, mtime });
  const blob = await store.blob(await store.commitWritten(writer.finish(), job), { ...GZIP, compression: 'estargz' }, job);
  const table = gunzipSync(readFileSync(blob.path ?? '')).toString('latin1');
  assert.deepEqual(table.match(/"modtime":"[^"]*"/g), ['"modtime":"1969-12-31T23:59:59Z"']);
});

test('an estargz layer is a gzip tar whose table says where each file is', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const layer = await store.commitWritten(written(around, { a: 'first file', big: Buffer.alloc(5_000_000, 'b'), empty: '' }), job);
  const blob = await store.blob(layer, { ...GZIP, compression: 'estargz' }, job);
  const bytes = readFileSync(blob.path ?? '');
  const tar = gunzipSync(bytes);
  assert.equal(digestOf(tar), blob.diffID);
  assert.equal(execFileSync('tar', ['-tf', '-'], { input: tar, encoding: 'utf8' }), 'a\nbig\nempty\n');
  const footer = bytes.subarray(-51);
  assert.equal(footer.toString('latin1', 32, 38), 'STARGZ');
  const toc = gunzipSync(bytes.subarray(Number.parseInt(footer.toString('latin1', 16, 32), 16)));
  const json = toc.subarray(512, 512 + Number.parseInt(toc.toString('latin1', 124, 135), 8));
  assert.equal(blob.descriptor.annotations?.['containerd.io/snapshot/stargz/toc.digest'], digestOf(json));
  assert.equal(blob.descriptor.annotations?.['io.containers.estargz.uncompressed-size'], String(tar.length));
  const { entries } = JSON.parse(json.toString()) as { entries: Record<string, number | string>[] };
  assert.deepEqual(
    entries.map(({ name, type, chunkOffset }) => [name, type, chunkOffset]),
    [
      ['a', 'reg', undefined],
      ['big', 'reg', 0],
      ['big', 'chunk', 2 << 20],
      ['big', 'chunk', 4 << 20],
      ['empty', 'reg', undefined],
    ],
  );
  assert.equal(gunzipSync(bytes.subarray(Number(entries[0]?.['offset']))).toString('latin1', 0, 10), 'first file');
  assert.equal(entries[0]?.['digest'], digestOf('first file'));
  // The layer's own DiffID is still the plain tar's.
  assert.notEqual((await store.blob(layer, GZIP, job)).diffID, blob.diffID);
  await store[Symbol.asyncDispose]();
});

test('bytes that are not what was promised never become a layer', { skip }, async () => {
  for (const size of [100, 2_000_000]) {
    const tar = tarOfFolder((path) => writeFileSync(`${path}/f`, Buffer.alloc(size, 'x')));
    const good = remote(tar, OCI.layer);
    const cases: [string, RemoteBlob, string][] = [
      ['digest', { ...good, descriptor: { ...good.descriptor, digest: digestOf('other') } }, 'BLOB_DIGEST_MISMATCH'],
      ['size', { ...good, descriptor: { ...good.descriptor, size: tar.length - 1 } }, 'BLOB_SIZE_MISMATCH'],
      ['cut', { ...good, descriptor: { ...good.descriptor, size: tar.length + 1 } }, 'BLOB_SIZE_MISMATCH'],
      ['source', { ...good, open: () => Promise.reject(new Error('unreachable host')) }, ''],
    ];
    // A worker is slow to start from source: one case of each kind is enough there.
    for (const [name, blob, code] of size > 1_000_000 ? cases.filter(([name]) => name === 'digest' || name === 'source') : cases) {
      const around = surroundings();
      const store = openLayerStore(around);
      const layer = store.addRemote(digestOf(tar) as DiffID, blob);
      const expected = code === '' ? /unreachable host/ : { code };
      await assert.rejects(store.folder(layer, job), expected, `${name} ${size}`);
      if (size < 1_000_000) await assert.rejects(store.index(layer, job), expected, `${name} ${size}`);
      assert.equal(existsSync(`${around.root}/layers`), false);
      assert.deepEqual(around.published, []);
      await store[Symbol.asyncDispose]();
      assert.deepEqual(readdirSync(`${around.root}/tmp`), []);
    }
  }
  const tar = tarOfFolder(() => {});
  const store = openLayerStore(surroundings());
  const layer = store.addRemote(digestOf('another tar') as DiffID, remote(tar));
  await assert.rejects(store.folder(layer, job), { code: 'LAYER_DIFF_ID_MISMATCH' });
  await store[Symbol.asyncDispose]();
});

test('a blob that nobody read is not believed to be the layer, whatever an image says of it', { skip }, async () => {
  const around = surroundings();
  const tar = tarOfFolder((path) => writeFileSync(`${path}/f`, 'x'));
  const store = openLayerStore(around);
  const blob = remote(tar);
  await store.index(pull(store, tar, blob), job);
  const other = store.forBuild();
  const lie: RemoteBlob = { ...blob, descriptor: { ...blob.descriptor, digest: digestOf('other bytes') } };
  await other.folder(pull(other, tar, lie), job);
  const facts = JSON.parse(readFileSync(`${around.root}/layers/${digestOf(tar).slice(7)}/layer.json`, 'utf8')) as {
    pulled: RemoteBlob['descriptor'];
  };
  assert.equal(facts.pulled.digest, blob.descriptor.digest);
  await store[Symbol.asyncDispose]();
});

test('each build fetches a layer from where it was told, in the blob that its image names', { skip }, async () => {
  const store = openLayerStore(surroundings());
  const tar = tarOfFolder((path) => writeFileSync(`${path}/f`, 'x'));
  const asked: string[] = [];
  const from = (name: string): RemoteBlob => {
    const blob = remote(tar);
    return { ...blob, open: (one) => (asked.push(name), blob.open(one)) };
  };
  const [mine, theirs] = [store.forBuild(), store.forBuild()];
  const layer = pull(mine, tar, from('mine'));
  pull(theirs, tar, from('theirs'));
  assert.equal(store.hasBytes(layer), false);
  const options = { compression: 'none', force: false, reproducible: false } as const;
  const plain = pull(mine, tar, { ...remote(tar), descriptor: { ...remote(tar).descriptor, digest: digestOf('recompressed') } });
  assert.deepEqual(
    [(await mine.blob(layer, options, job)).descriptor.digest, (await mine.blob(plain, options, job)).descriptor.digest],
    [remote(tar).descriptor.digest, digestOf('recompressed')],
  );
  await mine.folder(layer, job);
  assert.deepEqual(asked, ['mine']);
  await store[Symbol.asyncDispose]();
});

test('a layer that a crash cut is no layer; what can be fetched is made anew', { skip }, async () => {
  const around = surroundings();
  const tar = tarOfFolder((path) => writeFileSync(`${path}/f`, 'x'));
  const first = openLayerStore(around);
  const blob = remote(tar);
  const layer = pull(first, tar, blob);
  const { path } = { path: `${around.root}/layers/${layer.id}` };
  await first.folder(layer, job);
  writeFileSync(`${path}/index`, readFileSync(`${path}/index`).subarray(0, 50));
  assert.deepEqual(
    [...(first.collectables()[0]?.check(false) ?? [])].map(({ subject }) => subject),
    [`layer:${layer.id}`],
  );
  assert.equal((await openLayerStore(around).index(layer, job)).entries.length, 2);
  writeFileSync(`${path}/layer.json`, '{"contentDig');
  assert.equal(openLayerStore(around).get(layer.id), undefined);
  const made = { id: 'a'.repeat(64), createdAt: 0 };
  assert.equal(first.hasBytes(made), false);
  await assert.rejects(first.folder(made, job), { code: 'LAYER_BYTES_ABSENT' });
  await first[Symbol.asyncDispose]();
});

test('aborting ends a fetch', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const abort = new AbortController();
  const endless: RemoteBlob = {
    descriptor: { mediaType: OCI.layer, digest: digestOf('x'), size: 1 << 30 },
    open: async () =>
      (async function* () {
        for (;;) {
          yield Buffer.alloc(1 << 16);
          abort.abort(new Error('enough'));
        }
      })(),
  };
  const layer = store.addRemote(digestOf('y') as DiffID, endless);
  await assert.rejects(store.folder(layer, quietJob(abort.signal)), /enough/);
  await store[Symbol.asyncDispose]();
});

test('collection sees each layer with its size, and takes it by one rename', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const layer = await store.commitWritten(written(around, { big: Buffer.alloc(100_000) }), job);
  const [usage] = store.collectables();
  const [entry] = [...(usage?.entries() ?? [])];
  assert.equal(entry?.id, `layer:${layer.id}`);
  assert.ok((entry?.size ?? 0) > 100_000);
  usage?.remove(entry?.id ?? '', `${around.root}/tmp/trash`);
  assert.equal(usage?.lastUsedAt(entry?.id ?? ''), undefined);
  assert.equal(openLayerStore(around).get(layer.id), undefined);
  await store[Symbol.asyncDispose]();
});

test('a layer that is collected while it is checked is no damage', { skip }, async () => {
  const around = surroundings();
  const store = openLayerStore(around);
  const ids: string[] = [];
  for (const name of ['a', 'b']) ids.push((await store.commitWritten(written(around, { [name]: Buffer.from(name) }), job)).id);
  const [first, second] = ids.sort().map((id) => `${around.root}/layers/${id}`) as [string, string];
  rmSync(`${first}/layer.json`);
  const found: string[] = [];
  for (const { subject } of store.collectables()[0]?.check(false) ?? []) {
    found.push(subject);
    rmSync(second, { recursive: true });
  }
  assert.deepEqual(found, [`layer:${ids[0]}`]);
  await store[Symbol.asyncDispose]();
});

test('rights follow capabilities and the user namespace', () => {
  const all = (1n << 41n) - 1n;
  assert.deepEqual(rightsOf(all, '0 0 4294967295'), { overlay: 'trusted', owners: true, devices: true });
  assert.deepEqual(rightsOf(all, '0 1000 1\n1 100000 65536'), { overlay: 'user', owners: true, devices: false });
  assert.deepEqual(rightsOf(all, '0 1000 1'), { overlay: 'user', owners: false, devices: false });
  // Docker's default set for root: no CAP_SYS_ADMIN.
  assert.deepEqual(rightsOf(0xa80425fbn, '0 0 4294967295'), { overlay: 'user', owners: true, devices: true });
  assert.deepEqual(rightsOf(0n, '0 0 4294967295'), { overlay: 'user', owners: false, devices: false });
});

test('a build that is stopped while it unpacks a layer does not stop another one that waits for it', async () => {
  await using store = openLayerStore(surroundings());
  const tar = tarOfFolder((path) => writeFileSync(`${path}/a`, 'a'));
  const blob = remote(tar);
  const stopped = new AbortController();
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const layer = pull(store, tar, {
    ...blob,
    open: (reader) => {
      if (reader.signal !== stopped.signal) return blob.open(reader);
      begin();
      return new Promise((_, reject) => {
        reader.signal.addEventListener('abort', () => reject(reader.signal.reason as Error), { once: true });
      });
    },
  });
  const first = store.index(layer, { ...job, signal: stopped.signal });
  await begun;
  const second = store.index(layer, job);
  stopped.abort(new Error('another step failed'));
  await assert.rejects(first, /another step failed/);
  assert.equal((await second).entries.at(-1)?.path, 'a');
});
