// Each failure ends with code 1 and a message with file, line and the way out, and leaves the store intact.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { copyProduct } from '../rig/places.ts';
import { killIfThere, processesWith, until } from '../rig/processes.ts';
import { command, type Outcome, Rig, ROOT, startCommand } from '../rig/rig.ts';

async function refused(
  rig: Rig,
  args: readonly string[],
  patterns: readonly RegExp[],
  options: Parameters<Rig['slipway']>[1] = {},
): Promise<Outcome> {
  const outcome = await rig.slipway(args, options);
  assert.equal(outcome.code, 1, `expected code 1: ${outcome.stdout}${outcome.stderr}`);
  for (const pattern of patterns) assert.match(outcome.stderr, pattern);
  const check = await rig.slipway(['store', 'check']);
  assert.equal(check.code, 0, check.stdout + check.stderr);
  return outcome;
}

const FROM = 'FROM busybox\n';

test('a store may be at any path', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: `${FROM}COPY f /f\nRUN cat /f > /g\nRUN cp /g /h\n`, f: 'x\n' });
  for (const name of ['colon:comma,', 'back\\\\slash\\:', 'blank quote"\'$HOME*%s=']) {
    const built = await rig.slipway(['build', '-o', `type=local,dest=${rig.path('out')}`, context], {
      env: { SLIPWAY_ROOT: rig.path(name) },
    });
    assert.equal(built.code, 0, `${name}: ${built.stderr}`);
  }
});

test('places that cannot be written are named, and nothing waits for them for ever', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  for (const flag of ['--metadata-file', '--iidfile']) {
    const file = rig.path('none/x');
    await refused(
      rig,
      ['build', '-t', 'x', flag, file, context],
      [new RegExp(`^ERROR: ${flag} ${file} cannot be written: there is no folder ${rig.path('none')}\nhelp: make the folder first`)],
    );
  }
  // /proc says ENOENT to whoever makes a folder in it.
  for (const output of ['type=local,dest=/proc/x/y', 'type=oci,tar=false,dest=/proc/x/y', 'type=tar,dest=/proc/x/y']) {
    await refused(rig, ['build', '-o', output, context], [/^ERROR: cannot write \/proc\/x\/y: its folder cannot be made\nhelp: /m]);
  }
  await refused(rig, ['build', '--cache-to', 'type=local,dest=/proc/x', context], [/^ERROR: [^\n]*\/proc\/x/m]);
  await refused(
    rig,
    ['serve', '--addr', 'unix:///proc/x/y.sock'],
    [/^ERROR: cannot listen on unix:\/\/\/proc\/x\/y\.sock: ENOENT/m, /^help: /m],
  );
  const login = await rig.slipway(['login', '-u', 'a', '-p', 'b', rig.registry], { env: { DOCKER_CONFIG: '/proc/x' } });
  assert.equal(login.code, 1);
  assert.match(login.stderr, /^ERROR: cannot write \/proc\/x\/config\.json: ENOENT[^]*^help: .*DOCKER_CONFIG/m);
  await refused(rig, ['build', '-'], [/^ERROR: the context from standard input cannot be kept in \/none: ENOENT/m, /^help: set TMPDIR/m], {
    env: { TMPDIR: '/none' },
    input: Buffer.from('1f8b0800', 'hex'),
  });
  const slipway = `SLIPWAY_ROOT="${rig.store}" "${process.execPath}" "${join(ROOT, 'bin/slipway.js')}"`;
  const few = await command('sh', ['-c', `ulimit -n 64; ${slipway} build --no-cache -t x "${context}"`]);
  assert.equal(few.code, 0, few.stderr);
  const fewer = await command('sh', ['-c', `ulimit -n 24; ${slipway} build --no-cache -t x "${context}"`]);
  assert.ok(fewer.code === 0 || /^(?:help| *= hint): .*ulimit -n/m.test(fewer.stderr), fewer.stderr);
  const running = rig.context({ Dockerfile: `${FROM}RUN echo 1 > /f\n` }, 'running');
  for (let limit = 26; limit <= 40; limit += 2) {
    const some = await command('sh', ['-c', `ulimit -n ${limit}; ${slipway} build --no-cache "${running}"`], {
      env: { ...process.env, SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'] },
    });
    assert.doesNotMatch(some.stderr, /Cannot read|TypeError/, `${limit} files`);
  }
});

