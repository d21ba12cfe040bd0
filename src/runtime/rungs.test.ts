import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES, parseRights } from './capabilities.ts';
import { chooseRung, describeRungs, type HostView, needsReexec } from './rungs.ts';

const all = { effective: new Set(CAPABILITIES), bounding: new Set(CAPABILITIES), noNewPrivileges: false, filtered: false };
const none = { ...all, effective: new Set<never>() };
const docker = { ...all, effective: new Set(DEFAULT_CAPABILITIES), bounding: new Set(DEFAULT_CAPABILITIES), filtered: true };

/** A machine with every program, root's rights, and the given differences. */
function host(differences: Partial<HostView>, files: Readonly<Record<string, string>> = {}, missing: readonly string[] = []): HostView {
  const present: Readonly<Record<string, string>> = { '/proc/self/uid_map': '0 0 4294967295', ...files };
  return {
    uid: 0,
    userName: 'me',
    rights: all,
    read: (path) => present[path],
    find: (program) => (missing.includes(program) ? undefined : `/usr/bin/${program}`),
    rootWritable: true,
    tryUserNamespace: () => undefined,
    ...differences,
  };
}

const user = { uid: 1000, rights: none };
const subids = { '/etc/subuid': 'me:100000:65536\n', '/etc/subgid': '1000:100000:65536\n' };

test('the best rung of each kind of machine', () => {
  assert.equal(chooseRung(host({})), 'root-overlay');
  assert.equal(chooseRung(host(user, subids)), 'rootless-subid');
  assert.equal(chooseRung(host(user)), 'rootless-single');
  assert.equal(chooseRung(host({ rights: docker })), 'container-chroot');
  assert.equal(chooseRung(host({ rights: { ...docker, noNewPrivileges: true } })), 'container-restricted');
  assert.equal(chooseRung(host({ rights: docker, rootWritable: false })), 'container-restricted');
});

test('a missing program is an error that says what to install, not a step down', () => {
  const failure = (view: HostView, code: string, hint: RegExp): void =>
    assert.throws(
      () => chooseRung(view),
      (error) => isSlipwayError(error, code) && hint.test(error.hint ?? ''),
    );
  failure(host({}, {}, ['crun', 'runc']), 'RUNTIME_MISSING', /apt-get install crun, or take the next rung: --rung container-chroot/);
  failure(host(user, subids, ['newuidmap']), 'PROGRAM_MISSING', /apt-get install uidmap, or take the next rung: --rung rootless-single/);
  assert.equal(chooseRung(host({}, {}, ['crun'])), 'root-overlay');
});

test('closed user namespaces are named with their remedy', () => {
  const reasons = (files: Readonly<Record<string, string>>): string =>
    describeRungs(host(user, { ...subids, ...files }))
      .filter(({ rung }) => rung === 'rootless-subid')
      .map((report) => (report.state === 'forbidden' ? `${report.reason} / ${report.hint}` : report.state))
      .join();
  assert.match(reasons({ '/proc/sys/user/max_user_namespaces': '0\n' }), /max_user_namespaces=0.*sysctl -w/);
  assert.match(reasons({ '/proc/sys/kernel/unprivileged_userns_clone': '0\n' }), /unprivileged_userns_clone=0.*sysctl -w/);
  assert.match(reasons({ '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' }), /AppArmor.*userns,/);
  const confined = { '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1', '/proc/self/attr/current': 'slipway (enforce)' };
  assert.equal(reasons(confined), 'available');
});

test('a filter that closes user namespaces is found by asking the kernel', () => {
  const inContainer = { ...user, rights: { ...none, filtered: true } };
  assert.equal(chooseRung(host(inContainer)), 'rootless-single');
  const refusing = host({ ...inContainer, tryUserNamespace: () => 'unshare: unshare failed: Operation not permitted' });
  assert.throws(() => chooseRung(refusing), { code: 'RUNG_UNAVAILABLE', message: /seccomp filter.*not permitted/, hint: /run as root/ });
});

test('a refused rung comes with what the machine offers instead', () => {
  assert.throws(() => chooseRung(host(user), 'rootless-subid'), {
    hint: /usermod --add-subuids.*this machine offers --rung rootless-single/,
  });
  assert.throws(() => chooseRung(host({ rights: docker }), 'root-overlay'), { hint: /SYS_ADMIN.*offers --rung container-chroot/ });
  for (const [name, value, remedy] of [
    ['user/max_user_namespaces', '0', /sysctl -w user\.max_user_namespaces=15000; or run slipway as root/],
    ['kernel/unprivileged_userns_clone', '0', /sysctl -w kernel\.unprivileged_userns_clone=1; or run slipway as root/],
    ['kernel/apparmor_restrict_unprivileged_userns', '1', /profile with the rule "userns,".*; or run slipway as root/],
  ] as const) {
    for (const files of [{}, subids]) {
      const closed = host(user, { ...files, [`/proc/sys/${name}`]: value });
      assert.throws(() => chooseRung(closed), { code: 'RUNG_UNAVAILABLE', hint: remedy });
      assert.throws(() => chooseRung(closed, 'rootless-single'), { code: 'RUNG_UNAVAILABLE' });
    }
  }
});

test('when nothing can be had every reason is told', () => {
  const closed = host(user, { '/proc/sys/user/max_user_namespaces': '0' });
  assert.throws(
    () => chooseRung(closed),
    (error) => isSlipwayError(error, 'RUNG_UNAVAILABLE') && /root-overlay: .*rootless-subid: .*container-restricted: /.test(error.message),
  );
});

test('root of a user namespace is on the rung that its ids make', () => {
  const inside = (map: string): HostView => host({}, { '/proc/self/uid_map': map });
  assert.equal(chooseRung(inside('0 1000 1\n1 100000 65536\n')), 'rootless-subid');
  assert.equal(chooseRung(inside('0 1000 1\n')), 'rootless-single');
  assert.equal(needsReexec('rootless-subid', inside('0 1000 1\n1 100000 65536\n')), false);
  assert.equal(needsReexec('rootless-subid', host(user, subids)), true);
});

test('a forced rung is that rung or an error', () => {
  assert.equal(chooseRung(host({}), 'container-chroot'), 'container-chroot');
  assert.throws(() => chooseRung(host({}), 'rootless-subid'), { code: 'RUNG_UNAVAILABLE' });
  assert.throws(() => chooseRung(host({}), 'rootles-subid'), { code: 'RUNG_UNKNOWN', hint: 'did you mean rootless-subid?' });
});

test('rights are read from the bits of /proc/self/status', () => {
  const rights = parseRights('Name:\tx\nCapEff:\t00000000a80425fb\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\n');
  assert.deepEqual([...rights.effective].sort(), [...DEFAULT_CAPABILITIES].sort());
  assert.equal(rights.bounding.size, CAPABILITIES.length);
  assert.ok(rights.noNewPrivileges && rights.filtered);
});
