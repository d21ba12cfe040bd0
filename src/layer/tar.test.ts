import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fsPath } from '../base/index.ts';
import { getXattr, setXattr } from '../sys/index.ts';
import type { Entry } from './entry.ts';
import { encodeTarHeader, TAR_END } from './tar-header.ts';
import { KeptRecords, parsePax } from './tar-pax.ts';
import { DEFAULT_TAR_LIMITS, type TarLimits } from './tar-budget.ts';
import { type TarMember, TarReader } from './tar-reader.ts';
import { entry, tarOf, testFolder, unpackTar } from './testing.ts';

const root = testFolder();
const LONG = `${'d'.repeat(60)}/${'e'.repeat(60)}/${'f'.repeat(60)}`;
const VERY_LONG = `${'n'.repeat(250)}/${'m'.repeat(250)}`;

function membersOf(tar: Uint8Array): TarMember[] {
  const members: TarMember[] = [];
  const reader = new TarReader({ member: (member) => members.push(member), data: () => {}, end: () => {} });
  reader.write(tar);
  reader.finish();
  return members;
}

test('what we write we read: names, numbers, times and attributes that ustar has no room for', () => {
  const entries: Entry[] = [
    entry('plain'),
    entry(LONG),
    entry(VERY_LONG),
    entry('caf\xc3\xa9'),
    entry('not-utf8-\xff\xfe'),
    entry('big-owner', { uid: 4_000_000_000, gid: 2_097_152 }),
    entry('old', { mtime: -86_400 }),
    entry('late', { mtime: 2 ** 34 }),
    entry('setuid', { mode: 0o6755 }),
    entry('link', { kind: 'symlink', mode: 0o777, link: `${LONG}/\xff` }),
    entry('device', { kind: 'block', devMajor: 259, devMinor: 70_000 }),
    entry('attributes', { xattrs: { 'security.capability': '\x01\0\0\x02\xff\n=', 'user.empty': '' } }),
  ];
  const read = membersOf(tarOf(entries));
  assert.deepEqual(
    read.map(({ name, mode, uid, gid, mtime, link }) => ({ name, mode, uid, gid, mtime, link })),
    entries.map(({ path, mode, uid, gid, mtime, link }) => ({ name: path, mode, uid, gid, mtime, link: link ?? '' })),
  );
  assert.deepEqual([read[10]?.devMajor, read[10]?.devMinor], [259, 70_000]);
  assert.deepEqual(read[11]?.xattrs, { 'security.capability': '\x01\0\0\x02\xff\n=', 'user.empty': '' });
});

test('extended headers come only where they are needed', () => {
  assert.equal(encodeTarHeader(entry('a')).length, 512);
  assert.equal(encodeTarHeader(entry(`${'a'.repeat(60)}/${'b'.repeat(60)}`)).length, 512);
  assert.equal(encodeTarHeader(entry('a'.repeat(101))).length, 3 * 512);
});

test('a size of 8 GiB and more is said in PAX, and read in PAX and in base 256', () => {
  const size = 2 ** 33 + 5;
  const header = encodeTarHeader(entry('huge', { size }));
  const sizes: number[] = [];
  const sink = { member: ({ size: read }: TarMember) => sizes.push(read), data: () => {}, end: () => {} };
  new TarReader(sink).write(header);
  const base256 = rawHeader('0', 0, (block) => {
    block.fill(0, 124, 136);
    block[124] = 0x80;
    block.writeUIntBE(size, 130, 6);
  });
  new TarReader(sink).write(base256);
  assert.deepEqual(sizes, [size, size]);
});

