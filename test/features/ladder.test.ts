// Which rung a place gives, and what is said where it gives none: closed user namespaces, filters, missing programs, forced rungs.

import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { containerOfDocker } from '../rig/docker-container.ts';
import { copyProduct } from '../rig/places.ts';
import { command, type Outcome } from '../rig/rig.ts';

const UID = 64_321;
let folder = '';
let product = '';

before(() => {
  folder = mkdtempSync('/tmp/slipway-ladder-');
  chmodSync(folder, 0o755);
  product = copyProduct(join(folder, 'product'));
  mkdirSync(join(folder, 'context'));
  writeFileSync(join(folder, 'context/Dockerfile'), 'FROM scratch\nCOPY Dockerfile /f\nRUN ["/f"]\n');
  mkdirSync(join(folder, 'store'));
  chownSync(join(folder, 'store'), UID, UID);
});
after(() => rmSync(folder, { recursive: true, force: true }));

const asUser = ['setpriv', '--reuid', String(UID), '--regid', String(UID), '--clear-groups', '--'];

/** Runs the product through other programs, with a store that the user may write. */
const slipway = (through: readonly string[], args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> => {
  const [program = '', ...more] = [...through, process.execPath, product, ...args];
  return command(program, more, {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: join(folder, 'store'), SLIPWAY_ROOT: join(folder, 'store'), ...env },
  });
};

const BUILD = ['build', 'context'];

/**
 * The sysctl counts for each namespace by itself: it is set in one that is made for the command, with the ids of the machine, as there only root
 * of the machine may.
 */
const IN_CLOSED_NAMESPACE = `
gate=$1; shift; rm -f "$gate"; mkfifo "$gate"
close='echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
unshare --user --mount /bin/sh -c 'read -r go < "$1"; shift; exec /bin/sh -c "$@"' sh "$gate" "$close" sh "$@" &
while [ "$(readlink /proc/$!/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
echo 0 0 65536 > /proc/$!/uid_map && echo 0 0 65536 > /proc/$!/gid_map && echo go > "$gate"
wait $!
`;

test('user namespaces closed by sysctl: the reason, the remedy and what works at once', async () => {
  const store = join(folder, 'store-of-namespace');
  mkdirSync(store);
  chownSync(store, UID, UID);
  const through = ['/bin/sh', '-c', IN_CLOSED_NAMESPACE, 'sh', join(folder, 'gate'), ...asUser];
  const built = await slipway(through, BUILD, { SLIPWAY_ROOT: store });
  assert.equal(built.code, 1, built.stdout + built.stderr);
  assert.match(built.stderr, /RUNG_UNAVAILABLE.*user namespaces are closed to ordinary users \(sysctl user\.max_user_namespaces=0\)/);
  assert.match(built.stderr, /as root: sysctl -w user\.max_user_namespaces=15000; or run slipway as root/);
  const info = await slipway(through, ['info'], { SLIPWAY_ROOT: store });
  assert.match(info.stdout, /steps cannot run: .*max_user_namespaces=0/);
  // What executes nothing works all the same.
  const target = await slipway(through, [...BUILD, '--call', 'check'], { SLIPWAY_ROOT: store });
  assert.equal(target.code, 0, target.stderr);
});

/** What other distributions' kernels say, in a mount namespace of the command's own: this machine's need not have these switches. */
for (const [name, value, reason, remedy] of [
  [
    'unprivileged_userns_clone',
    '0',
    /user namespaces are closed to ordinary users \(sysctl kernel\.unprivileged_userns_clone=0\)/,
    /as root: sysctl -w kernel\.unprivileged_userns_clone=1; or run slipway as root/,
  ],
  [
    'apparmor_restrict_unprivileged_userns',
    '1',
    /AppArmor takes the rights of user namespaces away \(sysctl kernel\.apparmor_restrict_unprivileged_userns=1\)/,
    /as root: give slipway an AppArmor profile with the rule "userns,", or sysctl -w kernel\.apparmor_restrict_unprivileged_userns=0; or run slipway as root/,
  ],
] as const) {
  test(`user namespaces closed by kernel.${name}: the reason, the remedy and what works at once`, async () => {
    const store = join(folder, `store-${name}`);
    mkdirSync(store);
    chownSync(store, UID, UID);
    const script = 'mount -t tmpfs none /proc/sys/kernel && echo "$1" > "/proc/sys/kernel/$2" && shift 2 && exec "$@"';
    const through = ['unshare', '--mount', '/bin/sh', '-c', script, 'sh', value, name, ...asUser];
    const built = await slipway(through, BUILD, { SLIPWAY_ROOT: store });
    assert.equal(built.code, 1, built.stdout + built.stderr);
    assert.match(built.stderr, /RUNG_UNAVAILABLE/);
    const info = await slipway(through, ['info'], { SLIPWAY_ROOT: store });
    for (const text of [built.stderr, info.stdout]) {
      assert.match(text, reason);
      assert.match(text, remedy);
    }
    assert.equal((await slipway(through, [...BUILD, '--call', 'check'], { SLIPWAY_ROOT: store })).code, 0);
  });
}