test('a full disk under a local cache is said of its folder', async () => {
  await using rig = Rig.create();
  const small = rig.path('small');
  mkdirSync(small);
  const context = rig.context({ Dockerfile: `${FROM}COPY f /\n`, f: '' });
  writeFileSync(join(context, 'f'), randomBytes(500_000));
  assert.equal((await command('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', small])).code, 0);
  try {
    const args = ['build', '--cache-to', `type=local,mode=max,dest=${small}/cache`, context];
    await refused(rig, args, [/^ERROR: cannot write the cache to folder \S+\/cache: the disk is full\nhelp: make room/m]);
    assert.deepEqual(
      readdirSync(join(small, 'cache')).filter((name) => name.startsWith('.tmp')),
      [],
    );
  } finally {
    await command('umount', [small]);
  }
});

test('what could not be written at its end is refused before a build begins', async () => {
  await using rig = Rig.create();
  const small = rig.path('small');
  mkdirSync(small);
  const mounted = await command('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', small]);
  assert.equal(mounted.code, 0, mounted.stderr);
  try {
    const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const file = join(context, 'Dockerfile');
    for (const [args, pattern] of [
      [['-t', 'x', '--iidfile', join(small, 'x')], /^ERROR: --iidfile \S+ cannot be written: EROFS[^\n]*\nhelp: /],
      [['-t', 'x', '--metadata-file', context], /^ERROR: --metadata-file \S+ cannot be written: it is a folder\nhelp: /],
      [['-t', 'x', '--report', join(small, 'x.html')], /^ERROR: the report cannot be written to \S+: EROFS/],
      [['-o', join(small, 'x')], /^ERROR: cannot write \S+: the file system is read-only\nhelp: /],
      [['-o', join(file, 'x')], /^ERROR: cannot write \S+: a part of the path is no directory\nhelp: /],
      [['-o', `type=oci,dest=${join(small, 'a/b.tar')}`], /^ERROR: cannot write \S+: the file system is read-only\nhelp: /],
      [['-o', `type=oci,tar=false,dest=${join(small, 'a/b')}`], /^ERROR: cannot write \S+: the file system is read-only\nhelp: /],
      [['--cache-to', `type=local,dest=${join(small, 'a')}`], /^ERROR: --cache-to: \S+ cannot be written: EROFS[^\n]*\nhelp: /],
    ] as const) {
      const { stderr } = await refused(rig, ['build', '--progress', 'plain', ...args, context], []);
      assert.match(stderr.replace(/^(?:#1 .*\n|\n)*(?=ERROR)/, ''), pattern, stderr);
      assert.doesNotMatch(stderr, /COPY/, 'the build ran before');
    }
    // What may fail does not end the build.
    const without = await rig.slipway(['build', '--cache-to', `type=local,ignore-error=true,dest=${join(small, 'a')}`, context]);
    assert.equal(without.code, 0, without.stderr);
  } finally {
    await command('umount', [small]);
  }
});

test('without /proc/sys a step cannot start, and that is what is said', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: `${FROM}RUN true\n` });
  const slipway = `SLIPWAY_ROOT="${rig.store}" "${process.execPath}" "${join(ROOT, 'bin/slipway.js')}"`;
  const script = `mount -t tmpfs none /proc/sys && ${slipway} build -t x "${context}"`;
  const built = await command('unshare', ['--mount', 'sh', '-c', script], {
    env: { ...process.env, SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'] },
  });
  // A rung without a container runtime does not miss it.
  assert.ok(
    built.code === 0 || /could not be started: .*\/proc\/sys[^]*hint: the runtime needs \/proc\/sys/.test(built.stderr),
    built.stderr,
  );
  assert.equal((await rig.slipway(['build', '-t', 'x', context])).code, 0);
});

