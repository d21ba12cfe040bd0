// The same Dockerfile gives the same image on every rung that can run it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { busybox } from '../rig/busybox-root.ts';
import { command, Rig } from '../rig/rig.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Everything that a file system can do to a layer: links, owners, replaced and renamed directories, mounts that leave no trace. */
const DOCKERFILE = `FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /data/a /d && chown 1000:1001 /data && echo hi > /data/a/x && ln /data/a/x /data/a/y && echo 1 > /d/one && echo 2 > /d/two
RUN rm -rf /d && mkdir /d && echo 3 > /d/three; rm /data/a/y; mv /data /moved; rm /bin/wget; touch /run/x; rm /run/x; chmod 1700 /moved
RUN --mount=type=bind,source=busybox,target=/mnt/deep/bb --mount=type=cache,target=/var/cache/x --mount=type=tmpfs,target=/t echo > /dev/null
WORKDIR /w/o/r/k
USER 1000:1001
RUN touch /tmp/no || mkdir -p /w/o/r/k/mine 2>/dev/null || true
`;

test(
  'one digest on the overlay, rootless and chroot rungs',
  { skip: busybox() === undefined ? 'needs busybox-static' : false },
  async () => {
    await using rig = Rig.create();
    chmodSync(rig.folder, 0o755);
    const context = rig.context({ Dockerfile: DOCKERFILE });
    copyFileSync(busybox() ?? '', join(context, 'busybox'));
    chmodSync(join(context, 'busybox'), 0o755);
    const product = copyProduct(rig.path('product'));

    const user = `slipr${process.pid}`;
    execFileSync('useradd', ['--create-home', user]);
    try {
      const uid = Number(execFileSync('id', ['-u', user], { encoding: 'utf8' }));
      const digests: Record<string, string> = {};
      for (const rung of ['root-overlay', 'rootless-subid', 'container-chroot']) {
        const own = rig.path(rung);
        mkdirSync(own);
        const args = [product, 'build', '--quiet', '--rung', rung, '-o', `type=oci,dest=${own}/image.tar,rewrite-timestamp=true`, context];
        const asUser = rung === 'rootless-subid' ? ['--reuid', String(uid), '--regid', String(uid), '--clear-groups'] : [];
        if (asUser.length > 0) chownSync(own, uid, uid);
        const env = { PATH: process.env['PATH'], HOME: own, SOURCE_DATE_EPOCH: '0', SLIPWAY_ROOT: join(own, 'store') };
        const built = await command('setpriv', [...asUser, '--', process.execPath, ...args], { env, cwd: '/' });
        assert.equal(built.code, 0, `${rung}: ${built.stderr}`);
        digests[rung] = built.stdout.trim();
      }
      assert.match(digests['root-overlay'] ?? '', /^sha256:[0-9a-f]{64}$/);
      assert.equal(new Set(Object.values(digests)).size, 1, JSON.stringify(digests, null, 2));
    } finally {
      execFileSync('userdel', ['--remove', '--force', user], { stdio: 'ignore' });
    }
  },
);

/** The built product where any user can read it; returns its command. */
function copyProduct(folder: string): string {
  for (const part of ['bin', 'dist', 'package.json', 'node_modules/koffi', 'node_modules/@koromix']) {
    if (existsSync(join(ROOT, part))) cpSync(join(ROOT, part), join(folder, part), { recursive: true, dereference: true });
  }
  execFileSync('chmod', ['-R', 'a+rX', folder]);
  return join(folder, 'bin/slipway.js');
}
