// Every rung of the ladder for real: as root, as an ordinary user, in an unprivileged container; and what a killed builder leaves.

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { quietJob } from '../../src/base/index.ts';
import { findProgram, openExecutor } from '../../src/runtime/index.ts';
import { attachMount, makeMount, mount, MountFlag, unmount } from '../../src/sys/index.ts';
import { bundleProgram } from '../rig/bundle.ts';
import { busybox, makeBusyboxRoot } from '../rig/busybox-root.ts';
import { processesWith, until } from '../rig/processes.ts';
import type { SandboxRequest } from '../rig/sandbox-program.ts';

const searchPath = process.env['PATH'] ?? '';
const needed = ['crun', 'newuidmap', 'useradd', 'slirp4netns'].filter((name) => findProgram(name, searchPath) === undefined);
const why =
  process.getuid?.() !== 0
    ? 'needs root'
    : busybox() === undefined
      ? 'needs busybox-static'
      : needed.length > 0
        ? `needs ${needed.join()}`
        : false;

describe('isolation', { skip: why }, () => {
  let base: string;
  let layer: string;
  let program: string;
  const users: string[] = [];

  before(async () => {
    base = mkdtempSync(join(tmpdir(), 'slipway-isolation-'));
    chmodSync(base, 0o755);
    layer = makeBusyboxRoot(join(base, 'layer'));
    // A root that lacks these gets them by its first step, in the step's layer.
    for (const name of ['dev', 'proc', 'sys']) mkdirSync(join(layer, name));
    program = await bundleProgram(join(base, 'program'), 'test/rig/sandbox-program.ts', [
      'src/runtime/chroot-supervisor.worker.ts',
      'src/snapshot/copy-root.worker.ts',
    ]);
    execFileSync('chmod', ['-R', 'a+rX', join(base, 'program')]);
  });
  after(() => {
    for (const user of users) execFileSync('userdel', ['--remove', '--force', user], { stdio: 'ignore' });
    rmSync(base, { recursive: true, force: true });
  });

  /** A user of the test's own, with or without subordinate ids. */
  const makeUser = (name: string, subids: boolean): { readonly uid: number; readonly workDir: string; readonly layer: string } => {
    users.push(name);
    execFileSync('useradd', ['--create-home', ...(subids ? [] : ['--system']), name]);
    const uid = Number(execFileSync('id', ['-u', name], { encoding: 'utf8' }));
    const workDir = join(base, name);
    mkdirSync(workDir);
    chownSync(workDir, uid, uid);
    execFileSync('cp', ['-r', '--preserve=mode', layer, join(workDir, 'layer')], { uid, gid: uid });
    return { uid, workDir, layer: join(workDir, 'layer') };
  };

  const start = (
    request: Omit<SandboxRequest, 'layer'> & { readonly layer?: string },
    as: { readonly uid?: number } = {},
    path = searchPath,
  ): ChildProcess =>
    spawn(process.execPath, [program, JSON.stringify({ layer, ...request })], {
      env: { PATH: path },
      stdio: ['ignore', 'pipe', 'inherit'],
      ...(as.uid === undefined ? {} : { uid: as.uid, gid: as.uid }),
    });

  const run = (request: Omit<SandboxRequest, 'layer'> & { readonly layer?: string }, as: { readonly uid?: number } = {}): Promise<string> =>
    finished(start(request, as));

  for (const [rung, runtime, first] of [
    ['root-overlay', 'crun', 'rung root-overlay, overlay, crun'],
    ['root-overlay', 'runc', 'rung root-overlay, overlay, runc'],
    ['container-chroot', undefined, 'rung container-chroot, copy, chroot'],
  ] as const) {
    test(`${rung}, ${runtime ?? 'no runtime'}: a builder killed by SIGKILL leaves no process and no mount, and no cgroup beyond the next step`, async () => {
      const marker = String(10_000_000 + process.pid);
      const workDir = join(base, `killed-${rung}-${runtime}`);
      const own = runtime === undefined ? {} : { runtime };
      // A limit has runc put the cgroup elsewhere than without one.
      const limited = runtime === 'runc' ? ({ resources: { memory: 64 << 20 } } as const) : {};
      for (const spec of [{}, limited]) {
        const child = start({
          rung,
          workDir,
          ...own,
          spec,
          script: `sleep ${marker} & setsid sleep ${marker} & echo ready; sleep ${marker}`,
        });
        assert.match(await firstWords(child, 'ready'), new RegExp(first));
        await until(() => processesWith(marker).length > 0);
        // Asked before: once the builder is dead, any build on this machine may take them away.
        if (runtime === 'runc') assert.notDeepEqual(cgroupsOf(child.pid), [], 'runc makes cgroups');
        child.kill('SIGKILL');
        await new Promise((resolve) => child.once('exit', resolve));
        await until(() => processesWith(marker).length === 0);
        assert.doesNotMatch(readFileSync('/proc/mounts', 'utf8'), new RegExp(base));
        const again = { mounts: [{ type: 'tmpfs', dest: '/var/deep/place' }] } as const;
        assert.match(await run({ rung, workDir, ...own, script: 'echo again', spec: again, commit: true }), /again\nchanged: \n/);
        assert.deepEqual(cgroupsOf(child.pid), []);
      }
    });
  }

  test('an ordinary user with subordinate ids: all ids, no rights outside', async () => {
    const { uid, ...own } = makeUser(`slipa${process.pid}`, true);
    const script =
      'id -u; chown app:app /tmp; stat -c %u /tmp; su=$(grep -c . /proc/self/uid_map); echo maps $su; mkdir /made; chown 123 /made';
    const shown = await run({ ...own, script, commit: true }, { uid });
    assert.match(shown, /^rung rootless-subid, overlay, crun\n0\n1000\nmaps 2\n/);
    assert.match(shown, /changed: dir made 123, dir tmp 1000\n/);
    assert.match(await run({ ...own, script: 'id -u; id -g', spec: { user: 'app' } }, { uid }), /1000\n1000\n/);
    assert.match(await run({ ...own, script: 'ip -o link | wc -l', spec: { network: 'none' } }, { uid }), /\n1\n/);
  });

  test('an ordinary user with one id: root works, other users are refused by name', async () => {
    const { uid, ...own } = makeUser(`slipb${process.pid}`, false);
    assert.match(
      await run({ ...own, script: 'id -u; echo x > /made; grep -c . /proc/self/uid_map', commit: true }, { uid }),
      /^rung rootless-single, overlay, crun\n0\n1\nchanged: file made 0\n/,
    );
    assert.match(await run({ ...own, script: 'id', spec: { user: 'app' } }, { uid }), /error USER_UNMAPPED: user app cannot be had/);
    assert.match(
      await run({ ...own, rung: 'rootless-subid', script: 'id' }, { uid }),
      /error RUNG_UNAVAILABLE: .*subuid gives no subordinate ids/,
    );
  });

  test('an unshare that cannot map subordinate ids: they are mapped from outside', async () => {
    const { uid, ...own } = makeUser(`slipc${process.pid}`, true);
    const real = findProgram('unshare', searchPath) ?? '';
    const tools = join(base, 'old-tools');
    mkdirSync(tools);
    writeFileSync(join(tools, 'unshare'), `#!/bin/sh\n[ "$1" = --help ] && exit 0\nexec ${real} "$@"\n`, { mode: 0o755 });
    const child = start(
      { ...own, script: 'id -u; grep -c . /proc/self/uid_map; exit 7', spec: { validExitCodes: [7] } },
      { uid },
      `${tools}:${searchPath}`,
    );
    assert.match(await finished(child), /^rung rootless-subid, overlay, crun\n0\n2\n/);
    assert.equal(child.exitCode, 0);
  });

  for (const [noNewPrivileges, rung] of [
    [false, 'container-chroot'],
    [true, 'container-restricted'],
  ] as const) {
    test(`root in a container with Docker's defaults${noNewPrivileges ? ' and no_new_privs' : ''}: ${rung}`, async () => {
      const workDir = join(base, `outer-${rung}`);
      await using executor = await openExecutor({ rung: 'root-overlay', workDir, searchPath, network: 'host', noNewPrivileges });
      // The machine's own root, read through an overlay whose changes are in memory.
      const memory = `/dev/shm/slipway-test-${process.pid}-${rung}`;
      for (const name of ['upper', 'work', 'merged']) mkdirSync(join(memory, name), { recursive: true });
      const fd = makeMount('overlay', [
        ['lowerdir', '/'],
        ['upperdir', join(memory, 'upper')],
        ['workdir', join(memory, 'work')],
      ]);
      attachMount(fd, join(memory, 'merged'));
      try {
        let output = '';
        const script = 'id -u; echo x > /made; chown 123 /made; cat /run/token; sleep 1000 & test -c /dev/null && echo done';
        const spec = { mounts: [{ type: 'tmpfs', dest: '/scratch' }] } as const;
        const inner: SandboxRequest = { layer, workDir: '/tmp/store', script, spec, commit: true };
        await executor.run(
          {
            id: 'outer',
            root: join(memory, 'merged'),
            args: [process.execPath, program, JSON.stringify({ ...inner, script: script.replace('cat /run/token; ', '') })],
            env: [`PATH=${searchPath}`],
            cwd: '/',
            user: '',
            network: 'host',
            security: 'sandbox',
          },
          { ...quietJob(), progress: (event) => void (event.type === 'log' && (output += Buffer.from(event.data).toString())) },
        );
        assert.equal(output, `rung ${rung}, copy, chroot\n0\ndone\nchanged: file made 123\n`);
      } finally {
        execFileSync('umount', ['--lazy', join(memory, 'merged')]);
        rmSync(memory, { recursive: true, force: true });
      }
    });
  }

  test('the default network is the stage’s own', async (context) => {
    if (!existsSync('/dev/net/tun')) return context.skip('needs /dev/net/tun');
    await using executor = await openExecutor({ rung: 'root-overlay', workDir: join(base, 'net'), searchPath });
    let output = '';
    const spec = {
      id: 'x',
      root: layer,
      env: [],
      cwd: '/',
      user: '',
      network: 'default',
      networkKey: 'build',
      security: 'sandbox',
    } as const;
    executor.prepareNetwork('build');
    const job = {
      ...quietJob(),
      progress: (event: { type: string; data?: Uint8Array }) => void (output += Buffer.from(event.data ?? '').toString()),
    };
    const probe = 'ip -o -4 addr | grep -o "tap0.*10.0.2.100"; grep nameserver /etc/resolv.conf; readlink /proc/self/ns/net';
    const first = await executor.run({ ...spec, args: ['/bin/sh', '-c', probe] }, job);
    await executor.run({ ...spec, args: ['/bin/sh', '-c', 'readlink /proc/self/ns/net'] }, job);
    assert.equal(executor.facts.network, 'own', executor.facts.networkReason);
    assert.deepEqual(first.notices, []);
    const lines = output.trim().split('\n');
    assert.match(lines[0] ?? '', /^tap0/);
    assert.equal(lines[1], 'nameserver 10.0.2.3');
    assert.equal(lines[2], lines[3]);
  });

  test('DNS works where the host’s resolver listens on loopback', async (context) => {
    const address = '127.0.53.53'; // where none of the machine's does
    if (!existsSync('/dev/net/tun')) return context.skip('needs /dev/net/tun');
    await using executor = await openExecutor({ rung: 'root-overlay', workDir: join(base, 'dns'), searchPath });
    await using _server = await answerOnLoopback(address);
    const own = join(base, 'resolv.conf');
    writeFileSync(own, `nameserver ${address}\nsearch example.test\noptions timeout:2\n`);
    // Only this process, now in a mount namespace of its own, sees it.
    mount(own, '/etc/resolv.conf', undefined, MountFlag.bind);
    try {
      for (const network of ['default', 'host'] as const) {
        let output = '';
        const job = {
          ...quietJob(),
          progress: (event: { type: string; data?: Uint8Array }) => void (output += Buffer.from(event.data ?? '').toString()),
        };
        const args = ['/bin/sh', '-c', 'nslookup some.host.test; grep -c example.test /etc/resolv.conf'];
        await executor.run(
          { id: 'x', root: layer, env: [], cwd: '/', user: '', network, networkKey: 'dns', security: 'sandbox', args },
          job,
        );
        assert.match(output, /192\.0\.2\.7\s[^]*\n1\n$/, network);
      }
      assert.equal(executor.facts.network, 'own');
    } finally {
      unmount('/etc/resolv.conf', true);
    }
  });
});