test('a result that standard output does not take is a failure, progress that standard error does not take is not', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  const slipway = `SLIPWAY_ROOT="${rig.store}" "${process.execPath}" "${join(ROOT, 'bin/slipway.js')}"`;
  const full = await command('sh', ['-c', `${slipway} build -o - "${context}" >/dev/full`]);
  assert.equal(full.code, 1);
  assert.match(full.stderr, /^ERROR: cannot write to standard output: ENOSPC/m);
  assert.doesNotMatch(full.stderr, /node:internal/);
  assert.equal((await command('sh', ['-c', `${slipway} history >/dev/full`])).code, 1);
  assert.equal((await command('sh', ['-c', `${slipway} build "${context}" 2>/dev/full`])).code, 0);
});

test('a store that may only be read is read: listed, shown, checked', async () => {
  await using rig = Rig.create();
  const small = rig.path('small');
  mkdirSync(small);
  const mount = async (...words: readonly string[]): Promise<void> => {
    const mounted = await command('mount', [...words, small]);
    assert.equal(mounted.code, 0, mounted.stderr);
  };
  await mount('-t', 'tmpfs', 'tmpfs');
  try {
    const env = { SLIPWAY_ROOT: join(small, 'store') };
    const context = rig.context({ Dockerfile: `${FROM}RUN --mount=type=cache,target=/c echo 1 > /c/f; echo 2 > /f\n` });
    const built = await rig.slipway(['build', '-t', 'app', context], { env });
    assert.equal(built.code, 0, built.stderr);
    await mount('-o', 'remount,ro');
    const reading = ['images', 'du', 'history', 'store check', 'info', 'inspect app', 'why /f app'];
    for (const words of reading) {
      const outcome = await rig.slipway(words.split(' '), { env });
      assert.equal(outcome.code, 0, `${words}: ${outcome.stderr}`);
    }
    assert.match((await rig.slipway(['prune'], { env })).stderr, /the store at \S+ cannot be written/);
  } finally {
    await command('umount', [small]);
  }
});

test('a store without room says so at the step that wanted it, and is sound', async () => {
  await using rig = Rig.create();
  const small = rig.path('small');
  mkdirSync(small);
  const mounted = await command('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small]);
  assert.equal(mounted.code, 0, mounted.stderr);
  try {
    const context = rig.context({ Dockerfile: `${FROM}COPY f /\n`, f: '' });
    writeFileSync(join(context, 'f'), randomBytes(20 << 20));
    const full = await rig.slipway(['build', '--root', join(small, 'store'), context]);
    assert.equal(full.code, 1);
    assert.match(
      full.stderr,
      /error: STORE_FULL: no space left in the store at [^\n]*\n --> Dockerfile:2:1\n[^]*= hint: free some with `slipway prune`/,
    );
    const check = await rig.slipway(['store', 'check', '--root', join(small, 'store')]);
    assert.equal(check.code, 0, check.stdout);
  } finally {
    await command('umount', [small]);
  }
});

test('a context from standard input leaves nothing behind, built or not', async () => {
  await using rig = Rig.create();
  const scratch = rig.path('scratch');
  mkdirSync(scratch);
  for (const [dockerfile, code] of [
    ['FROM scratch\nCOPY . /\n', 0],
    ['FROM scratch\nCOPY nothing /\n', 1],
  ] as const) {
    const tar = await command('tar', ['c', '-C', rig.context({ Dockerfile: dockerfile }), '.']);
    const built = await rig.slipway(['build', '-'], { input: tar.stdout, env: { TMPDIR: scratch } });
    assert.equal(built.code, code, built.stderr);
    if (code !== 0) assert.match(built.stderr, /"\/nothing": not found[^]*no such file or directory in the build context/);
    assert.deepEqual(readdirSync(scratch), []);
  }
});

test('a context from standard input that is cut off is told, wherever that was, and is no context without a Dockerfile', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY . /\n' });
  writeFileSync(join(context, 'noise'), randomBytes(200_000));
  for (const [program, length] of [
    ['gzip', 20],
    ['zstd', 20],
    ['zstd', 300],
    ['bzip2', 20],
    ['bzip2', 100_000],
    ['xz', 20],
  ] as const) {
    const archive = await command('sh', [
      '-c',
      `tar c -C "${context}" Dockerfile noise | ${program} -c | head -c ${length} >"${rig.path('cut')}"`,
    ]);
    assert.equal(archive.code, 0, archive.stderr);
    await refused(
      rig,
      ['build', '-'],
      [
        new RegExp(
          `^ERROR: the archive of the build context is cut off or damaged: damaged ${program} data: [^\n]*\nhelp: make it again`,
          'm',
        ),
      ],
      { input: readFileSync(rig.path('cut')) },
    );
  }
  await refused(rig, ['build', '-'], [/^ERROR: the archive of the build context is cut off or damaged: not a sound tar archive/m], {
    input: gzipSync('FROM scratch\n'),
  });
});

