import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fsPath, isSlipwayError, quietJob } from '../base/index.ts';
import { diffFolder } from '../layer/index.ts';
import { enterMountNamespaceForTest } from '../../test/rig/mount-namespace.ts';
import { mknod, S_IFCHR, setXattr } from '../sys/index.ts';
import { mountOverlay, unmountQuietly } from './overlay-mount.ts';
import { openRootfsMounter } from './rootfs-open.ts';
import type { MountRequest, RootfsMounter } from './rootfs.ts';

const job = quietJob();
const root = process.getuid?.() === 0;

describe('root filesystems', { skip: root ? false : 'needs root' }, () => {
  let base: string;
  let count = 0;
  const open = (driver: 'overlay' | 'copy', mounts = true): RootfsMounter =>
    openRootfsMounter({
      driver,
      mounts,
      overlay: 'trusted',
      workDir: join(base, 'work'),
      tempFolder: (hint) => join(base, `tmp-${hint}-${(count += 1)}`),
    });

  /** A layer folder from a list: `a/` directory, `a=text` file, `a->b` link, `-a` whiteout, `a!` opaque directory. */
  const layer = (name: string, ...items: string[]): string => {
    const folder = join(base, name);
    mkdirSync(folder, { recursive: true });
    for (const item of items) {
      const at = (path: string): string => join(folder, path);
      if (item.startsWith('-')) mknod(at(item.slice(1)), S_IFCHR);
      else if (item.endsWith('/')) mkdirSync(at(item), { recursive: true });
      else if (item.endsWith('!')) {
        mkdirSync(at(item.slice(0, -1)), { recursive: true });
        setXattr(at(item.slice(0, -1)), 'trusted.overlay.opaque', 'y');
      } else if (item.includes('->')) symlinkSync(item.split('->')[1] as string, at(item.split('->')[0] as string));
      else writeFileSync(at(item.split('=')[0] as string), item.split('=')[1] as string);
    }
    return folder;
  };

  before(() => {
    enterMountNamespaceForTest();
    base = mkdtempSync(join(tmpdir(), 'slipway-rootfs-'));
  });
  after(() => rmSync(base, { recursive: true, force: true }));

  const stack = (): readonly string[] => [
    layer(
      `l1-${(count += 1)}`,
      'etc/',
      'etc/a=1',
      'etc/gone=x',
      'dir/',
      'dir/old=x',
      'bin->usr/bin',
      'usr/bin/',
      'usr/bin/tool=t',
      'file=f',
    ),
    layer(`l2-${count}`, 'etc/', 'etc/b=2', '-etc/gone', 'dir!', 'dir/new=n'),
  ];

  for (const driver of ['overlay', 'copy'] as const) {
    test(`${driver}: a stack is merged, and what changed comes out as a layer`, async () => {
      await using mounter = open(driver);
      const lowers = stack();
      await using mounted = await mounter.mount({ lowers, mountPoints: [{ path: '/run/secrets/x', kind: 'file' }] }, job);
      const at = (path: string): string => join(mounted.root, path);
      assert.deepEqual(readdirSync(at('etc')), ['a', 'b']);
      assert.deepEqual(readdirSync(at('dir')), ['new']);
      writeFileSync(at('etc/a'), 'changed');
      writeFileSync(at('usr/bin/more'), 'm');
      rmSync(at('file'));
      rmSync(at('dir'), { recursive: true });
      mkdirSync(at('dir'));
      writeFileSync(at('dir/again'), 'g');
      linkSync(at('dir/again'), at('dir/twin'));
      const upper = await mounted.commit();
      const entries = (diffFolder(upper, { overlay: 'trusted' }) ?? []).map(
        ({ kind, path, opaque, link }) => `${kind} ${path}${opaque === true ? ' opaque' : ''}${link === undefined ? '' : ` -> ${link}`}`,
      );
      assert.deepEqual(entries, [
        'dir dir opaque',
        'file dir/again',
        'hardlink dir/twin -> dir/again',
        'dir etc',
        'file etc/a',
        'whiteout file',
        'dir usr',
        'dir usr/bin',
        'file usr/bin/more',
      ]);
      assert.equal(readFileSync(join(lowers[0] as string, 'etc/a'), 'utf8'), '1');
    });

    test(`${driver}: an unchanged root gives an empty layer; an empty stack a root that all may enter`, async () => {
      await using mounter = open(driver);
      await using same = await mounter.mount({ lowers: stack() }, job);
      assert.deepEqual(readdirSync(await same.commit()), []);
      await using empty = await mounter.mount({ lowers: [] }, job);
      assert.equal(lstatSync(empty.root).mode & 0o777, 0o755);
      writeFileSync(join(empty.root, 'x'), '');
      assert.deepEqual(readdirSync(await empty.commit()), ['x']);
    });

    test(`${driver}: names that are not UTF-8 survive`, async () => {
      await using mounter = open(driver);
      await using mounted = await mounter.mount({ lowers: [] }, job);
      writeFileSync(fsPath(`${mounted.root}/\xff\xfe`), 'x');
      const upper = await mounted.commit();
      assert.deepEqual(readdirSync(upper, { encoding: 'latin1' }), ['\xff\xfe']);
    });

    test(`${driver}: a view selects inside the stack, wherever links point`, async () => {
      await using mounter = open(driver);
      const lowers = [...stack(), layer(`l3-${count}`, 'up->../../../../../etc', 'abs->/etc/b', 'evil->/proc/self/root/etc/shadow')];
      const read = async (selector: string): Promise<string> => {
        await using view = await mounter.view({ lowers, selector, writable: false }, job);
        return view.kind === 'dir' ? readdirSync(view.path).join() : readFileSync(view.path, 'utf8');
      };
      assert.equal(await read('/bin/tool'), 't');
      assert.equal(await read('/bin'), 'tool');
      assert.equal(await read('up'), 'a,b');
      assert.equal(await read('/abs'), '2');
      for (const selector of ['/evil', '/nothing', '/etc/a/below', '/etc/gone']) {
        await assert.rejects(read(selector), (error) => isSlipwayError(error, 'MOUNT_SOURCE_MISSING'));
      }
    });

    test(`${driver}: a writable view throws its writes away`, async () => {
      await using mounter = open(driver);
      const lowers = stack();
      {
        await using view = await mounter.view({ lowers, selector: '/etc', writable: true }, job);
        writeFileSync(join(view.path, 'a'), 'w');
      }
      assert.equal(readFileSync(join(lowers[0] as string, 'etc/a'), 'utf8'), '1');
    });
  }

  for (const [driver, mounts] of [['overlay', true], ['copy', true], ['copy', false]] as const) {
    test(`${driver}${mounts ? '' : ' without mounts'}: a path inside a folder keeps its writes, and no link leads out`, async () => {
      await using mounter = open(driver, mounts);
      const within = layer(`in-${(count += 1)}`, 'd/', 'd/f=1', 'up->../../../../../d', 'abs->/d', 'file=f', 'evil->/proc/self/root/etc', 'etc->/etc');
      for (const [selector, names] of [['/d', 'f'], ['up', 'f'], ['/abs', 'f,new'], ['/d/../d', 'f,new']] as const) {
        await using view = mounter.inFolder(within, selector);
        assert.equal(view.kind, 'dir');
        assert.equal(readdirSync(view.path).sort().join(), names);
        if (selector === 'up') writeFileSync(join(view.path, 'new'), 'n');
      }
      assert.equal(readFileSync(join(within, 'd/new'), 'utf8'), 'n');
      await using file = mounter.inFolder(within, '/file');
      assert.equal(file.kind, 'file');
      for (const selector of ['/evil', '/etc', '/nothing', '/file/below', '/nothing/below']) {
        assert.throws(() => mounter.inFolder(within, selector), (error) => isSlipwayError(error, 'MOUNT_SOURCE_MISSING'), selector);
      }
    });
  } // prettier-ignore

  test('overlay: a read-only view refuses writes', async () => {
    await using mounter = open('overlay');
    await using view = await mounter.view({ lowers: stack(), selector: '/etc', writable: false }, job);
    assert.throws(() => writeFileSync(join(view.path, 'a'), 'w'), { code: 'EROFS' });
  });

  test('overlay: stubs of mount points stay out of the layer, what a step leaves in them does not', async () => {
    await using mounter = open('overlay');
    const request: MountRequest = {
      lowers: [layer('plain', 'bin/')],
      mountPoints: [
        { path: '/run/secrets/token', kind: 'file' },
        { path: '/etc/hosts', kind: 'file' },
        { path: '/var/cache', kind: 'dir', mode: 0o1777 },
      ],
    };
    await using mounted = await mounter.mount(request, job);
    assert.ok(existsSync(join(mounted.root, 'run/secrets/token')));
    assert.equal(lstatSync(join(mounted.root, 'var/cache')).mode & 0o7777, 0o1777);
    writeFileSync(join(mounted.root, 'run/pid'), '');
    rmSync(join(mounted.root, 'run/pid'));
    writeFileSync(join(mounted.root, 'var/kept'), 'k');
    const upper = await mounted.commit();
    assert.deepEqual(readdirSync(upper, { recursive: true }).sort(), ['var', 'var/kept']);
  });

  for (const driver of ['overlay', 'copy'] as const) {
    test(`${driver}: a lasting mount point that no layer has is a part of the changes, one that is there is not`, async () => {
      await using mounter = open(driver);
      const mountPoints = [
        { path: '/proc', kind: 'dir', lasting: true },
        { path: '/dev', kind: 'dir', lasting: true },
      ] as const;
      await using mounted = await mounter.mount({ lowers: [layer(`some-${driver}`, 'dev/', 'f=f')], mountPoints }, job);
      const upper = await mounted.commit();
      const entries = (diffFolder(upper, { overlay: 'trusted' }) ?? []).map(({ kind, path, mode }) => [kind, path, mode]);
      assert.deepEqual(entries, [['dir', 'proc', 0o755]]);
    });
  }

  test('overlay: more layers than the kernel stacks', async () => {
    await using mounter = open('overlay');
    const lowers = Array.from({ length: 510 }, (_, index) => layer(`many/${index}`, `${index % 100 === 0 ? index : 'same'}=${index}`));
    await using mounted = await mounter.mount({ lowers }, job);
    assert.equal(readdirSync(mounted.root).length, 7);
    assert.equal(readFileSync(join(mounted.root, 'same'), 'utf8'), '509');
  });

  test('overlay by mount(2): long paths do not count', () => {
    const lowers = Array.from({ length: 150 }, (_, index) => layer(`text/${'long'.repeat(20)}/${index}`, `f${index}=x`));
    const target = join(base, 'text-merged');
    mkdirSync(target);
    const options = { lowers, target, overlay: 'trusted', onlyText: true } as const;
    mountOverlay(options);
    assert.equal(readdirSync(target).length, 150);
    unmountQuietly(target);
  });

  test('copy: the root of a finished step is taken over by the next', async () => {
    await using mounter = open('copy');
    {
      await using first = await mounter.mount({ lowers: stack(), key: 'a' }, job);
      writeFileSync(join(first.root, 'made'), '1');
      await first.commit();
      first.keep('b');
    }
    await using second = await mounter.mount({ lowers: ['/nowhere'], key: 'b' }, job);
    assert.equal(readFileSync(join(second.root, 'made'), 'utf8'), '1');
    chmodSync(join(second.root, 'made'), 0o600);
    assert.deepEqual(readdirSync(await second.commit()), ['made']);
  });

  test('overlay: a link that is swapped while it is resolved never leads out', async () => {
    await using mounter = open('overlay');
    const folder = layer('race', 'real/', 'real/secret=inside', 'link->real');
    const script = `cd ${folder}; while :; do ln -sfn ${base} link 2>/dev/null; ln -sfn real link; done`;
    const racer = execFileSync('/bin/sh', ['-c', `(${script}) >/dev/null 2>&1 & echo $!`], { encoding: 'utf8' }).trim();
    try {
      for (let round = 0; round < 100; round += 1) {
        try {
          await using view = await mounter.view({ lowers: [folder], selector: '/link/secret', writable: false }, job);
          assert.equal(readFileSync(view.path, 'utf8'), 'inside');
        } catch (error) {
          if (!isSlipwayError(error, 'MOUNT_SOURCE_MISSING')) throw error;
        }
      }
    } finally {
      process.kill(Number(racer), 'SIGKILL');
    }
  });
});