test('GNU tar reads what we write', () => {
  const folder = `${root}/gnu-reads`;
  mkdirSync(folder);
  const tar = tarOf([
    entry('dir', { kind: 'dir', mode: 0o1777 }),
    [entry(`dir/${'x'.repeat(120)}`, { mode: 0o4755 }), 'hello'],
    [entry('dir/\xff\xfe'), 'bytes'],
    entry('dir/link', { kind: 'symlink', link: '/outside' }),
    entry('dir/hard', { kind: 'hardlink', link: 'dir/\xff\xfe' }),
    entry('capable', { xattrs: { 'user.note': 'v\xff' } }),
  ]);
  const result = spawnSync('tar', ['-xpf', '-', '--xattrs', '--xattrs-include=*', '-C', folder], { input: tar });
  assert.equal(result.stderr.toString(), '');
  assert.equal(readFileSync(`${folder}/dir/${'x'.repeat(120)}`, 'utf8'), 'hello');
  assert.equal(lstatSync(`${folder}/dir/${'x'.repeat(120)}`).mode & 0o7777, 0o4755);
  assert.equal(readFileSync(`${folder}/dir/hard`, 'utf8'), 'bytes');
  assert.equal(readlinkSync(`${folder}/dir/link`), '/outside');
  assert.equal(getXattr(`${folder}/capable`, 'user.note'), 'v\xff');
  assert.equal(lstatSync(`${folder}/capable`).mtimeMs, 1_700_000_000_000);
});

for (const format of ['gnu', 'posix', 'oldgnu', 'ustar', 'v7']) {
  test(`GNU tar's ${format} archives are read, in pieces of any size`, () => {
    const folder = `${root}/gnu-writes-${format}`;
    const short = format === 'v7' || format === 'ustar';
    const long = short ? 'long' : VERY_LONG;
    mkdirSync(`${folder}/${long}`, { recursive: true });
    writeFileSync(`${folder}/${long}/file`, 'content');
    writeFileSync(fsPath(`${folder}/b\xff`), '');
    symlinkSync(short ? 'target' : `${long}/file`, `${folder}/symlink`);
    linkSync(`${folder}/${long}/file`, `${folder}/zlink`);
    if (!short) {
      writeFileSync(`${folder}/holes`, 'start');
      truncateSync(`${folder}/holes`, 3_000_000);
      writeFileSync(`${folder}/holes`, 'end', { flag: 'a' });
    }
    const sparse = short ? [] : ['--sparse'];
    const tar = execFileSync('tar', [`--format=${format}`, ...sparse, '--sort=name', '-cf', '-', '-C', folder, '.'], {
      maxBuffer: 1 << 24,
    });
    const { index } = unpackTar(tar, {}, 777);
    const byPath = new Map(index.entries.map((read) => [read.path, read]));
    assert.equal(byPath.get(`${long}/file`)?.size, 7);
    assert.equal(byPath.get('zlink')?.link, `${long}/file`);
    assert.equal(byPath.get('symlink')?.link, short ? 'target' : `${long}/file`);
    assert.equal(byPath.get('b\xff')?.kind, 'file');
    if (!short) assert.equal(byPath.get('holes')?.digest, digestOfFile(`${folder}/holes`));
  });
}

test("PAX archives with xattrs and GNU's three sparse forms are read", () => {
  const folder = `${root}/pax`;
  mkdirSync(folder);
  writeFileSync(`${folder}/a`, 'x');
  truncateSync(`${folder}/a`, 5_000_000);
  setXattr(`${folder}/a`, 'user.k', 'v');
  const want = digestOfFile(`${folder}/a`);
  for (const version of ['0.0', '0.1', '1.0']) {
    const options = ['--format=posix', '--xattrs', '--xattrs-include=*', '-S', `--sparse-version=${version}`];
    const tar = execFileSync('tar', [...options, '-cf', '-', '-C', folder, 'a']);
    assert.ok(tar.length < 100_000);
    const [read] = unpackTar(tar, {}, 513).index.entries;
    assert.deepEqual([read?.path, read?.size, read?.digest, read?.xattrs], ['a', 5_000_000, want, { 'user.k': 'v' }], version);
  }
});

function digestOfFile(path: string): string {
  return `sha256:${execFileSync('sha256sum', [path], { encoding: 'utf8' }).slice(0, 64)}`;
}