test('a folder that was removed under the shell, or a home that is none, is said in words', async () => {
  await using rig = Rig.create();
  const slipway = `"${process.execPath}" "${join(ROOT, 'bin/slipway.js')}"`;
  const gone = await command('sh', ['-c', `mkdir "${rig.path('gone')}" && cd "${rig.path('gone')}" && rmdir ../gone && ${slipway} images`]);
  assert.deepEqual([gone.code, gone.stderr], [1, 'ERROR: the current folder is gone\nhelp: change to one that is there, and try again\n']);
  const nowhere = await rig.slipway(['images', '--root', '/dev/null/store']);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /^ERROR: the store at \/dev\/null\/store\/v1 cannot be made \(ENOTDIR\)\nhelp: [^\n]*--root/);
});

test('the context forgotten: the message offers the dot', async () => {
  await using rig = Rig.create();
  await refused(rig, ['build', '-t', 'hello'], [/requires 1 argument/, /`slipway build … \.`/], { cwd: rig.context({ Dockerfile: FROM }) });
});

for (const [name, dockerfile, patterns] of [
  ['no such stage in COPY', `${FROM}COPY --from=biuld /x /x\n`, [/Dockerfile:2/]],
  ['no such file in COPY', `${FROM}COPY mian.c /\n`, [/Dockerfile:2/, /mian\.c/, /not found/, /main\.c/]],
  ['unknown instruction', `${FROM}COPPY a b\n`, [/Dockerfile:2/, /unknown instruction: COPPY/, /COPY/]],
  ['a RUN that exits 3', `${FROM}RUN exit 3\n`, [/Dockerfile:2/, /exit code: 3/]],
  ['a RUN killed by a signal', `${FROM}RUN sh -c 'kill -9 $$; :' & wait $!\n`, [/Dockerfile:2/, /SIGKILL|137/]],
  [
    'a missing secret',
    `${FROM}RUN --mount=type=secret,id=token,required=true cat /run/secrets/token\n`,
    [/Dockerfile:2/, /token/, /--secret/],
  ],
  [
    'a secret that the step may use and was not given',
    `${FROM}RUN --mount=type=secret,id=token cat /run/secrets/token\n`,
    [/Dockerfile:2/, /exit code: 1/, /hint: the build was not given what this step may use: --secret id=token,src=FILE/],
  ],
  ['a command that is not there', `${FROM}RUN make all\n`, [/Dockerfile:2/, /exit code: 127/, /hint: make is not in this stage/]],
  [
    'another base’s package program',
    `${FROM}RUN apt-get update\n`,
    [/hint: apt-get is not in this stage: bases made of Debian and Ubuntu/],
  ],
  [
    'a script whose interpreter is not there',
    `${FROM}COPY --chmod=755 main.c /x\nRUN /x\n`,
    [/Dockerfile:3/, /hint: \/x is not in this stage, or /],
  ],
  [
    'a program without its mode',
    `${FROM}COPY main.c /x\nRUN ["/x"]\n`,
    [/Dockerfile:3/, /Permission denied/, /hint: \/x is there and .*--chmod=755/],
  ],
  [
    'a shell that is not there',
    `${FROM}RUN ["/bin/bash", "-c", "x"]\n`,
    [/Dockerfile:2/, /hint: \/bin\/bash is not in this stage: .*\/bin\/sh/],
  ],
  ['a user without the right', `${FROM}USER 1000\nRUN mkdir /app\n`, [/Dockerfile:3/, /hint: the step runs as 1000, .*COPY --chown=1000/]],
  ['a write into a bind mount', `${FROM}RUN --mount=type=bind,target=/w touch /w/x\n`, [/Dockerfile:2/, /hint: .*read-only: add rw/]],
  ['a user that is not there', `${FROM}RUN chown app /bin\n`, [/Dockerfile:2/, /hint: app is no account of this stage/]],
  [
    'no network',
    `${FROM}RUN --network=none wget -q nosuch.invalid\n`,
    [/Dockerfile:2/, /hint: the step has no network, as --network=none/],
  ],
  [
    'a server that is not there',
    `${FROM}ADD http://127.0.0.1:9/x /x\n`,
    [/Dockerfile:2/, /ECONNREFUSED/, /hint: does a server run at 127\.0\.0\.1:9\?/],
  ],
] as const) {
  test(name, async () => {
    await using rig = Rig.create();
    await refused(rig, ['build', rig.context({ Dockerfile: dockerfile, 'main.c': '#!/bin/nothing\n' })], patterns);
  });
}

