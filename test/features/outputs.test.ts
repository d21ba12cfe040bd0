// Images read back by tools that are not ours, and pushes that send only what is missing.

import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { makeDevice } from '../../src/sys/index.ts';
import { command, Rig } from '../rig/rig.ts';

/** A file system with everything that gets lost easily. */
const AWKWARD = `FROM busybox AS start
RUN mkdir -p /d/gone /d/kept && echo a > /d/gone/a && echo b > /d/kept/b && echo x > /x
FROM start
RUN rm -r /d/gone /x && mkdir -p /links && echo one > /links/one && ln /links/one /links/two \\
 && cp /bin/busybox /suid && chmod 4755 /suid && mkfifo /pipe && chown 1234:4321 /d/kept/b
COPY long /long
COPY bytes /bytes
`;

test('skopeo, umoci and podman read what was built, and nothing is lost', async () => {
  await using rig = Rig.create();
  const long = `${'n'.repeat(90)}/${'m'.repeat(200)}`;
  const context = rig.context({ Dockerfile: AWKWARD, [`long/${long}`]: 'deep' });
  mkdirSync(`${context}/bytes`);
  writeFileSync(Buffer.concat([Buffer.from(`${context}/bytes/`), Buffer.from([0xff, 0xfe, 0x41])]), 'not text');
  const built = await rig.slipway([
    'build',
    '-o',
    `type=oci,dest=${rig.path('i.tar')}`,
    '-o',
    `type=docker,dest=${rig.path('d.tar')},name=app:1`,
    context,
  ]);
  assert.equal(built.code, 0, built.stderr);

  const inspected = await command('skopeo', ['inspect', `oci-archive:${rig.path('i.tar')}`]);
  assert.equal(inspected.code, 0, inspected.stderr);
  const copied = await command('skopeo', ['copy', `oci-archive:${rig.path('i.tar')}`, `oci:${rig.path('layout')}:app`]);
  assert.equal(copied.code, 0, copied.stderr);
  const docker = await command('skopeo', ['copy', `docker-archive:${rig.path('d.tar')}`, `oci:${rig.path('layout')}:docker`]);
  assert.equal(docker.code, 0, docker.stderr);
  const unpacked = await command('umoci', ['unpack', '--image', `${rig.path('layout')}:app`, rig.path('bundle')]);
  assert.equal(unpacked.code, 0, unpacked.stderr);

  const root = rig.path('bundle/rootfs');
  assert.throws(() => statSync(`${root}/d/gone`), { code: 'ENOENT' });
  assert.throws(() => statSync(`${root}/x`), { code: 'ENOENT' });
  assert.equal(statSync(`${root}/links/one`).ino, statSync(`${root}/links/two`).ino);
  assert.equal(statSync(`${root}/suid`).mode & 0o7777, 0o4755);
  assert.equal(statSync(`${root}/pipe`).isFIFO(), true);
  assert.deepEqual([statSync(`${root}/d/kept/b`).uid, statSync(`${root}/d/kept/b`).gid], [1234, 4321]);
  assert.equal(readFileSync(`${root}/long/${long}`, 'utf8'), 'deep');
  assert.equal(readFileSync(Buffer.concat([Buffer.from(`${root}/bytes/`), Buffer.from([0xff, 0xfe, 0x41])]), 'utf8'), 'not text');
});

test('extended attributes and file capabilities of the context and of a RUN survive', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'x' });
  assert.equal((await command('setcap', ['cap_net_raw+ep', `${context}/f`])).code, 0);
  assert.equal((await command('setfattr', ['-n', 'user.note', '-v', 'kept', `${context}/f`])).code, 0);
  const built = await rig.slipway(['build', '-o', `type=oci,dest=${rig.path('i.tar')}`, context]);
  assert.equal(built.code, 0, built.stderr);
  await command('skopeo', ['copy', `oci-archive:${rig.path('i.tar')}`, `oci:${rig.path('layout')}:app`]);
  await command('umoci', ['unpack', '--image', `${rig.path('layout')}:app`, rig.path('bundle')]);
  assert.match((await command('getcap', [rig.path('bundle/rootfs/f')])).stdout, /cap_net_raw=ep/);
  assert.match((await command('getfattr', ['-n', 'user.note', rig.path('bundle/rootfs/f')])).stdout, /kept/);
});

test('a file of more than 8 GiB keeps its size', async () => {
  await using rig = Rig.create();
  const dockerfile =
    'FROM busybox AS big\nRUN truncate -s 8589934599 /big\nFROM big\nRUN stat -c %s /big > /size\nFROM scratch\nCOPY --from=1 /size /size\n';
  const context = rig.context({ Dockerfile: dockerfile });
  const sized = await rig.slipway(['build', '-o', rig.path('out'), context]);
  assert.equal(sized.code, 0, sized.stderr);
  assert.equal(readFileSync(rig.path('out/size'), 'utf8').trim(), '8589934599');
});

