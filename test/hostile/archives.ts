// Hostile archives, each with what must become of it wherever it is read: by ADD, as a build context, as a layer of a base image.

import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import { MARK } from './arena.ts';
import { base256, craft, type Crafted, record } from './tar-crafter.ts';

/** Refused with one of these codes, or taken with these files (`undefined`: must not be there). */
export type Fate = { readonly refused: readonly string[] } | { readonly files: Readonly<Record<string, string | undefined>> };

export interface HostileArchive {
  readonly like: string;
  readonly what: string;
  readonly archive: (outside: string) => Buffer;
  readonly fate: Fate;
  /** As a build context, where that is another thing: ADD copies what is no archive, a context must be one. */
  readonly context?: Fate;
  /** As a layer, where that is another thing. */
  readonly layer?: Fate;
}

const refused = (...codes: readonly string[]): Fate => ({ refused: codes });
const files = (wanted: Readonly<Record<string, string | undefined>>): Fate => ({ files: wanted });
const BROKEN = refused('TAR_BROKEN');
/** What is no archive at all is copied as the file it is. */
const AS_FILE = files({ 'evil.tar': undefined });
const link = (name: string, target: string): Crafted => ({ name, type: '2', link: target });
const hard = (name: string, target: string): Crafted => ({ name, type: '1', link: target });
const dir = (name: string): Crafted => ({ name, type: '5' });
const evil = (name: string): Crafted => ({ name, data: 'evil' });
const inside = (outside: string, rest = ''): string => `${outside.slice(1)}${rest}`;