test('a cache mount that would start as a file', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile: `${FROM}RUN --mount=type=cache,target=/c,from=busybox,source=/bin/busybox true
`,
  });
  await refused(
    rig,
    ['build', context],
    [/the cache mount at \/c cannot start as "\/?bin\/busybox": it is no folder/, /Dockerfile:2/, /= hint: name the folder that it is in/],
  );
});

test('no such target stage, with the near one', async () => {
  await using rig = Rig.create();
  await refused(rig, ['build', '--target', 'bulid', rig.context({ Dockerfile: 'FROM busybox AS build\n' })], [/bulid/, /build/]);
});

test('an unreachable registry is named at its line', async () => {
  await using rig = Rig.create();
  await refused(rig, ['build', rig.context({ Dockerfile: 'FROM 127.0.0.1:9/app\n' })], [/Dockerfile:1/, /127\.0\.0\.1:9/]);
});

test('without an OCI runtime on PATH, what to install is said', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: `${FROM}RUN true\n` });
  const bin = rig.path('bin');
  mkdirSync(bin);
  for (const program of ['cat', 'sh', 'unshare']) symlinkSync(`/usr/bin/${program}`, `${bin}/${program}`);
  // The sbin folders are looked into as well: in this mount namespace they are empty.
  const hidden = '/usr/bin/mount -t tmpfs none /usr/sbin && exec "$@"';
  const slipway = [process.execPath, `${import.meta.dirname}/../../bin/slipway.js`, 'build', context];
  const outcome = await command('/usr/bin/unshare', ['-m', '/bin/sh', '-c', hidden, 'sh', ...slipway], {
    env: { PATH: bin, HOME: rig.folder, SLIPWAY_ROOT: rig.store, SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'] },
  });
  assert.equal(outcome.code, 1, outcome.stderr);
  assert.match(outcome.stderr, /Dockerfile:2/);
  assert.match(outcome.stderr, /crun/);
  assert.match(outcome.stderr, /apt-get install/);
});