test('broken and greedy archives are refused', () => {
  const good = tarOf([[entry('file'), 'content']]);
  const cases: [name: string, bytes: Buffer, code: string][] = [
    ['cut in the data', good.subarray(0, 515), 'TAR_BROKEN'],
    ['cut in the header', good.subarray(0, 100), 'TAR_BROKEN'],
    ['no tar at all', Buffer.alloc(1024, 'x'), 'TAR_BROKEN'],
    ['wrong checksum', Buffer.from(good).fill('y', 0, 1), 'TAR_BROKEN'],
    ['long name without a member', Buffer.concat([rawHeader('L', 5), Buffer.alloc(512, 'a'), TAR_END]), 'TAR_BROKEN'],
    ['negative size', rawHeader('0', 0, (block) => block.fill(0xff, 124, 136)), 'TAR_BROKEN'],
    ['extended header of 2 GiB', rawHeader('x', 0o17777777777), 'TAR_LIMIT'],
    ['long name of 1 MiB', rawHeader('L', 1 << 20), 'TAR_LIMIT'],
    ['record that lies about its length', Buffer.concat([rawHeader('x', 20), pad('99 path=a\n')]), 'TAR_BROKEN'],
    ['record without a length after a good one', Buffer.concat([rawHeader('x', 20), pad('8 a=bcd\n21/mtime=1\n')]), 'TAR_BROKEN'],
    ['record without key', Buffer.concat([rawHeader('x', 6), pad('6 =ab\n')]), 'TAR_BROKEN'],
    ['size that is no number', Buffer.concat([rawHeader('x', 12), pad('12 size=-10\n'), good]), 'TAR_BROKEN'],
    ['size of more than we count', Buffer.concat([rawHeader('x', 27), pad('27 size=99999999999999999\n')]), 'TAR_BROKEN'],
    [
      'sparse map without data',
      Buffer.concat([pax('GNU.sparse.major=1', 'GNU.sparse.minor=0', 'GNU.sparse.realsize=9'), good]),
      'TAR_BROKEN',
    ],
    [
      'sparse file of an exabyte',
      Buffer.concat([pax('GNU.sparse.map=', 'GNU.sparse.size=1000000000000000'), tarOf([entry('a')])]),
      'TAR_LIMIT',
    ],
  ];
  for (const [name, bytes, code] of cases) {
    assert.throws(
      () => {
        const reader = new TarReader({ member: () => {}, data: () => {}, end: () => {} });
        reader.write(bytes);
        reader.finish();
      },
      { code },
      name,
    );
  }
});

test('an archive may end with the bytes of its last member', () => {
  const whole = tarOf([
    [entry('a'), 'A'],
    [entry('b'), 'content'],
  ]).subarray(0, 2048);
  for (const end of [2048, 2047, 1543]) {
    const { entries } = unpackTar(whole.subarray(0, end), {}, 100).index;
    assert.deepEqual(
      entries.map(({ path, size }) => [path, size]),
      [
        ['a', 1],
        ['b', 7],
      ],
      String(end),
    );
  }
  assert.throws(() => unpackTar(whole.subarray(0, 1542), {}, 100), { code: 'TAR_BROKEN' });
  const label = Buffer.concat([rawHeader('V', 7), Buffer.alloc(7)]);
  assert.equal(unpackTar(label, {}, 100).index.entries.length, 0);
  assert.throws(() => unpackTar(label.subarray(0, -1), {}, 100), { code: 'TAR_BROKEN' });
});