test("an ordinary user in a container of Docker's: the filter is named, and how to start the container", async () => {
  const own = join(folder, 'contained');
  mkdirSync(own);
  chownSync(own, UID, UID);
  const [program = '', ...args] = containerOfDocker({
    folder: own,
    command: [process.execPath, product, 'info'],
    env: { PATH: process.env['PATH'] ?? '', HOME: own, SLIPWAY_ROOT: join(own, 'store') },
    cwd: own,
    restricted: false,
    uid: UID,
  });
  const info = await command(program, args);
  assert.match(info.stdout, /a seccomp filter, as containers have, closes user namespaces.*not permitted/, info.stdout + info.stderr);
  assert.match(info.stdout, /steps cannot run: .*\n {2}let the container run as root/);
});

test('a missing program: what to install, what works without it, and no silent step down', async () => {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const program of ['cat', 'sh', 'unshare', 'nsenter']) symlinkSync(`/usr/bin/${program}`, join(bin, program));
  // The sbin folders are looked into as well: in this mount namespace they are empty.
  const hidden = ['unshare', '--mount', '/bin/sh', '-c', 'mount -t tmpfs none /usr/sbin && PATH=$1 && shift && exec "$@"', 'sh', bin];
  const built = await slipway(hidden, BUILD);
  assert.equal(built.code, 1);
  assert.match(built.stderr, /RUNTIME_MISSING: root-overlay: no OCI runtime on PATH/);
  assert.match(built.stderr, /apt-get install crun, or take the next rung: --rung container-chroot/);
  const info = await slipway(hidden, ['info']);
  assert.match(info.stdout, /steps cannot run: root-overlay: no OCI runtime/);
});

test('--rung forces a rung, or says why it cannot be had and which can', async () => {
  const forced = await slipway([], ['info', '--rung', 'container-chroot', '--format', 'json']);
  assert.deepEqual((JSON.parse(forced.stdout) as { chosen: unknown }).chosen, {
    rung: 'container-chroot',
    runtime: 'chroot',
    network: 'host',
    networkReason: 'this rung has no namespaces',
  });
  const refused = await slipway(asUser, [...BUILD, '--rung', 'root-overlay']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /root-overlay: this is not root/);
  assert.match(refused.stderr, /this machine offers --rung rootless-single/);
});

test('a container that may make no devices: plain files stand in for the time of a step, and none of them gets into the image', async () => {
  const own = join(folder, 'without-mknod');
  mkdirSync(join(own, 'context'), { recursive: true });
  const dockerfile = 'FROM busybox\nRUN echo gone > /dev/null && echo kept > /f && [ $(head -c 8 /dev/urandom | wc -c) = 8 ]\n';
  writeFileSync(join(own, 'context/Dockerfile'), dockerfile);
  const [program = '', ...args] = containerOfDocker({
    folder: own,
    command: [process.execPath, product, 'build', '--progress=plain', '-o', 'type=tar,dest=out.tar', 'context'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: own,
      SLIPWAY_ROOT: join(own, 'store'),
      SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'] ?? '',
    },
    cwd: own,
    restricted: false,
    dropped: ['CAP_MKNOD'],
  });
  const built = await command(program, args);
  assert.equal(built.code, 0, built.stdout + built.stderr);
  assert.match(built.stdout + built.stderr, /note: no device nodes can be had here \(CAP_MKNOD\)/);
  const list = await command('tar', ['-tf', join(own, 'out.tar')]);
  assert.match(list.stdout, /^f$/m);
  assert.doesNotMatch(list.stdout, /dev\/(null|zero|full|u?random|shm)/);
});