test('a full disk is named, and the store stays sound', async () => {
  await using rig = Rig.create();
  const small = rig.path('small');
  await command('mkdir', ['-p', small]);
  assert.equal((await command('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'none', small])).code, 0);
  try {
    const context = rig.context({ Dockerfile: `${FROM}RUN dd if=/dev/zero of=/big bs=1M count=64\n` });
    const outcome = await rig.slipway(['build', '--root', `${small}/store`, '-t', 'x', context]);
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, /space|full/i);
    assert.equal((await rig.slipway(['store', 'check', '--root', `${small}/store`])).code, 0);
  } finally {
    await command('umount', [small]);
  }
});

test('an ordinary user whose HOME is none gets what needs none, and is told what to set for the rest', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  chmodSync(rig.folder, 0o777);
  const asUser = ['--reuid=65533', '--regid=65533', '--clear-groups', process.execPath, copyProduct(rig.path('product'))];
  const call = async (line: string, env: Readonly<Record<string, string>>): Promise<string> => {
    const ended = await command('setpriv', [...asUser, ...line.split(' ')], {
      env: { PATH: process.env['PATH'], ...env },
      cwd: rig.folder,
    });
    return `${ended.code} ${ended.stdout}${ended.stderr}`;
  };
  const login = `login -u a -p b ${rig.registry}`;
  const XDG_DATA_HOME = rig.path('data');
  // No account has this number, so that the system knows no home either.
  const homeless = /^1 ERROR: there is no home folder that logins could be kept in\nhelp: set HOME, or .*DOCKER_CONFIG\n$/;
  for (const env of [{}, { HOME: '' }, { HOME: 'relative' }]) {
    for (const line of [login, 'logout a.example']) assert.match(await call(line, env), homeless);
  }
  assert.match(await call(login, { HOME: context }), /^1 ERROR: cannot write .*\/\.docker\/config\.json: EACCES.*\nhelp: .*DOCKER_CONFIG/);
  assert.match(await call(login, { HOME: '/nonexistent', DOCKER_CONFIG: rig.path('docker') }), /^0 Login Succeeded/);
  assert.match(await call(`build ${context}`, { HOME: 'relative', XDG_DATA_HOME }), /^0 /);
  assert.match(await call(`build ${context}`, { HOME: rig.path('missing') }), /^0 /);
  for (const HOME of [context, join(context, 'Dockerfile')]) {
    for (const line of [
      `build ${context}`,
      'run x',
      'images',
      'history',
      'prune',
      'store check',
      `serve --addr unix://${rig.path('socket')}`,
    ]) {
      assert.match(await call(line, { HOME }), /^(1|125) ERROR: the store at .* cannot be .*\nhelp: .*--root.*HOME\n$/, line);
    }
  }
  assert.match(await call('serve', { XDG_DATA_HOME, XDG_RUNTIME_DIR: 'relative' }), /^1 ERROR: .*XDG_RUNTIME_DIR.*\nhelp: .*--addr/);
  assert.equal(existsSync(rig.path('relative')), false, 'nothing is kept below the folder that happens to be the current one');
});

test('a context file that an ordinary user cannot read', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY . /\n', locked: 'x' });
  chmodSync(`${context}/locked`, 0o000);
  chmodSync(rig.folder, 0o777);
  const outcome = await command(
    'setpriv',
    [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      process.execPath,
      copyProduct(rig.path('product')),
      'build',
      '--root',
      rig.path('user-store'),
      '-o',
      rig.path('user-out'),
      context,
    ],
    {
      env: { PATH: process.env['PATH'], HOME: rig.folder },
    },
  );
  assert.equal(outcome.code, 1, outcome.stderr);
  assert.match(outcome.stderr, /locked/);
  assert.match(outcome.stderr, /permission|EACCES/i);
});

/** A registry that answers as the test says. */
async function lyingRegistry(answer: RequestListener): Promise<{ host: string } & AsyncDisposable> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

test('wrong credentials', async () => {
  await using rig = Rig.create();
  await using registry = await lyingRegistry((_request, response) =>
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end(),
  );
  await refused(rig, ['build', rig.context({ Dockerfile: `FROM ${registry.host}/app\n` })], [/Dockerfile:1/, /slipway login/]);
});

