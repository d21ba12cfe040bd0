// A tiny root filesystem for tests that run processes: Debian's static busybox, its applets, and a few accounts.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const APPLETS = (
  'sh ls cat echo id mount umount ip ifconfig sleep env ping nslookup wget unshare mknod chmod chown mkdir rm rmdir mv cp touch ' +
  'stat grep hostname true false kill ps tee head seq dd ln readlink test pwd sync yes nc setsid find printf whoami route wc tr'
).split(' ');

/** Where the static busybox is; undefined when it is not installed (package busybox-static). */
export function busybox(): string | undefined {
  return ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
}

/** Fills `folder` with a root filesystem. */
export function makeBusyboxRoot(folder: string): string {
  const program = busybox();
  if (program === undefined) throw new Error('busybox-static is not installed');
  for (const name of ['bin', 'etc', 'tmp', 'root', 'home/app']) mkdirSync(join(folder, name), { recursive: true });
  copyFileSync(program, join(folder, 'bin/busybox'));
  for (const name of APPLETS) symlinkSync('busybox', join(folder, 'bin', name));
  writeFileSync(
    join(folder, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\napp:x:1000:1000:app:/home/app:/bin/sh\n',
  );
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\ndaemon:x:1:\nwheel:x:10:root\napp:x:1000:\naudio:x:29:app,root\n');
  execFileSync('chmod', ['-R', 'a+rX', folder]); // whatever the umask
  return folder;
}