test('a second push uploads no blob, and a changed file uploads one layer', async () => {
  await using rig = Rig.create();
  const name = `${rig.registry}/push-${process.pid}/app:1`;
  const context = rig.context({ Dockerfile: 'FROM busybox\nCOPY a /a\nCOPY b /b\n', a: 'a', b: 'b' });
  /** Paths that a push stores blobs at. */
  const push = async (): Promise<readonly string[]> => {
    const from = (await rig.registryLog()).length;
    assert.equal((await rig.slipway(['build', '--push', '-t', name, context])).code, 0);
    const log = (await rig.registryLog()).slice(from);
    assert.match(log, new RegExp(`"PUT /v2/push-${process.pid}/app/manifests/`));
    return log.match(new RegExp(`"PUT /v2/push-${process.pid}/app/blobs/uploads/[^"]*" [0-9]+`, 'g')) ?? [];
  };
  const first = await push();
  assert.ok(first.length >= 3, first.join('\n'));
  assert.deepEqual(await push(), []);
  writeFileSync(`${context}/b`, 'changed');
  assert.equal((await push()).length, 2, 'the layer and the config');
  assert.equal((await command('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`])).code, 0);
});

test('images, tag, save, push and rmi work on the store’s own names', async () => {
  await using rig = Rig.create();
  assert.equal(
    (await rig.slipway(['build', '-t', 'one', rig.context({ Dockerfile: 'FROM scratch\nCOPY f /\nCMD ["/f"]\n', f: 'x' })])).code,
    0,
  );
  assert.equal((await rig.slipway(['tag', 'one', 'two:x'])).code, 0);
  assert.match((await rig.slipway(['images'])).stdout, /two:x/);
  const again = await rig.slipway(['build', '-t', 'three', rig.context({ Dockerfile: 'FROM two:x\nLABEL a=1\n' }, 'second')]);
  assert.equal(again.code, 0, again.stderr);
  assert.equal((await rig.slipway(['save', '-o', rig.path('three.tar'), 'three'])).code, 0);
  assert.match((await command('skopeo', ['inspect', '--config', `docker-archive:${rig.path('three.tar')}`])).stdout, /"a"/);
  const pushed = await rig.slipway(['push', 'three', `${rig.registry}/own-${process.pid}/three:1`]);
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.equal((await rig.slipway(['rmi', 'three'])).code, 0);
  assert.doesNotMatch((await rig.slipway(['images'])).stdout, /three/);
  assert.equal((await rig.slipway(['rmi', 'three'])).code, 1);
  // What can go goes, whatever is misspelt beside it.
  assert.equal((await rig.slipway(['tag', 'one', 'four'])).code, 0);
  const some = await rig.slipway(['rmi', 'three', 'four']);
  assert.deepEqual([some.code, some.stdout], [1, 'untagged: four:latest\n']);
});

test('a folder below the current one may be cleared without being asked, another one not; devices keep their numbers', async () => {
  await using rig = Rig.create();
  const device = 'FROM busybox AS made\nRUN mkdir /d && mknod /d/null c 1 3 && mknod /d/loop b 7 9\nFROM scratch\nCOPY --from=made /d /\n';
  const context = rig.context({ Dockerfile: process.getuid?.() === 0 ? device : 'FROM scratch\nCOPY Dockerfile /null\n' });
  const clear = (dest: string, cwd: string, ...flags: string[]) =>
    rig.slipway(['build', ...flags, '-o', `type=local,mode=delete,dest=${dest}`, context], { cwd });
  mkdirSync(rig.path('cwd/out'), { recursive: true });
  mkdirSync(rig.path('elsewhere'));
  writeFileSync(rig.path('cwd/out/stale'), '');
  symlinkSync(rig.path('elsewhere'), rig.path('cwd/link'));
  const cleared = await clear('out', rig.path('cwd'));
  assert.equal(cleared.code, 0, cleared.stderr);
  assert.equal(existsSync(rig.path('cwd/out/stale')), false);
  for (const dest of ['.', '../elsewhere', 'link', 'link/deeper']) {
    const refused = await clear(dest, rig.path('cwd'));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /requires --allow=buildx\.local\.delete/);
  }
  assert.equal((await clear('../elsewhere', rig.path('cwd'), '--allow=buildx.local.delete')).code, 0);
  assert.match((await clear('out', rig.path('cwd'), '--allow=buildx.local.delete=yes')).stderr, /does not accept a value/);
  if (process.getuid?.() !== 0) return;
  assert.deepEqual(
    ['null', 'loop'].map((name) => lstatSync(rig.path(`cwd/out/${name}`)).rdev),
    [makeDevice(1, 3), makeDevice(7, 9)],
  );
});

test('podman loads and runs what was built', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN echo from slipway > /f\nCMD ["cat", "/f"]\n' });
  assert.equal((await rig.slipway(['build', '-o', `type=docker,dest=${rig.path('p.tar')},name=localhost/p:1`, context])).code, 0);
  const storage = [
    '--root',
    rig.path('podman'),
    '--runroot',
    rig.path('podman-run'),
    '--storage-driver=vfs',
    '--cgroup-manager=cgroupfs',
    '--events-backend=none',
  ];
  const loaded = await command('podman', [...storage, 'load', '-i', rig.path('p.tar')]);
  assert.equal(loaded.code, 0, loaded.stderr);
  const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000'];
  const ran = await command('podman', [...storage, '--runtime', 'runc', 'run', '--rm', '--network=host', ...limits, 'localhost/p:1']);
  assert.equal(ran.stdout, 'from slipway\n', ran.stderr);
});

test('slipway run ends with the program’s exit code, or with the codes of docker run', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN echo damaged > /damaged && chmod 755 /damaged\n' });
  assert.equal((await rig.slipway(['build', '-t', 'app', context])).code, 0);
  const runs: readonly (readonly [number, readonly string[], RegExp])[] = [
    [7, ['app', 'sh', '-c', 'exit 7'], /^$/],
    [127, ['app', 'nosuch'], /could not be started: .*not found/],
    [127, ['--entrypoint', '/nosuch', 'app'], /could not be started/],
    [126, ['app', '/etc/passwd'], /could not be started: .*[Pp]ermission denied/],
    [125, ['nosuch', 'true'], /nosuch/],
    [125, ['--user', 'nosuch', 'app', 'true'], /nosuch/],
    [125, ['--nosuch', 'app'], /unknown flag/],
  ];
  for (const [code, words, says] of runs) {
    const ran = await rig.slipway(['run', ...words]);
    assert.equal(ran.code, code, `${words.join(' ')}: ${ran.stderr}`);
    assert.match(ran.stderr, says);
  }
  // Docker ends with 255 here: it has begun already.
  const damaged = await rig.slipway(['run', 'app', '/damaged']);
  assert.notEqual(damaged.code, 0);
  assert.match(damaged.stderr, /^exec container process `\/damaged`: Exec format error$/m);
});

