// What a rung cannot give and only the step itself notices: read from what a failing step printed, and told before a step that will fail.

import type { Rung } from './rungs.ts';

const ONE_ID =
  'only one id is mapped on the rung rootless-single, so no process can change owner and nothing on disk can belong to another';
const SUBIDS = 'give yourself subordinate ids in /etc/subuid and /etc/subgid (slipway info says how)';

interface RungHint {
  readonly rungs: readonly Rung[];
  /** What a step prints that runs into it. */
  readonly shown: RegExp;
  readonly hint: string;
}

const CHROOT: readonly Rung[] = ['container-chroot', 'container-restricted'];

const HINTS: readonly RungHint[] = [
  {
    rungs: ['rootless-single'],
    shown:
      /(chown|chgrp|ownership|set(res|re|e)?[ug]id|setgroups|initgroups|\blchown\b)[^\n]*(invalid argument|not permitted|EINVAL|EPERM)/i,
    hint: `${ONE_ID}; ${SUBIDS}, or give the files away by COPY --chown, which the image keeps`,
  },
  {
    rungs: ['rootless-subid', 'rootless-single'],
    shown: /mknod[^\n]*not permitted/i,
    hint: 'the kernel lets nobody make device nodes inside a user namespace: take them from an archive by ADD, or build as root',
  },
  {
    rungs: CHROOT,
    shown: /\/(proc|dev\/(stdout|stderr|stdin|fd))\b[^\n]*(no such file|not found|nonexistent)/i,
    hint: 'steps have no /proc, and so no /dev/stdout and /dev/fd, where nothing can be mounted: give the container CAP_SYS_ADMIN for a rung that has them',
  },
  {
    rungs: CHROOT,
    shown: /\b(mount|unshare|pivot_root|setns)\b[^\n]*(denied|not permitted)/i,
    hint: 'neither slipway nor its steps can mount here: give the container CAP_SYS_ADMIN',
  },
];

/** What a step that failed may have run into on this rung; undefined when nothing of what it printed points there. */
export function rungHint(rung: Rung, output: string): string | undefined {
  return HINTS.find(({ rungs, shown }) => rungs.includes(rung) && shown.test(output))?.hint;
}

const PACKAGE_MANAGER = /\b(apt-get|apt|aptitude|dpkg|apk|yum|dnf|microdnf|zypper|rpm|pacman)\b/;

/** A warning before a step that will probably fail on this rung. */
export function rungWarning(rung: Rung, args: readonly string[]): string | undefined {
  if (rung !== 'rootless-single') return undefined;
  const [, program] = PACKAGE_MANAGER.exec(args.join(' ')) ?? [];
  return program === undefined ? undefined : `${program} may fail here: ${ONE_ID}; ${SUBIDS}`;
}