test('a manifest that is not what its digest says', async () => {
  await using rig = Rig.create();
  await using registry = await lyingRegistry((_request, response) =>
    response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }).end('{"schemaVersion":2}'),
  );
  const digest = `sha256:${'0'.repeat(64)}`;
  await refused(
    rig,
    ['build', rig.context({ Dockerfile: `FROM ${registry.host}/app@${digest}\n` })],
    [/Dockerfile:1/, /expected sha256:0+/],
  );
});

test('a manifest for another platform', async () => {
  await using rig = Rig.create();
  await refused(
    rig,
    ['build', '--platform', 'linux/s390x', rig.context({ Dockerfile: `${FROM}RUN true\n` })],
    [/Dockerfile:1|s390x/, /s390x/],
  );
});

test('a failure ends the build, however long other stages would go on; what fails soon after it is told, too', async () => {
  await using rig = Rig.create();
  const nap = String(70_000_000 + process.pid); // seconds that nobody else sleeps
  // The first failure waits until the other steps have begun: how long a start takes is no matter here.
  const meet = '--mount=type=cache,target=/c';
  const first = `until [ -e /c/2 ] && [ -e /c/4 ]; do sleep 0.1; done; exit 3`;
  const steps = [`: > /c/2; sleep ${nap}`, first, ': > /c/4; sleep 1; exit 4'];
  const dockerfile = `${steps.map((step) => `${FROM}RUN ${meet} ${step}\n`).join('')}FROM scratch\n${[0, 1, 2]
    .map((stage) => `COPY --from=${stage} /bin/sh /${stage}\n`)
    .join('')}`;
  const outcome = await refused(
    rig,
    ['build', '--progress=plain', rig.context({ Dockerfile: dockerfile })],
    [/Dockerfile:4/, /exit code: 3/, /Dockerfile:6/, /exit code: 4/, /^#\d+ CANCELED$/m],
  );
  assert.doesNotMatch(outcome.stderr, /Dockerfile:2:/);
  assert.deepEqual(processesWith(nap), []);
});

test('a build whose terminal is closed ends with 129, however often it hears of that, and leaves nothing; under nohup it goes on', async () => {
  await using rig = Rig.create();
  const nap = String(50_000_000 + process.pid); // seconds that nobody else sleeps
  const stubborn = `RUN trap '' TERM; sleep ${nap}`;
  const running = rig.start(['build', '--progress=rawjson', rig.context({ Dockerfile: `${FROM}${stubborn}\n` })]);
  await until(() => processesWith(nap).length > 0);
  running.kill('SIGHUP');
  running.kill('SIGHUP');
  const ended = await running.ended;
  assert.equal(ended.code, 129, ended.stderr);
  assert.deepEqual(processesWith(nap), []);
  assert.deepEqual(readdirSync(join(rig.store, 'v1/tmp')), []);
  assert.equal((await rig.slipway(['store', 'check'])).code, 0);

  const second = rig.context({ Dockerfile: `${FROM}RUN sleep ${nap} || true\n` }, 'second');
  // What nohup(1) leaves to tell it by: Node does not heed that the signal is ignored.
  const words = ['-c', `exec "$0" "$@" 0>/dev/null`, process.execPath, join(ROOT, 'bin/slipway.js'), 'build', second];
  const nohup = startCommand('/bin/sh', words, { env: rig.env(), cwd: rig.folder });
  await until(() => processesWith(nap).length > 0);
  nohup.kill('SIGHUP');
  for (const pid of processesWith(nap)) killIfThere(Number(pid), 'SIGTERM');
  const over = await nohup.ended;
  assert.equal(over.code, 0, over.stderr);
});

test('an interrupted build ends with 130 and leaves a usable store', async () => {
  await using rig = Rig.create();
  const nap = String(60_000_000 + process.pid); // seconds that nobody else sleeps
  const running = rig.start(['build', '--progress=rawjson', rig.context({ Dockerfile: `${FROM}RUN sleep ${nap}\n` })]);
  await until(() => processesWith(nap).length > 0);
  running.kill('SIGINT');
  assert.equal((await running.ended).code, 130);
  assert.equal((await rig.slipway(['store', 'check'])).code, 0);
});