test('an output’s own source-date-epoch, an index for one platform, and what --iidfile and --tag do not go with', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY f /\nLABEL a=b\n', f: 'f' });
  const [dated, one] = [rig.path('dated.tar'), rig.path('one.tar')];
  const built = await rig.slipway([
    ...['build', '--build-arg', 'BUILDKIT_MULTI_PLATFORM=1', '-o', `type=oci,dest=${one}`],
    ...['-o', `type=oci,dest=${dated},source-date-epoch=1000000000`, context],
  ]);
  assert.equal(built.code, 0, built.stderr);
  const config = JSON.parse((await command('skopeo', ['inspect', '--config', `oci-archive:${dated}`])).stdout) as {
    readonly created: string;
    readonly history: readonly { readonly created: string }[];
  };
  assert.deepEqual([config.created, ...config.history.map(({ created }) => created)], Array(3).fill('2001-09-09T01:46:40Z'));
  const index = JSON.parse((await command('skopeo', ['inspect', '--raw', `oci-archive:${one}`])).stdout) as {
    readonly manifests: unknown[];
  };
  assert.equal(index.manifests.length, 1);
  const iid = await rig.slipway(['build', '--iidfile', rig.path('iid'), '-o', rig.path('out'), context]);
  assert.equal(iid.code, 1);
  assert.match(iid.stderr, /incompatible with image ID file/);
  const tag = await rig.slipway(['build', '-t', `a@sha256:${'0'.repeat(64)}`, context]);
  assert.equal(tag.code, 1);
  assert.match(tag.stderr, /build tag cannot contain a digest/);
});

test('the id that -q and --iidfile tell is a name of the image, and where there is none it is said why', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nCMD ["echo", "hello"]\n' });
  const built = await rig.slipway(['build', '-q', '-t', 'app', '--iidfile', rig.path('id'), context]);
  const id = readFileSync(rig.path('id'), 'utf8');
  assert.equal(built.stdout, `${id}\n`);
  for (const word of [id, id.slice('sha256:'.length), id.slice('sha256:'.length, 20)]) {
    const ran = await rig.slipway(['run', word]);
    assert.equal(ran.stdout, 'hello\n', `${word}: ${ran.stderr}`);
  }
  const none = await rig.slipway(['build', '-q', '--iidfile', rig.path('id'), context]);
  assert.equal(none.code, 0, none.stderr);
  assert.equal(none.stdout, '');
  assert.match(none.stderr, /^note: nothing was exported, so there is no image id: name the image by -t NAME/);
});
