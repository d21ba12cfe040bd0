import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { busybox, makeBusyboxRoot } from '../../test/rig/busybox-root.ts';
import { isSlipwayError, type JobContext, type ProgressEvent } from '../base/index.ts';
import { openExecutor } from './executor.ts';
import { findProgram } from './programs.ts';
import type { Executor, ProcessSpec } from './process-spec.ts';

const searchPath = process.env['PATH'] ?? '';
const missing = process.getuid?.() !== 0 ? 'needs root' : busybox() === undefined ? 'needs busybox-static' : undefined;

for (const kind of ['crun', 'runc', 'chroot'] as const) {
  const why = missing ?? (kind !== 'chroot' && findProgram(kind, searchPath) === undefined ? `needs ${kind}` : undefined);
  describe(`a process by ${kind}`, { skip: why ?? false }, () => {
    const contained = kind !== 'chroot';
    let base: string;
    let root: string;
    let executor: Executor;

    before(async () => {
      base = mkdtempSync(join(tmpdir(), 'slipway-run-'));
      // The root of a step is open to all, the folder it lies in is not.
      root = makeBusyboxRoot(join(base, 'root'));
      chmodSync(root, 0o755);
      executor = await openExecutor({
        rung: contained ? 'root-overlay' : 'container-chroot',
        workDir: join(base, 'work'),
        searchPath,
        network: 'host',
        ...(contained ? { runtime: kind } : {}),
      });
    });
    after(async () => {
      await executor[Symbol.asyncDispose]();
      rmSync(base, { recursive: true, force: true });
    });

    const specOf = (script: string, more: Partial<ProcessSpec> = {}): ProcessSpec => ({
      id: 'step',
      root,
      args: ['/bin/sh', '-c', script],
      env: [],
      cwd: '/',
      user: '',
      network: 'host',
      security: 'sandbox',
      ...more,
    });

    /** Runs to the end; what it printed, both streams in order of arrival. */
    const run = async (script: string, more: Partial<ProcessSpec> = {}, signal = new AbortController().signal): Promise<string> => {
      let output = '';
      const progress = (event: ProgressEvent): void => {
        if (event.type === 'log') output += Buffer.from(event.data).toString('latin1');
      };
      const job: JobContext = { signal, progress, now: () => new Date() };
      await executor.run(specOf(script, more), job);
      return output.trim();
    };

    test('output, environment, directory and user arrive', async () => {
      assert.equal(
        await run('echo "$A $HOME $PWD"; id', { env: ['A=b'] }),
        'b /root /\nuid=0(root) gid=0(root) groups=0(root),10(wheel),29(audio)',
      );
      assert.equal(await run('id; echo $HOME', { user: 'app' }), 'uid=1000(app) gid=1000(app) groups=29(audio),1000(app)\n/home/app');
      assert.equal(await run('id; echo $HOME', { user: '1234', env: ['HOME=/h'] }), 'uid=1234 gid=0(root) groups=0(root)\n/h');
      assert.equal(await run('id', { user: '1234:1235' }), 'uid=1234 gid=1235 groups=1235');
      // Two pipes: which one is read first is anybody's guess.
      assert.deepEqual((await run('echo out; echo err >&2')).split('\n').sort(), ['err', 'out']);
      await assert.rejects(run('id', { user: 'who' }), (error) => isSlipwayError(error, 'USER_UNKNOWN'));
    });

    test('a missing directory is made and belongs to the user', async () => {
      assert.equal(await run('pwd; stat -c %u:%g:%a /work/deep', { cwd: '/work/deep', user: 'app' }), '/work/deep\n1000:1000:755');
      assert.equal(statSync(join(root, 'work')).uid, 1000);
      rmSync(join(root, 'work'), { recursive: true });
    });

    test('exit codes and signals are told', async () => {
      const failure = async (script: string, more: Partial<ProcessSpec> = {}): Promise<string> => {
        const error: unknown = await run(script, more).then(
          () => 'no error',
          (reason: unknown) => reason,
        );
        assert.ok(isSlipwayError(error, 'EXEC_EXIT'), String(error));
        return `${error.facts['exitCode'] as number} ${(error.facts['signal'] as string | undefined) ?? ''} ${error.facts['outputTail'] as string}|${error.hint ?? ''}`;
      };
      assert.equal(await failure('echo last words; exit 3'), '3  last words\n|');
      assert.match(await failure('sh -c "kill -9 \\$\\$"; exit $?'), /^137 SIGKILL [^|]*\|killed by SIGKILL; perhaps out of memory/);
      assert.match(await failure('no-such-command'), /^127 .*not found/s);
      assert.equal(
        (
          await executor.run(specOf('exit 3', { validExitCodes: [0, 3] }), {
            signal: new AbortController().signal,
            progress: () => {},
            now: () => new Date(),
          })
        ).exitCode,
        3,
      );
      await assert.rejects(run('', { args: ['/no/such/program'] }), (error) => isSlipwayError(error, 'EXEC_START'));
      await assert.rejects(run('', { args: ['nowhere-on-path'] }), (error) => isSlipwayError(error, 'EXEC_START'));
    });

    test('a program that is not there, or cannot be executed, is told as a shell tells it', async () => {
      for (const [program, exitCode] of [
        ['nowhere', 127],
        ['/nowhere', 127],
        ['/etc/passwd', 126],
        ['/etc', 126],
      ] as const) {
        const failure = await run('', { args: [program] }).catch((error: unknown) => error);
        assert.ok(isSlipwayError(failure, 'EXEC_START'), String(failure));
        assert.equal(failure.facts['exitCode'], exitCode, failure.message);
      }
    });

    test('nothing of the process is left, whatever it left behind', async () => {
      const marker = `98${process.pid}${contained ? 1 : 2}`;
      await run(`sleep ${marker} & setsid sleep ${marker} & (setsid sh -c "sleep ${marker} & sleep ${marker}" &) ; echo done`);
      assert.deepEqual(processesWith(marker), []);
    });

    test('a time-out and a cancellation end it, also when it ignores SIGTERM', async () => {
      const limits = { timeoutMs: 200, graceMs: 50 };
      await assert.rejects(run('trap "" TERM; while :; do sleep 1; done', { limits }), (error) => isSlipwayError(error, 'EXEC_TIMEOUT'));
      const controller = new AbortController();
      const marker = `97${process.pid}`;
      const running = run(`sleep ${marker}`, { limits: { graceMs: 50 } }, controller.signal);
      controller.abort(new Error('cancelled'));
      await assert.rejects(running, /cancelled/);
      assert.deepEqual(processesWith(marker), []);
    });

    test('secrets are files for their user and leave no trace', async () => {
      const secret = {
        type: 'secret',
        dest: '/run/secrets/token',
        data: Buffer.from('s3cr3t-value'),
        uid: 1000,
        gid: 1000,
        mode: 0o400,
      } as const;
      const shown = await run('cat /run/secrets/token; stat -c " %u:%g:%a" /run/secrets/token', {
        mounts: [secret],
        user: 'app',
        redact: [secret.data],
      });
      assert.equal(shown, '**** 1000:1000:400');
      assert.equal(existsSync(join(root, 'run')), false);
    });

    test('binds, tmpfs and stubs', async () => {
      const source = join(base, 'bound');
      mkdirSync(source);
      writeFileSync(join(source, 'file'), 'bytes');
      const before = lstatSync(join(root, 'etc'), { bigint: true }).mtimeNs;
      const shown = await run('cat /mnt/a/b/file; touch /mnt/a/b/new; ls /scratch; echo t > /scratch/t; stat -c %a /scratch', {
        mounts: [
          { type: 'bind', source, dest: '/mnt/a/b', readonly: false },
          { type: 'tmpfs', dest: '/scratch', size: 1 << 20 },
        ],
      });
      assert.equal(shown, 'bytes1777');
      assert.deepEqual(readdirSync(source).sort(), ['file', 'new']);
      assert.deepEqual(
        ['mnt', 'scratch', 'etc/hosts', 'etc/resolv.conf'].filter((path) => existsSync(join(root, path))),
        [],
      );
      assert.equal(lstatSync(join(root, 'etc'), { bigint: true }).mtimeNs, before);
      rmSync(source, { recursive: true });
    });

    test('a mount over something puts it back; what a step writes beside a mount stays', async () => {
      writeFileSync(join(root, 'etc/hosts'), 'image');
      const shown = await run('cat /etc/hosts; mkdir -p /run/mine; echo x > /run/mine/x', {
        hostname: 'box',
        extraHosts: [{ host: 'db', ip: '10.1.2.3' }],
        mounts: [{ type: 'tmpfs', dest: '/run/lock' }],
      });
      assert.match(shown, /^127\.0\.0\.1\tlocalhost box\n::1.*\n10\.1\.2\.3\tdb$/);
      assert.equal(readFileSync(join(root, 'etc/hosts'), 'utf8'), 'image');
      assert.deepEqual(readdirSync(join(root, 'run')), ['mine']);
      rmSync(join(root, 'etc/hosts'));
      rmSync(join(root, 'run'), { recursive: true });
    });

    test('a step that renames the folders above its mounts, and links them elsewhere, changes nothing there', async () => {
      const outside = join(base, 'outside');
      mkdirSync(outside);
      for (const [name, text] of [
        ['token', 'kept'],
        ['empty', ''],
      ] as const)
        writeFileSync(join(outside, name), text);
      mkdirSync(join(base, 'elsewhere'));
      mkdirSync(join(root, 'there'));
      writeFileSync(join(root, 'there/token'), 'of the image');
      const secret = { type: 'secret', data: Buffer.from('s3cr3t-value'), uid: 0, gid: 0, mode: 0o400 } as const;
      await run(`mv /m /n; mv /there /here; ln -s ${outside} /m; ln -s ${outside} /there; cat /n/token > /dev/null`, {
        mounts: [
          { ...secret, dest: '/m/token' },
          { ...secret, dest: '/m/empty' },
          { ...secret, dest: '/there/token' },
          { type: 'bind', source: join(base, 'elsewhere'), dest: '/m/dir', readonly: false },
        ],
      });
      assert.equal(readFileSync(join(outside, 'token'), 'utf8'), 'kept');
      assert.deepEqual(readdirSync(outside).sort(), ['empty', 'token']);
      assert.ok(existsSync(join(base, 'elsewhere')));
      assert.deepEqual(readdirSync(join(root, 'n')), []);
      assert.equal(readFileSync(join(root, 'here/token'), 'utf8'), 'of the image');
      for (const name of ['m', 'n', 'there', 'here']) rmSync(join(root, name), { recursive: true });
      rmSync(outside, { recursive: true });
      rmSync(join(base, 'elsewhere'), { recursive: true });
    });

    test('an agent socket belongs to the user it is for', async () => {
      const mounts = [{ type: 'ssh', dest: '/run/agent.0', socket: '/nowhere', uid: 1000, gid: 1000, mode: 0o600 }] as const;
      assert.equal(await run('stat -c %u:%a:%F /run/agent.0', { mounts, user: 'app' }), '1000:600:socket');
    });

    test('limits of open files are set', async () => {
      const ulimits = [{ name: 'nofile', soft: 100, hard: 200 }];
      assert.equal(await run(contained ? 'ulimit -n; ulimit -Hn' : 'ulimit -n', { ulimits }), contained ? '100\n200' : '100');
      await assert.rejects(run('', { ulimits: [{ name: 'nofiles', soft: 1, hard: 1 }] }), (error) =>
        isSlipwayError(error, 'ULIMIT_UNKNOWN'),
      );
    });

    test('floods are clipped', async () => {
      const shown = await run('yes 0123456789 | head -c 5000000', { limits: { logBytes: 1000, logBytesPerSecond: -1 } });
      assert.match(shown, /\[output clipped, log limit 1000B reached\]$/);
      assert.ok(shown.length < 1100);
    });

    test('a link in the root does not lead a mount out of it', async () => {
      const outside = join(base, 'outside');
      mkdirSync(outside, { recursive: true });
      await run(`ln -s ../../../../../../..${outside} /escape`);
      await run('true', { mounts: [{ type: 'tmpfs', dest: '/escape/new' }], cwd: '/escape/made' });
      assert.deepEqual(readdirSync(outside), []);
      rmSync(join(root, 'escape'));
      rmSync(join(root, base.split('/')[1] as string), { recursive: true });
      makeBusyboxTmp(root);
    });

    if (contained) {
      test('a sandboxed step may not mount, make namespaces or see the machine', async () => {
        assert.match(await run('mount -t tmpfs x /tmp 2>&1 || true'), /denied|not permitted/i);
        assert.match(await run('unshare -U true 2>&1 || true'), /not permitted/i);
        assert.match(await run('grep CapEff /proc/self/status; grep Seccomp: /proc/self/status'), /a80425fb\nSeccomp:\s*2/);
        assert.equal(
          await run('ls /proc/acpi; head -c 1 /proc/keys; echo 1 2>/dev/null > /proc/sys/kernel/panic || echo refused'),
          'refused',
        );
        assert.equal(await run('touch /sys/x 2>/dev/null || echo refused; test -e /dev/mem || echo none'), 'refused\nnone');
        assert.equal(await run('hostname; echo $$', { hostname: 'here' }), 'here\n1');
        assert.equal(await run('mknod /tmp/null c 1 3 && rm /tmp/null && echo made'), 'made');
        assert.equal(await run('id -u; grep CapEff /proc/self/status', { user: 'app' }), '1000\nCapEff:\t0000000000000000');
      });

      test('an insecure step may', async () => {
        assert.equal(await run('mount -t tmpfs x /tmp && unshare -m true && echo done', { security: 'insecure' }), 'done');
      });

      test('network none has loopback and nothing else', async () => {
        const shown = await run(
          'ip -o link | wc -l; ip addr show lo | grep -c "inet 127.0.0.1"; cat /etc/resolv.conf | grep -c nameserver',
          { network: 'none', validExitCodes: [0, 1] },
        );
        assert.equal(shown, '1\n1\n0');
      });

      test('/dev is complete, shm has its size, stdout can be opened', async () => {
        const shm = 'grep " /dev/shm " /proc/mounts | grep -o "size=[0-9]*k"';
        assert.equal(await run(`${shm}; echo x > /dev/stdout; echo y > /dev/null`, { shmSize: 2 << 20, user: 'app' }), 'size=2048k\nx');
        assert.equal(
          await run('ls /dev | grep -v core'),
          'fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero',
        );
      });

      test('a read-only bind refuses writes', async () => {
        const source = join(base, 'fixed');
        mkdirSync(source);
        assert.equal(
          await run('touch /m/x 2>/dev/null || echo refused', { mounts: [{ type: 'bind', source, dest: '/m', readonly: true }] }),
          'refused',
        );
      });

      test('a bind shows its owners', async () => {
        const source = join(base, 'owned');
        writeFileSync(source, 'x');
        chownSync(source, 1000, 1000);
        assert.equal(await run('stat -c %u /etc/conf', { mounts: [{ type: 'bind', source, dest: '/etc/conf', readonly: true }] }), '1000');
        assert.equal(existsSync(join(root, 'etc/conf')), false);
      });

      test('limits of memory and processes hold', async () => {
        const bomb = run('i=0; while [ $i -lt 50 ]; do sleep 5 & i=$((i+1)); done; echo all', { resources: { pids: 20 } });
        await assert.rejects(bomb, (error) => isSlipwayError(error, 'EXEC_EXIT'));
        const eater = run('dd if=/dev/zero of=/dev/null bs=200M count=1', { resources: { memory: 32 << 20, memorySwap: 32 << 20 } });
        await assert.rejects(eater, (error) => isSlipwayError(error, 'EXEC_EXIT') && /memory/.test(error.hint ?? ''));
      });

      // runc makes its cgroups itself, and says it itself.
      if (kind === 'crun') {
        test('a limit that the kernel refuses is named, and its cgroups go', async () => {
          const beyond = run('', { resources: { pids: 20, cpusetCpus: '4000' } });
          await assert.rejects(beyond, (error) => {
            assert.ok(isSlipwayError(error, 'RESOURCES_REFUSED'), String(error));
            assert.match(`${error.message} | ${error.hint}`, /cpuset\.cpus = 4000 \(E\w+\) \| processors here are \d/);
            return true;
          });
          const left = execFileSync('find', ['/sys/fs/cgroup', '-name', `slipway-*-${process.pid}-*`], { encoding: 'utf8' });
          assert.equal(left, '');
        });
      }
    } else {
      test('what this rung cannot give is refused by name', async () => {
        await assert.rejects(run('', { network: 'none' }), (error) => isSlipwayError(error, 'NETWORK_UNSUPPORTED'));
        await assert.rejects(run('', { resources: { pids: 5 } }), (error) => isSlipwayError(error, 'RESOURCES_REFUSED'));
      });

      test('/dev/null is there and goes again', async () => {
        await run('echo x > /dev/null; test -c /dev/urandom');
        assert.equal(existsSync(join(root, 'dev/null')), false);
      });
    }
  });
}

function makeBusyboxTmp(root: string): void {
  mkdirSync(join(root, 'tmp'), { recursive: true });
}

/** Command lines of living processes that have a word. */
function processesWith(word: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return line.split('\0').includes(word) ? [line.replaceAll('\0', ' ')] : [];
      } catch {
        return [];
      }
    });
}
