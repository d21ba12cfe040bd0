import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rungHint, rungWarning } from './rung-hints.ts';

test('a failed step is explained by what its rung cannot give', () => {
  assert.match(rungHint('rootless-single', "chown: changing ownership of '/srv/data': Invalid argument\n") ?? '', /only one id.*subuid/);
  assert.match(rungHint('rootless-single', 'E: setgroups 65534 failed - setgroups (1: Operation not permitted)\n') ?? '', /only one id/);
  assert.match(rungHint('rootless-subid', 'mknod: /null: Operation not permitted\n') ?? '', /device nodes/);
  assert.match(rungHint('container-chroot', "cat: can't open '/proc/self/status': No such file or directory\n") ?? '', /no \/proc/);
  assert.match(rungHint('container-restricted', 'mount: permission denied (are you root?)\n') ?? '', /CAP_SYS_ADMIN/);
});

test('where the rung gives it, or nothing points to it, there is no such hint', () => {
  assert.equal(rungHint('root-overlay', 'mknod: /null: Operation not permitted\n'), undefined);
  assert.equal(rungHint('rootless-subid', 'chown: x: Operation not permitted\n'), undefined);
  assert.equal(rungHint('container-chroot', 'make: *** [all] Error 2\n'), undefined);
});

test('package managers are warned of where there is one id', () => {
  assert.match(
    rungWarning('rootless-single', ['/bin/sh', '-c', 'apt-get update && apt-get install -y git']) ?? '',
    /^apt-get may fail here/,
  );
  assert.equal(rungWarning('rootless-single', ['/bin/sh', '-c', 'make adapt']), undefined);
  assert.equal(rungWarning('rootless-subid', ['apk', 'add', 'git']), undefined);
});
