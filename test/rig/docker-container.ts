// A container as `docker run` makes it when nobody says otherwise: Docker's default capabilities, seccomp profile, masked paths and
// devices, on the machine's own root filesystem, whose changes stay in memory. An OCI runtime (crun) applies it all.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../src/runtime/capabilities.ts';
import { defaultSeccomp } from '../../src/runtime/seccomp.ts';

/** What runs in the container. */
export interface DockerContainer {
  /** Mounted at its own path, writable: the only such place of a restricted container. */
  readonly folder: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** `--read-only --security-opt no-new-privileges`. */
  readonly restricted: boolean;
  /** `--user`: an id; default root. */
  readonly uid?: number;
  /** `--cap-drop`, by the kernel's names. */
  readonly dropped?: readonly string[];
}

const STRICT = ['nosuid', 'noexec', 'nodev'];

/** Mounts the root in a mount namespace of its own, then becomes the runtime: a signal to it reaches the container. */
const SCRIPT = `
set -e
mount --make-rprivate /
mount -t tmpfs none "$1/memory"
mkdir "$1/memory/upper" "$1/memory/work" "$1/memory/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/memory/upper,workdir=$1/memory/work" overlay "$1/memory/root"
if [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then mount --rbind /sys/fs/cgroup/unified /sys/fs/cgroup; fi
exec crun --cgroup-manager=disabled --root "$1/memory/state" run --bundle "$1" "$2"
`;

let count = 0;

/** The program, with its arguments, that runs the container in the foreground. */
export function containerOfDocker(container: DockerContainer): readonly string[] {
  const bundle = mkdtempSync(join(container.folder, '.container-'));
  mkdirSync(join(bundle, 'memory'));
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config(container, join(bundle, 'memory/root'))));
  return ['unshare', '--mount', '/bin/sh', '-c', SCRIPT, 'sh', bundle, `slipway-place-${process.pid}-${(count += 1)}`];
}

function config({ folder, command, env, cwd, restricted, uid = 0, dropped = [] }: DockerContainer, root: string): object {
  const capabilities = DEFAULT_CAPABILITIES.filter((capability) => !dropped.includes(capability));
  if (capabilities.some((capability) => !CAPABILITIES.includes(capability))) throw new Error('internal: no such capability');
  const own = uid === 0 ? capabilities : [];
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid, gid: uid },
      args: command,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      cwd,
      capabilities: { bounding: capabilities, effective: own, permitted: own, inheritable: [], ambient: [] },
      noNewPrivileges: restricted,
    },
    root: { path: root, readonly: restricted },
    hostname: 'container',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: STRICT },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
      },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...STRICT, 'mode=1777', 'size=65536k'] },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: STRICT },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...STRICT, 'ro'] },
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...STRICT, 'ro'] },
      { destination: folder, type: 'bind', source: folder, options: ['rbind', 'rw'] },
    ],
    linux: {
      // The network stays the machine's: the test's registry listens on its loopback.
      namespaces: ['pid', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      seccomp: defaultSeccomp(capabilities, process.arch),
      maskedPaths: [
        '/proc/asound',
        '/proc/acpi',
        '/proc/interrupts',
        '/proc/kcore',
        '/proc/keys',
        '/proc/latency_stats',
        '/proc/timer_list',
        '/proc/timer_stats',
        '/proc/sched_debug',
        '/proc/scsi',
        '/sys/firmware',
        '/sys/devices/virtual/powercap',
      ],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}
