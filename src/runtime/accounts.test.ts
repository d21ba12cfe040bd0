import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { resolveAccount } from './accounts.ts';

let root: string;

before(() => {
  root = mkdtempSync(join(tmpdir(), 'slipway-accounts-'));
  mkdirSync(join(root, 'etc'));
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\n\n  daemon:x:1:1:daemon:/usr/sbin:/bin/false\nweb:x:500:600:::\n1234x:x:7:8::/h:\nbroken:x:abc:9::/b:/s\ntoor:x:0:5::/toor:\n',
  );
  writeFileSync(join(root, 'etc/group'), '# note\nroot:x:0:\nwheel:x:10:root\nstaff:x:50:web,root\nweb:x:600:\n77:x:78:\n');
});
after(() => rmSync(root, { recursive: true, force: true }));

const shown = (user: string, folder = root): string => {
  const { uid, gid, groups, home } = resolveAccount(folder, user);
  return `${uid}:${gid} [${groups.join()}] ${home}`;
};

test('users as BuildKit resolves them; the group is always among the groups (CVE-2022-2989, CVE-2022-2990, CVE-2022-36109, CVE-2023-25173)', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', '0:0 [0,10,50] /root'],
    ['root', '0:0 [0,10,50] /root'],
    ['0', '0:0 [0,10,50] /root'],
    ['0:0', '0:0 [0] /root'],
    ['root:root', '0:0 [0] /root'],
    ['1234', '1234:0 [0] /'],
    ['1234:1234', '1234:1234 [1234] /'],
    ['4294967294:4294967294', '4294967294:4294967294 [4294967294] /'],
    ['daemon', '1:1 [1] /usr/sbin'],
    ['web', '500:600 [600,50] '],
    ['500', '500:600 [600,50] '],
    ['web:staff', '500:50 [50] '],
    ['web:10', '500:10 [10] '],
    ['web:4711', '500:4711 [4711] '],
    ['4711:staff', '4711:50 [50] /'],
    [':staff', '0:50 [50] /root'],
    // A numeric group is a number though a group has that name.
    ['web:77', '500:77 [77] '],
    ['1234x', '7:8 [8] /h'],
    // The home is of the first account with that id, as runc has it.
    ['broken', '0:9 [9] /root'],
    ['toor', '0:5 [5] /root'],
    ['toor:staff', '0:50 [50] /root'],
  ];
  for (const [user, expected] of table) assert.equal(shown(user), expected, JSON.stringify(user));
});

test('without /etc/passwd root and numbers work', () => {
  const empty = mkdtempSync(join(tmpdir(), 'slipway-accounts-'));
  assert.equal(shown('', empty), '0:0 [0] /');
  assert.equal(shown('5', empty), '5:0 [0] /');
  rmSync(empty, { recursive: true });
});

test('unknown users and groups, and numbers out of range, are refused', () => {
  for (const user of ['nobody-of-that-name', 'web:nope', '2147483648', '-1', 'web:-1']) {
    assert.throws(
      () => resolveAccount(root, user),
      (error) => isSlipwayError(error, 'USER_UNKNOWN'),
      user,
    );
  }
});

test('CVE-2024-40635 (containerd), CVE-2016-3697 (runc): ids of the image beyond 32 bits are refused, and a number is no name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-accounts-'));
  mkdirSync(join(folder, 'etc'));
  writeFileSync(
    join(folder, 'etc/passwd'),
    'root:x:0:0::/:\n7:x:0:0::/:\nhigh:x:4294967296:0::/:\nlow:x:-1:0::/:\nok:x:8:4294967296::/:\nmany:x:9:9::/:\n',
  );
  writeFileSync(join(folder, 'etc/group'), 'far:x:4294967296:many\n');
  for (const user of ['high', 'low', 'ok', 'many', 'root:far']) {
    assert.throws(
      () => resolveAccount(folder, user),
      (error) => isSlipwayError(error, 'USER_UNKNOWN'),
      user,
    );
  }
  assert.equal(shown('7', folder), '7:0 [0] /'); // not the entry of that name, which is root's
  rmSync(folder, { recursive: true });
});

test('CVE-2026-47262 (containerd): more groups than a process can have, and files of accounts without end, are refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-accounts-'));
  mkdirSync(join(folder, 'etc'));
  writeFileSync(join(folder, 'etc/passwd'), 'app:x:5:5::/:\n');
  for (const groups of [Array.from({ length: 70_000 }, (_, gid) => `g${gid}:x:${gid}:app`).join('\n'), 'a'.repeat(11 << 20)]) {
    writeFileSync(join(folder, 'etc/group'), groups);
    assert.throws(
      () => resolveAccount(folder, 'app'),
      (error) => isSlipwayError(error, 'USER_UNKNOWN') && error.message.length < 200,
    );
  }
  rmSync(folder, { recursive: true });
});

test('a passwd that is a link out of the root is looked up inside it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-accounts-'));
  mkdirSync(join(folder, 'etc'));
  symlinkSync('../../../../../../../../etc/group', join(folder, 'etc/passwd'));
  symlinkSync('/etc/group', join(folder, 'etc/loop'));
  writeFileSync(join(folder, 'etc/group'), 'inside:x:42:43::/i:\n');
  assert.equal(shown('inside', folder), '42:43 [43] /i');
  rmSync(folder, { recursive: true });
});
