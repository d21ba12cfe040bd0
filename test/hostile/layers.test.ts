// Hostile base images, layer by layer: what one layer prepares and the next one uses, and what a Dockerfile then does on top.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, deflateRawSync } from 'node:zlib';
import { type Arena, assertContained, assertRefused, hostile, MARK, type Verdict } from './arena.ts';
import { type LayoutFaults, writeLayout } from './layouts.ts';
import { craft, type Crafted } from './tar-crafter.ts';

const link = (name: string, target: string): Crafted => ({ name, type: '2', link: target });
const dir = (name: string): Crafted => ({ name, type: '5' });
const evil = (name: string): Crafted => ({ name, data: 'evil' });
let made = 0;
/** A member that makes a layer another one than all before: the store knows none of it. */
const fresh = (): Crafted => ({ name: `fresh${(made += 1)}` });
const layer = (...members: readonly Crafted[]): { blob: Buffer } => ({ blob: craft(members) });

/** Builds on an image of the given layers. */
function on(arena: Arena, faults: LayoutFaults, rest = '', files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<Verdict> {
  const folder = join(arena.folder(), 'layout');
  mkdirSync(folder);
  return arena.build(`FROM base\n${rest}`, { namedContexts: { base: writeLayout(folder, faults) }, files });
}

const inside = (arena: Arena): string => arena.outside.slice(1);

hostile([
  {
    like: 'CVE-2021-29136 (umoci), whiteouts',
    what: 'whiteouts of what is above, of the root and of nothing',
    run: async (arena) => {
      const names = [
        '../../.wh.victim',
        `/..${arena.outside}/.wh.victim`,
        '.wh.',
        '.wh..',
        '.wh...',
        'a/.wh..',
        '.wh..wh..opq',
        'x/../../.wh..wh..opq',
      ];
      const layers = [layer(evil('kept'), dir('a/'), evil('a/b')), layer(...names.map((name) => ({ name })), evil('new'))];
      assertContained(await on(arena, { layers }), { new: 'file 644 evil', kept: undefined });
    },
  },
  {
    like: 'CVE-2021-29136 (umoci), opaque directories',
    what: 'an opaque mark, and a whiteout, through a symlink of the layer below',
    run: async (arena) => {
      const layers = [layer(link('d', `${arena.outside}/victim`)), layer({ name: 'd/.wh..wh..opq' }, { name: 'd/.wh.file' })];
      assertContained(await on(arena, { layers }), {});
    },
  },
  {
    like: 'CVE-2014-6407, CVE-2014-9356 (Docker)',
    what: 'a directory, then a symlink over it, then a file in it, each in a layer of its own',
    run: async (arena) => {
      const layers = [layer(dir('d/'), evil('d/a')), layer(link('d', `${arena.outside}/victim`)), layer(evil('d/file'))];
      assertContained(await on(arena, { layers }), { d: 'dir 755', 'd/file': 'file 644 evil', 'd/a': undefined });
    },
  },
  {
    like: 'CVE-2018-15664 (docker cp)',
    what: 'COPY onto a symlink of the base that leads outside',
    run: async (arena) => {
      const layers = [layer(link('etc', `${arena.outside}/victim`))];
      const verdict = await on(arena, { layers }, 'COPY f /etc/file\n', { f: 'copied' });
      assertContained(verdict, { [`${inside(arena)}/victim/file`]: 'file 644 copied', etc: `symlink ${arena.outside}/victim` });
    },
  },
  {
    like: 'CVE-2019-10152 (podman cp), CVE-2019-18466',
    what: 'COPY --from a stage whose source is a symlink to the host',
    run: async (arena) => {
      const layers = [layer(link('key', `${arena.outside}/private/key`), link('up', '../../../../../..'))];
      assertRefused(await on(arena, { layers }, 'FROM scratch\nCOPY --from=base /key /key\n'), 'COPY_NOT_FOUND');
      assertRefused(await on(arena, { layers }, `FROM scratch\nCOPY --from=base /up${arena.outside}/private/key /key\n`), 'COPY_NOT_FOUND');
    },
  },
  {
    like: 'CVE-2019-14271 (docker cp)',
    what: 'accounts for --chown out of a symlink to the host’s',
    run: async (arena) => {
      const layers = [layer(dir('etc/'), link('etc/passwd', `${arena.outside}/victim/deep/passwd`), link('etc/group', '/dev/zero'))];
      assertContained(await on(arena, { layers }, 'COPY --chown=root:root f /f\n', { f: 'x' }), { f: 'file 644 x' });
    },
  },
  {
    like: 'CVE-2024-9676 (podman, buildah)',
    what: 'accounts for --chown out of a fifo, a device and a file without end',
    run: async (arena) => {
      for (const passwd of [
        { name: 'etc/passwd', type: '6' },
        { name: 'etc/passwd', type: '3', dev: [1, 5] },
      ] as const) {
        const verdict = await on(arena, { layers: [layer(dir('etc/'), passwd)] }, 'COPY --chown=app f /f\n', { f: 'x' });
        assertRefused(verdict, 'CHOWN_FILE');
      }
      const huge = { blob: craft([{ name: 'etc/passwd', data: Buffer.alloc(30 << 20, 'a') }]) };
      assertRefused(await on(arena, { layers: [huge] }, 'COPY --chown=app f /f\n', { f: 'x' }), ['FILE_TOO_LARGE', 'USER_UNKNOWN']);
    },
  },
  {
    like: 'CVE-2024-21626 (runc), CVE-2021-25741 (Kubernetes)',
    what: 'WORKDIR through a symlink to the host',
    run: async (arena) => {
      const layers = [layer(link('work', arena.outside))];
      const verdict = await on(arena, { layers }, `WORKDIR /work/victim/${MARK}\nCOPY f f\n`, { f: 'x' });
      assertContained(verdict, { [`${inside(arena)}/victim/${MARK}/f`]: 'file 644 x' });
    },
  },
  {
    like: 'CVE-2023-25153 (containerd)',
    what: 'a layer of gzip that claims terabytes',
    run: async (arena) => {
      const tar = craft([{ name: 'f', size: '00000000000\0', pax: [['size', String(2 ** 45)]] }], Buffer.alloc(4096));
      assertRefused(await on(arena, { layers: [{ blob: gzipSync(tar), tar }] }), 'TAR_LIMIT');
    },
  },
  {
    like: 'CVE-2022-4899 (zstd), CVE-2019-12900 (bzip2)',
    what: 'layers of damaged zstd, bzip2 and xz',
    run: async (arena) => {
      for (const head of [
        [0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff],
        [0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26],
        [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0xff, 0xff],
      ]) {
        const blob = Buffer.concat([Buffer.from(head), Buffer.alloc(300, 0x5a)]);
        assertRefused(await on(arena, { layers: [{ blob }] }), 'STREAM_BROKEN');
      }
    },
  },
  {
    like: 'CVE-2022-37434 (zlib), gzip members without end',
    what: 'a thousand empty gzip members before the tar',
    run: async (arena) => {
      const tar = craft([evil('f')]);
      const blob = Buffer.concat([...Array.from({ length: 1000 }, () => gzipSync('')), gzipSync(tar)]);
      assertContained(await on(arena, { layers: [{ blob, tar }] }), { f: 'file 644 evil' });
    },
  },
  {
    like: 'CVE-2026-41567 (Moby)',
    what: 'programs of the image that have the names of those which unpack archives',
    run: async (arena) => {
      const evil = `#!/bin/sh\ntouch /tmp/${MARK}\n`;
      const names = ['bin/xz', 'usr/bin/xz', 'usr/bin/zstd', 'usr/bin/bzip2', 'usr/bin/tar', 'usr/bin/cp'];
      const layers = [layer(dir('bin/'), dir('usr/'), dir('usr/bin/'), ...names.map((name) => ({ name, data: evil, mode: 0o755 })))];
      const tar = craft([{ name: 'inside', data: 'x' }]);
      const files = Object.fromEntries(['xz', 'bzip2'].map((by) => [by, execFileSync(by, ['-c'], { input: tar })]));
      assertContained(await on(arena, { layers }, 'ADD xz /one/\nADD bzip2 /two/\n', files), {
        'one/inside': 'file 644 x',
        'two/inside': 'file 644 x',
      });
    },
  },
  {
    like: 'CVE-2021-20291 (containers/storage)',
    what: 'an archive of xz that stops in the middle: nobody waits for the rest',
    run: async (arena) => {
      const bytes = execFileSync('xz', ['-c'], { input: craft([{ name: 'f', data: Buffer.alloc(1 << 20, 'abc') }]) });
      const blob = bytes.subarray(0, bytes.length / 2);
      assertRefused(await on(arena, { layers: [{ blob }] }), ['STREAM_BROKEN', 'TAR_BROKEN']);
    },
  },
  {
    like: 'CVE-2017-14992 (Docker)',
    what: 'a layer that is not what its DiffID says',
    run: async (arena) => {
      const blob = craft([evil('f'), fresh()]);
      assertRefused(await on(arena, { layers: [{ blob, tar: craft([evil('other')]) }] }), 'LAYER_DIFF_ID_MISMATCH');
    },
  },
  {
    like: 'CVE-2021-21285 (Docker)',
    what: 'a layer whose size is not what the manifest says, too large and too small',
    run: async (arena) => {
      const blob = craft([evil('f'), fresh()]);
      for (const size of [blob.length - 1, blob.length + 1, 0, 2 ** 50]) {
        const verdict = await on(arena, { layers: [{ blob, facts: { size } }] });
        assertRefused(verdict, ['BLOB_SIZE_MISMATCH', 'BLOB_TRUNCATED']);
      }
    },
  },
  {
    like: 'CVE-2024-3727 (containers/image)',
    what: 'a layer whose digest is a path',
    run: async (arena) => {
      for (const digest of [
        `sha256:../../../../outside/private/key`,
        'sha256:',
        'sha256:/etc/passwd',
        `SHA256:${'0'.repeat(64)}`,
        `sha256:${'0'.repeat(63)}`,
      ]) {
        assertRefused(await on(arena, { layers: [{ blob: craft([]), facts: { digest } }] }), ['OCI_DOCUMENT_INVALID', 'DIGEST_INVALID']);
      }
    },
  },
  {
    like: 'CVE-2020-15157 (containerd, “ContainerDrip”)',
    what: 'a foreign layer with addresses: nothing is fetched from them',
    run: async (arena) => {
      let asked = 0;
      const { createServer } = await import('node:http');
      const server = createServer((_, response) => {
        asked += 1;
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      const blob = craft([evil('f'), fresh()]);
      const facts = { urls: [`http://127.0.0.1:${port}/layer`], digest: `sha256:${'1'.repeat(64)}` };
      const layers = [{ blob, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', facts }];
      const verdict = await on(arena, { layers }).finally(() => {
        server.closeAllConnections();
        server.close();
      });
      assertRefused(verdict, ['LAYER_BYTES_ABSENT', 'BLOB_UNKNOWN', 'LAYOUT_BLOB_MISSING', 'OCI_MEDIA_TYPE_UNSUPPORTED']);
      if (asked > 0) throw new Error('the address of a foreign layer was asked');
    },
  },
  {
    like: 'CVE-2021-41103 (containerd)',
    what: 'directories and files that nobody may read, or everybody may write',
    run: async (arena) => {
      const layers = [layer({ name: 'd/', type: '5', mode: 0 }, { ...evil('d/f'), mode: 0 }, { name: 't/', type: '5', mode: 0o7777 })];
      assertContained(await on(arena, { layers }), { d: 'dir 0', 'd/f': 'file 0 evil', t: 'dir 7777' });
    },
  },
  {
    like: 'CVE-2023-25153 (containerd), a stack without end',
    what: 'the same layer five hundred times',
    run: async (arena) => {
      const layers = Array.from({ length: 500 }, () => layer(evil('f')));
      assertContained(await on(arena, { layers }, 'COPY x /x\n', { x: 'x' }), { f: 'file 644 evil', x: 'file 644 x' });
    },
  },
  {
    like: 'CVE-2024-40635 (containerd)',
    what: 'a config whose user is beyond 32 bits, and a folder that climbs',
    run: async (arena) => {
      const config = { config: { User: '4294967296:4294967296', WorkingDir: '../../../../../..' } };
      assertContained(await on(arena, { layers: [layer(evil('f'))], config }, `COPY x ${MARK}/x\n`, { x: 'x' }), {
        [`${MARK}/x`]: 'file 644 x',
      });
    },
  },
  {
    like: 'CVE-2024-28863 (node-tar)',
    what: 'a name of 300 bytes, and a path deeper than any system opens',
    run: async (arena) => {
      const long = { ...evil('x'), pax: [['path', 'n'.repeat(300)]] } as const;
      const deep = { ...evil('x'), pax: [['path', `${'d/'.repeat(2040)}f`]] } as const;
      assertRefused(await on(arena, { layers: [layer(long)] }), ['PATH_TOO_LONG', 'EXPORT_WRITE']);
      assertRefused(await on(arena, { layers: [layer(deep)] }), ['PATH_TOO_LONG', 'EXPORT_WRITE']);
    },
  },
  {
    like: 'CVE-2026-42574 (apko)',
    what: 'a layer whose symlink a later layer writes through, in the place of what another tool made',
    run: async (arena) => {
      const layers = [layer(dir('var/'), link('var/run', `${arena.outside}/victim`)), layer(dir('var/'), evil('var/run/file'))];
      const verdict = await on(arena, { layers });
      assertContained(verdict, { 'var/run/file': 'file 644 evil' });
    },
  },
  {
    like: 'CVE-2023-27561, CVE-2019-19921 (runc)',
    what: '/proc, /dev and /sys as symlinks to the host: COPY below them stays inside',
    run: async (arena) => {
      const layers = [layer(link('proc', arena.outside), link('dev', arena.outside), link('sys', '/'))];
      const verdict = await on(arena, { layers }, 'COPY x /proc/victim/file\nCOPY x /dev/new\n', { x: 'x' });
      assertContained(verdict, { [`${inside(arena)}/victim/file`]: 'file 644 x', [`${inside(arena)}/new`]: 'file 644 x' });
    },
  },
  {
    like: 'CVE-2016-9840 (zlib)',
    what: 'deflate data whose stored length lies',
    run: async (arena) => {
      const body = deflateRawSync(craft([evil('f')]));
      body.fill(0xff, 2, 12);
      const blob = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), body, Buffer.alloc(8)]);
      assertRefused(await on(arena, { layers: [{ blob }] }), ['STREAM_BROKEN', 'TAR_BROKEN']);
    },
  },
]);