export const ARCHIVES: readonly HostileArchive[] = [
  // Names
  {
    like: 'CVE-2026-28406 (kaniko), CVE-2007-4559 (Python tarfile)',
    what: 'a name that climbs with ..',
    archive: () => craft([evil(`${'../'.repeat(22)}tmp/${MARK}`)]),
    fate: files({ [`tmp/${MARK}`]: 'file 644 evil' }),
  },
  {
    like: 'CVE-2021-32804 (node-tar)',
    what: 'absolute names, with many slashes',
    archive: (outside) => craft([evil(`/////${outside}/victim/file`), evil(`/tmp/${MARK}`)]),
    fate: { files: { [`tmp/${MARK}`]: 'file 644 evil' } },
  },
  {
    like: 'CVE-2016-6321 (GNU tar)',
    what: '.. in the middle of a name, behind what looks harmless',
    archive: () => craft([dir('a/'), evil(`a/b/../../../../../../tmp/${MARK}`)]),
    fate: files({ [`tmp/${MARK}`]: 'file 644 evil' }),
  },
  {
    like: 'CVE-2018-1002207 (mholt/archiver), “Zip Slip”',
    what: 'a name that begins in a folder and leaves it',
    archive: () => craft([evil(`../${MARK}`), evil(`./../../${MARK}2`), evil('good')]),
    fate: files({ [MARK]: 'file 644 evil', good: 'file 644 evil' }),
  },
  {
    like: 'CVE-2021-37713 (node-tar)',
    what: 'names of Windows: drives and backslashes are letters like others',
    archive: () => craft([evil(`C:..\\..\\${MARK}`), evil(`..\\${MARK}`)]),
    fate: files({ [`..\\${MARK}`]: 'file 644 evil' }),
  },
  {
    like: 'CVE-2021-37701 (node-tar)',
    what: 'the same directory spelled in two ways around a symlink',
    archive: (outside) => craft([dir('d/'), link('d', `${outside}/victim`), evil('./d//file')]),
    fate: files({ d: 'symlink /OUT/victim', 'OUT/victim/file': 'file 644 evil' }),
  },
  {
    like: 'CVE-2021-37712, CVE-2026-23950 (node-tar)',
    what: 'names that some file systems take for equal (ß and ss, composed and decomposed)',
    archive: (outside) =>
      craft([link('stra\xc3\x9fe', `${outside}/victim`), evil('strasse/file'), evil('caf\xc3\xa9/x'), evil('cafe\xcc\x81/x')]),
    fate: files({ 'strasse/file': 'file 644 evil' }),
  },
  {
    like: 'CVE-2022-1271 (xzgrep, zgrep)',
    what: 'names with newlines, quotes and shell commands',
    archive: () => craft([evil(`a\n;touch /tmp/${MARK};'"$(touch /tmp/${MARK})`.replaceAll('/', '\\'))]),
    fate: files({ [`a\n;touch \\tmp\\${MARK};'"$(touch \\tmp\\${MARK})`]: 'file 644 evil' }),
  },
  {
    like: 'CVE-2019-9923 (GNU tar)',
    what: 'an empty name, and names of dots and slashes only',
    archive: () => craft([dir('./'), dir('//'), dir('../..'), evil('ok')]),
    fate: files({ ok: 'file 644 evil' }),
  },
  {
    like: 'CVE-2025-45582 (GNU tar)',
    what: 'a symlink to the root above, then names through it',
    archive: () => craft([link('x', '../../../../../../..'), evil(`x/tmp/${MARK}`)]),
    fate: files({ [`tmp/${MARK}`]: 'file 644 evil' }),
  },

  // Symlinks
  {
    like: 'CVE-2014-6407 (Docker), CVE-2021-32803 (node-tar)',
    what: 'a symlink to a folder outside, then a file through it',
    archive: (outside) => craft([link('out', `${outside}/victim`), evil('out/file'), evil(`out/${MARK}`)]),
    fate: files({ out: 'symlink /OUT/victim', 'OUT/victim/file': 'file 644 evil' }),
  },
  {
    like: 'CVE-2014-9356 (Docker)',
    what: 'an absolute symlink, then a directory of its name, then a file',
    archive: (outside) => craft([link('out', `${outside}/victim`), dir('out/'), evil('out/file')]),
    fate: files({ out: 'dir 755', 'out/file': 'file 644 evil' }),
  },
  {
    like: 'CVE-2021-29136 (umoci)',
    what: 'a symlink in the place of the root itself',
    archive: (outside) => craft([link('.', `${outside}/victim`), evil('file')]),
    fate: files({ file: 'file 644 evil' }),
    layer: BROKEN,
  },
  {
    like: 'CVE-2011-5325 (BusyBox tar)',
    what: 'a chain of symlinks, each one step up',
    archive: () => craft([link('a', '.'), link('a/b', '..'), link('b/c', '..'), link('c/d', '../..'), evil(`d/tmp/${MARK}`)]),
    fate: files({}),
  },
  {
    like: 'CVE-2025-4517, CVE-2025-4330 (Python tarfile)',
    what: 'symlinks whose joined length passes PATH_MAX, so that a checker stops before the kernel does',
    archive: () => {
      const steps: Crafted[] = [];
      const long = 'd'.repeat(247);
      let at = '';
      for (const letter of 'abcdefghijklmnop') {
        steps.push(dir(`${at}${long}`), link(`${at}${letter}`, long));
        at = `${at}${letter}/`;
      }
      const deep = [...'abcdefghijklmnop'].join('/');
      return craft([
        ...steps.map(longNames),
        longNames(link(`${deep}/${'l'.repeat(254)}`, '../'.repeat(16))),
        longNames(evil(`${deep}/${'l'.repeat(254)}/../../../../tmp/${MARK}`)),
      ]);
    },
    fate: refused('PATH_TOO_LONG'),
    layer: refused('TAR_LIMIT', 'PATH_TOO_LONG'),
  },
  {
    like: 'CVE-2024-12905, CVE-2025-48387 (tar-fs)',
    what: 'a symlink changed between two files of the same folder',
    archive: (outside) => craft([dir('d/'), evil('d/one'), link('d', `${outside}/victim`), evil('d/file'), dir('d/'), evil('d/three')]),
    fate: { files: { [`d/one`]: undefined } },
  },
  {
    like: 'CVE-2022-36113 (Cargo)',
    what: 'a symlink named like a file that the reader writes itself',
    archive: (outside) =>
      craft([
        link('.wh..wh..opq', `${outside}/victim/file`),
        link('evil.tar', `${outside}/victim/file`),
        link('oci-layout', `${outside}/victim/file`),
      ]),
    fate: files({}),
  },
  {
    like: 'CVE-2025-4517 (Python tarfile), a loop',
    what: 'a symlink loop on the way',
    archive: () => craft([link('a', 'b'), link('b', 'a'), evil(`a/${MARK}`)]),
    fate: refused('PATH_LOOP'),
    layer: refused('TAR_BROKEN'),
  },

  // Hard links
  {
    like: 'CVE-2018-20834 (node-tar), CVE-2018-20990 (tar-rs)',
    what: 'a hard link to a file outside, then a file of its name',
    archive: (outside) => craft([hard('h', `${outside}/victim/file`), evil('h')]),
    fate: refused('ARCHIVE_LINK'),
    layer: refused('LAYER_BROKEN'),
  },
  {
    like: 'CVE-2026-24842 (node-tar), CVE-2026-50163 (oras-go)',
    what: 'a hard link whose target climbs with ..',
    archive: (outside) => craft([dir('a/b/'), hard('a/b/h', `${'../'.repeat(20)}${inside(outside, '/private/key')}`)]),
    fate: refused('ARCHIVE_LINK'),
    layer: refused('LAYER_BROKEN'),
  },
  {
    like: 'CVE-2026-26960 (node-tar), CVE-2024-12718 (Python tarfile)',
    what: 'a hard link through a symlink of the archive',
    archive: (outside) => craft([link('up', '../../../../..'), link('s', `up${outside}/private`), hard('h', 's/key')]),
    fate: refused('ARCHIVE_LINK'),
    layer: refused('LAYER_BROKEN'),
  },
  {
    like: 'CVE-2026-29786 (node-tar)',
    what: 'a hard link to a drive-relative path',
    archive: () => craft([hard('h', 'C:../../etc/passwd')]),
    fate: refused('ARCHIVE_LINK'),
    layer: refused('LAYER_BROKEN'),
  },
  {
    like: 'CVE-2026-17106 (moby/go-archive), CVE-2025-4138 (Python tarfile)',
    what: 'a hard link to a symlink that leads outside, then data for it',
    archive: (outside) => craft([link('s', `${outside}/victim/file`), hard('t', 's'), evil('t')]),
    fate: files({ t: 'file 644 evil' }),
  },
  {
    like: 'CVE-2016-5418 (libarchive)',
    what: 'a hard link that carries data of its own',
    archive: (outside) => craft([evil('f'), { ...hard('h', 'f'), size: 0 }, { ...hard('i', `${outside}/victim/file`), data: 'evil' }]),
    fate: refused('ARCHIVE_LINK', 'TAR_BROKEN'),
    layer: refused('LAYER_BROKEN', 'TAR_BROKEN'),
  },
  {
    like: 'CVE-2021-38511 (tar-rs)',
    what: 'a hard link to itself and to a directory',
    archive: () => craft([dir('d/'), hard('d/self', 'd/self')]),
    fate: refused('ARCHIVE_LINK'),
    layer: files({ d: 'dir 755' }),
  },
  {
    like: 'CVE-2021-32760 (containerd), CVE-2021-41089 (docker cp), CVE-2026-33056 (tar-rs)',
    what: 'a mode for a file outside, by a member that names a symlink',
    archive: (outside) =>
      craft([link('s', `${outside}/private/key`), { ...hard('h', 's'), mode: 0o6777 }, { name: 's', type: '5', mode: 0o777 }]),
    fate: files({ s: 'dir 777' }),
  },

  // Kinds
  {
    like: 'CVE-2019-14866 (cpio)',
    what: 'device nodes of the disk and of memory',
    archive: () =>
      craft([
        { name: 'sda', type: '4', dev: [8, 0], mode: 0o666 },
        { name: 'mem', type: '3', dev: [1, 1], mode: 0o666 },
        { name: 'fifo', type: '6' },
        evil('ok'),
      ]),
    fate: files({ ok: 'file 644 evil' }),
  },
  {
    like: 'CVE-2005-2541 (GNU tar)',
    what: 'setuid and setgid files of root: kept in the image, as it asks for',
    archive: () => craft([{ ...evil('su'), mode: 0o6755 }]),
    fate: files({ su: 'file 6755 evil' }),
  },
  {
    like: 'CVE-2023-0386 (overlayfs), whiteouts',
    what: 'a device 0:0, which overlay would take for a whiteout',
    archive: () => craft([{ name: 'zero', type: '3', dev: [0, 0] }, evil('ok')]),
    fate: files({ ok: 'file 644 evil' }),
  },
  {
    like: 'CVE-2023-0386, CVE-2021-3493 (overlayfs)',
    what: 'attributes that steer overlay, or name another machine’s labels',
    archive: () =>
      craft([
        {
          ...evil('f'),
          pax: [
            ['SCHILY.xattr.trusted.overlay.redirect', '/etc'],
            ['SCHILY.xattr.trusted.overlay.metacopy', ''],
            ['SCHILY.xattr.user.overlay.opaque', 'y'],
            ['SCHILY.xattr.security.selinux', 'x'],
          ],
        },
      ]),
    fate: files({ f: 'file 644 evil' }),
  },
  {
    like: 'CVE-2023-39804 (GNU tar)',
    what: 'attributes whose names end in nothing, hold NULs or are too long',
    archive: () =>
      craft([
        {
          ...evil('f'),
          pax: [
            ['SCHILY.xattr.', 'x'],
            ['SCHILY.xattr.user.\0', 'x'],
            [`SCHILY.xattr.user.${'n'.repeat(300)}`, 'x'],
            ['SCHILY.xattr.__proto__', 'x'],
          ],
        },
      ]),
    fate: files({ f: 'file 644 evil' }),
  },
  {
    like: 'CVE-2023-39804 (GNU tar), the value',
    what: 'an attribute of 200 KiB',
    archive: () => craft([{ ...evil('f'), pax: [['SCHILY.xattr.user.big', 'x'.repeat(200_000)]] }]),
    fate: refused('TAR_LIMIT'),
  },
  {
    like: 'CVE-2006-6097 (GNU tar)',
    what: 'members of types that are programs’ own: labels, volumes, renamed names',
    archive: () =>
      craft([
        { name: 'x', type: 'N', data: `Rename a to ../../${MARK}\n` },
        { name: MARK, type: 'V' },
        { name: 'dump', type: 'D', data: 'Yfile\0' },
        evil('ok'),
      ]),
    fate: files({ ok: 'file 644 evil', [MARK]: undefined, x: undefined }),
  },

  // Numbers and lengths
  {
    like: 'CVE-2022-48303 (GNU tar)',
    what: 'base-256 numbers that end in the middle, in time and owner',
    archive: () => craft([{ ...evil('f'), mtime: base256(2n ** 90n), uid: base256(2n ** 60n, 8) }]),
    fate: AS_FILE,
    context: BROKEN,
    layer: BROKEN,
  },
  {
    like: 'CVE-2016-4809 (libarchive)',
    what: 'a symlink with a size of gigabytes',
    archive: () => craft([{ ...link('s', 'ok'), size: 0o77777777777 }, evil('ok')]),
    fate: files({ s: 'symlink ok', ok: 'file 644 evil' }),
  },
  {
    like: 'CVE-2025-8194 (Python tarfile)',
    what: 'a negative size, which a reader would seek back by',
    archive: () => craft([evil('a'), { ...evil('f'), size: base256(-1024n) }]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2019-20907 (Python tarfile)',
    what: 'a PAX record of length 0, which a reader would read for ever',
    archive: () => craft([evil('a'), { name: 'p', type: 'x', data: '0 path=evil\n' }, evil('b')]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2024-6232 (Python tarfile)',
    what: 'numbers of spaces and NULs without end, for patterns that backtrack',
    archive: () => craft([evil('a'), { name: 'p', type: 'x', data: `${' '.repeat(100_000)}${'1'.repeat(100_000)}` }, evil('b')]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2025-62518 (tokio-tar, “TARmageddon”), CVE-2026-33055 (tar-rs)',
    what: 'a PAX size beside a header’s size of zero, with an archive in the data',
    archive: () => {
      const nested = craft([evil(`smuggled`)], Buffer.alloc(0));
      return craft([{ name: 'outer', data: nested, size: 0, pax: [['size', String(nested.length)]] }, evil('after')]);
    },
    fate: files({ smuggled: undefined, after: 'file 644 evil' }),
  },
  {
    like: 'CVE-2022-2879 (Go archive/tar)',
    what: 'an extended header of gigabytes',
    archive: () => craft([evil('a'), { name: 'p', type: 'x', size: 0o40000000000 }]),
    fate: refused('TAR_LIMIT'),
  },
  {
    like: 'CVE-2006-0300 (GNU tar)',
    what: 'PAX records that contradict themselves and their length',
    archive: () => craft([evil('a'), { name: 'p', type: 'x', data: `20 path=x\n999 path=y\n` }, evil('b')]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2025-58183 (Go archive/tar)',
    what: 'a sparse map of more pieces than any file has',
    archive: () =>
      craft([
        evil('a'),
        {
          ...evil('f'),
          pax: [
            ['GNU.sparse.major', '1'],
            ['GNU.sparse.minor', '0'],
            ['GNU.sparse.name', 'f'],
            ['GNU.sparse.realsize', '10'],
          ],
          data: `9999999\n${'0\n0\n'.repeat(200)}`,
        },
      ]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2018-20482 (GNU tar)',
    what: 'a sparse file whose data ends before its map does',
    archive: () =>
      craft([
        evil('a'),
        {
          ...evil('f'),
          pax: [
            ['GNU.sparse.size', '4096'],
            ['GNU.sparse.numblocks', '2'],
            ['GNU.sparse.map', '0,512,2048,1024'],
          ],
          data: 'x'.repeat(512),
        },
      ]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2017-14992 (Docker), a sparse bomb',
    what: 'a sparse file of 500 GiB in one block',
    archive: () =>
      craft([
        evil('a'),
        {
          ...evil('f'),
          pax: [
            ['GNU.sparse.size', String(500 * 2 ** 30)],
            ['GNU.sparse.numblocks', '1'],
            ['GNU.sparse.map', '0,4'],
          ],
        },
      ]),
    fate: refused('TAR_LIMIT'),
  },
  {
    like: 'CVE-2018-20482 (GNU tar), overlapping pieces',
    what: 'an old GNU sparse header whose pieces overlap and run backwards',
    archive: () =>
      craft([
        evil('a'),
        {
          name: 'f',
          type: 'S',
          magic: 'ustar  \0',
          data: 'x'.repeat(1024),
          touch: (block) => {
            for (const [at, offset, length] of [
              [386, 1024, 512],
              [410, 0, 512],
            ] as const) {
              block.write(offset.toString(8).padStart(11, '0'), at, 'latin1');
              block.write(length.toString(8).padStart(11, '0'), at + 12, 'latin1');
            }
            block.write((4096).toString(8).padStart(11, '0'), 483, 'latin1');
          },
        },
      ]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2024-28863 (node-tar)',
    what: 'a path of tens of thousands of folders',
    archive: () => craft([evil('a'), { ...evil('x'), pax: [['path', `${'d/'.repeat(40_000)}f`]] }]),
    fate: refused('TAR_LIMIT'),
  },
  {
    like: 'CVE-2001-1267, CVE-2002-0399 (GNU tar)',
    what: 'a PAX path and a GNU long name that lead elsewhere than the header says',
    archive: () =>
      craft([
        { ...evil('harmless'), pax: [['path', `../../tmp/${MARK}`]] },
        { ...evil('harmless2'), longName: `/../../tmp/${MARK}2` },
      ]),
    fate: files({ harmless: undefined, [`tmp/${MARK}`]: 'file 644 evil', [`tmp/${MARK}2`]: 'file 644 evil' }),
  },
  {
    like: 'CVE-2001-1267 (GNU tar), global headers',
    what: 'a global PAX header that renames all that follows',
    archive: (outside) =>
      craft([
        {
          ...evil('a'),
          global: [
            ['path', `${outside}/victim/file`],
            ['linkpath', `${outside}/private/key`],
          ],
        },
        evil('b'),
        hard('c', 'b'),
      ]),
    fate: refused('ARCHIVE_LINK'),
    layer: refused('LAYER_BROKEN'),
  },
  {
    like: 'CVE-2021-20193 (GNU tar)',
    what: 'a header whose checksum is that of nothing',
    archive: () => craft([evil('a'), { ...evil('f'), checksum: '777777\0 ' }]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2021-20193 (GNU tar), numbers',
    what: 'numbers with letters in them',
    archive: () => craft([evil('a'), { ...evil('f'), size: '00000000z12 ' }]),
    fate: BROKEN,
  },
  {
    like: 'CVE-2024-40635 (containerd)',
    what: 'an owner beyond 32 bits, which wraps around to root',
    archive: () => craft([evil('a'), { ...evil('f'), pax: [['uid', '4294967296']] }]),
    fate: BROKEN,
  },

  // Repetition and the end
  {
    like: 'CVE-2025-59343 (tar-fs)',
    what: 'the same name many times, as file, symlink, directory, hard link',
    archive: (outside) =>
      craft([
        evil('n'),
        link('n', `${outside}/victim/file`),
        evil('n'),
        dir('n/'),
        evil('n/x'),
        link('n', `${outside}/victim`),
        evil('n/file'),
        evil('n'),
      ]),
    fate: files({ n: 'file 644 evil' }),
  },
  {
    like: 'CVE-2015-1197 (cpio)',
    what: 'a directory replaced by a symlink while files of it are still to come',
    archive: (outside) => craft([dir('d/'), evil('d/a'), link('d', outside), evil('d/victim/file'), evil(`d/${MARK}`)]),
    fate: { files: { 'd/a': undefined } },
  },
  {
    like: 'CVE-2018-20482 (GNU tar), a truncated archive',
    what: 'an archive that ends in the middle of a file',
    archive: () => craft([evil('a'), { ...evil('f'), size: 100_000 }], Buffer.alloc(0)),
    fate: BROKEN,
  },
  {
    like: 'CVE-2022-37434 (zlib)',
    what: 'gzip with an enormous extra field, cut off in its header',
    archive: () => Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 0xff, 0xff]), Buffer.alloc(100, 'x')]),
    fate: AS_FILE,
    context: refused('STREAM_BROKEN'),
    layer: refused('STREAM_BROKEN'),
  },
  {
    like: 'CVE-2025-62518 (tokio-tar), data after the end',
    what: 'an archive, and behind its end another one',
    archive: () => Buffer.concat([craft([evil('first')]), craft([evil(`second`)])]),
    fate: files({ first: 'file 644 evil', second: undefined }),
  },
  {
    like: 'CVE-2022-37434 (zlib), garbage after gzip',
    what: 'gzip data, and behind it bytes that are none',
    archive: () => Buffer.concat([gzipSync(craft([evil('a')])), Buffer.alloc(4096, 0xaa)]),
    fate: files({ a: 'file 644 evil' }),
    layer: refused('STREAM_BROKEN'),
  },
  {
    like: 'CVE-2023-25153 (containerd)',
    what: 'gzip of gigabytes of zeros, announced as one file',
    archive: () => gzipSync(craft([evil('a'), { name: 'f', size: base256(2n ** 50n) }], Buffer.alloc(1 << 20))),
    fate: refused('TAR_LIMIT'),
  },
  {
    like: 'CVE-2021-32803 (node-tar), CVE-2025-58183 (Go archive/tar)',
    what: 'attributes for all members, thousands of them, before members that add one each',
    archive: () => {
      const many = Array.from({ length: 2000 }, (_, at): readonly [string, string] => [`SCHILY.xattr.user.k${at}`, 'v']);
      const small = Array.from({ length: 3000 }, (_, at): Crafted => ({ name: `f${at}`, pax: [['SCHILY.xattr.user.own', String(at)]] }));
      return craft([{ ...evil('a'), global: many }, ...small, evil('b')]);
    },
    fate: refused('TAR_LIMIT'),
    layer: refused('TAR_LIMIT', 'LAYER_ATTRIBUTES'),
  },
  {
    like: 'CVE-2019-9923 (GNU tar), a header without member',
    what: 'PAX records for a member that never comes',
    archive: () => craft([evil('a'), { name: 'p', type: 'x', data: record('path', 'b') }]),
    fate: BROKEN,
  },
];

/** As a member whose names are too long for ustar. */
function longNames(member: Crafted): Crafted {
  return {
    ...member,
    name: 'long',
    link: 'long',
    pax: [['path', member.name], ...(member.link === undefined ? [] : [['linkpath', member.link] as const])],
  };
}