test('each limit refuses what is one beyond it', () => {
  const feed = (limits: Partial<TarLimits>, ...pieces: readonly Buffer[]): number => {
    let members = 0;
    const reader = new TarReader({ member: () => void (members += 1), data: () => {}, end: () => {} }, limits);
    for (const piece of pieces) reader.write(piece);
    return members;
  };
  const plain = rawHeader('0', 0);
  const times = (count: number, ...pieces: readonly Buffer[]): Buffer[] => Array.from({ length: count }, () => pieces).flat();
  const note = pax('comment=x');
  const attribute = (name: string, length: number): Buffer => pax(`SCHILY.xattr.user.${name}=${'v'.repeat(length)}`);
  const file = rawHeader('0', 100);
  assert.deepEqual(DEFAULT_TAR_LIMITS, { entries: 2e6, bytes: 2 ** 40, nameBytes: 4096, headerBytes: 1 << 20, listBytes: 1 << 29 });
  const cases: readonly (readonly [what: string, limits: Partial<TarLimits>, within: readonly Buffer[], beyond: Buffer, says: RegExp])[] = [
    ['members', { entries: 5 }, times(5, plain), plain, /too many members \(limit 5\)/],
    ['members of types that are passed over', { entries: 5 }, times(5, rawHeader('V', 0)), plain, /too many members/],
    ['headers', { entries: 5 }, times(10, note), note, /too many headers \(limit 10\)/],
    ['bytes', { bytes: 250 }, times(2, file, Buffer.alloc(512)), file, /too large together \(limit 250\)/],
    ['names', { listBytes: 5 }, times(5, plain), plain, /names and attributes \(limit 5\)/],
    ['attributes', { listBytes: 140 }, [attribute('a', 60), plain], Buffer.concat([attribute('a', 60), plain]), /names and attributes/],
    [
      'a name',
      { nameBytes: 90 },
      [pax(`path=${'n'.repeat(90)}`), plain],
      Buffer.concat([pax(`path=${'n'.repeat(91)}`), plain]),
      /a name of 91 bytes/,
    ],
    [
      'headers of one member',
      { headerBytes: 200 },
      [attribute('a', 80), attribute('b', 60)],
      attribute('c', 60),
      /one after another \(limit 200\)/,
    ],
    [
      'headers of all members',
      { headerBytes: 200 },
      times(9, asGlobal(attribute('a', 90))),
      asGlobal(attribute('b', 90)),
      /one after another/,
    ],
  ];
  for (const [what, limits, within, beyond, says] of cases) {
    assert.ok(feed(limits, ...within) >= 0, what);
    assert.throws(() => feed(limits, ...within, beyond), { code: 'TAR_LIMIT', message: says }, what);
  }
});

test('headers for all members cost what is in them once, not with every header and member that follows', () => {
  const many = Array.from({ length: 20_000 }, (_, at) => `comment.${at}=x`);
  const records = parsePax(Buffer.from(many.map((record) => `${record.length + 4} ${record}\n`).join('')));
  assert.equal(Object.keys(records).length, 0, 'what nobody reads is not kept');
  const kept = new KeptRecords();
  const { attributes: before } = kept;
  for (let at = 0; at < 1000; at += 1) kept.add({ [`SCHILY.xattr.user.${at % 10}`]: 'value' });
  assert.equal(kept.attributes, before, 'added to, not copied');
  assert.equal(kept.bytes, 10 * ('SCHILY.xattr.user.0'.length + 'value'.length));
});

test('an archive that stops without end marker, or goes on after it, is read up to there', () => {
  const tar = tarOf([entry('a')]);
  assert.equal(membersOf(tar.subarray(0, 512)).length, 1);
  assert.equal(membersOf(Buffer.concat([tar, Buffer.alloc(10_000, 'x')])).length, 1);
});

function rawHeader(type: string, size: number, change: (block: Buffer) => void = () => {}): Buffer {
  const block = Buffer.from(encodeTarHeader(entry('x', { size })));
  block[156] = type.charCodeAt(0);
  change(block);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function pad(text: string): Buffer {
  return Buffer.concat([Buffer.from(text), Buffer.alloc(512 - text.length)]);
}

/** A header for the next member as one for all that follow. */
function asGlobal(bytes: Buffer): Buffer {
  return Buffer.concat([rawHeader('g', Number.parseInt(bytes.toString('latin1', 124, 135), 8)), bytes.subarray(512)]);
}

function pax(...records: string[]): Buffer {
  const text = records.map((record) => `${record.length + (record.length > 95 ? 5 : record.length > 6 ? 4 : 3)} ${record}\n`).join('');
  return Buffer.concat([rawHeader('x', text.length), pad(text)]);
}