/** A DNS server on the machine's loopback that answers every question for an address with 192.0.2.7. */
async function answerOnLoopback(address: string): Promise<AsyncDisposable> {
  const server = createSocket('udp4');
  server.on('message', (query, peer) => {
    const question = query.subarray(12, query.indexOf(0, 12) + 5);
    const isAddress = question.readUInt16BE(question.length - 4) === 1;
    // Response, recursion available; one question, and one answer that points back to its name: A, IN, 60 s, 4 bytes.
    const head = Buffer.from([...query.subarray(0, 2), 0x81, 0x80, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0]);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    server.send(Buffer.concat([head, question, isAddress ? answer : Buffer.alloc(0)]), peer.port, peer.address);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).bind(53, address, resolve));
  return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

async function finished(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return output;
}

/** What a program printed up to a word; fails when it ends without it. */
async function firstWords(child: ChildProcess, word: string): Promise<string> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes(word)) resolve();
    });
    child.once('close', () => reject(new Error(`ended early: ${output}`)));
  });
  return output;
}

/** Cgroups that a builder's steps have, wherever they are. */
function cgroupsOf(pid: number | undefined): readonly string[] {
  // Others come and go while it looks: that is no failure.
  const { stdout } = spawnSync('find', ['/sys/fs/cgroup', '-name', `slipway-*-${pid}-*`], { encoding: 'utf8' });
  return stdout.split('\n').filter((path) => path !== '');
}
