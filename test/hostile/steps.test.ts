// Hostile steps: what a RUN, its mounts and its working directory try against the machine. Whole builds by the command, in a real OCI
// runtime: the danger is in the whole.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findProgram } from '../../src/runtime/index.ts';
import { type Outcome, Rig } from '../rig/rig.ts';
import { filesOf, listTree, makeOutside, MARK, strayNames } from './arena.ts';

let rig: Rig;
let outside: string;
let listing: Readonly<Record<string, string>>;
let runtime: string;

before(() => {
  rig = Rig.create();
  outside = join(rig.folder, 'outside');
  makeOutside(outside);
  listing = listTree(outside);
  runtime = runtimeDigest();
});
after(() => rig[Symbol.asyncDispose]());

function runtimeDigest(): string {
  const path = findProgram('crun', process.env['PATH'] ?? '') ?? findProgram('runc', process.env['PATH'] ?? '') ?? '';
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

let count = 0;

/** Builds; whatever came of it, nothing outside changed and the store is sound. */
async function build(
  dockerfile: string,
  fill: (context: string) => void = () => {},
  ...flags: readonly string[]
): Promise<Outcome & { readonly out: string }> {
  const context = rig.context({ Dockerfile: dockerfile }, `context${(count += 1)}`);
  fill(context);
  const out = rig.path(`out${count}`);
  const env = { ...process.env, HOST_ONLY: 'of the builder' };
  const outcome = await rig.slipway(['build', '--progress=plain', '-o', out, ...flags, context], { env });
  assert.deepEqual(listTree(outside), listing, 'nothing outside changed');
  assert.deepEqual(strayNames(), [], 'nothing was made elsewhere on the machine');
  assert.equal(runtimeDigest(), runtime, 'the runtime is the same program');
  assert.doesNotMatch(outcome.stdout + outcome.stderr, /PRIVATE-KEY-OF-THE-HOST/);
  const check = await rig.slipway(['store', 'check']);
  assert.equal(check.code, 0, check.stdout + check.stderr);
  return { ...outcome, out };
}

/** One attempt inside a step: a script that says `held`, or what went wrong. */
interface Attempt {
  readonly like: string;
  readonly what: string;
  readonly script: string;
}

const ATTEMPTS: readonly Attempt[] = [
  {
    like: 'CVE-2024-21626, CVE-2016-9962 (runc)',
    what: 'a file descriptor of the runtime that leads to the machine',
    script:
      'for f in /proc/self/fd/* /proc/1/fd/*; do case "$(readlink $f)" in pipe:*|/dev/null|""|/proc/*|/dev/pts/*|socket:*) ;; *) echo "fd $f $(readlink $f)";; esac; done; ls / >/dev/null; echo held',
  },
  {
    like: 'CVE-2019-5736 (runc)',
    what: 'the runtime’s own program, written through /proc/*/exe',
    script: 'for p in self 1; do (echo evil > /proc/$p/exe) 2>/dev/null && echo "wrote $p"; done; echo held',
  },
  {
    like: 'CVE-2025-31133, CVE-2025-52881 (runc)',
    what: 'files of /proc that are masked or read-only',
    script:
      'for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/irq/default_smp_affinity; do (echo x > $f) 2>/dev/null && echo "wrote $f"; done; test "$(head -c 1 /proc/kcore 2>/dev/null | wc -c)" = 0 || echo kcore; test -z "$(cat /proc/keys 2>/dev/null)" || echo keys; echo held',
  },
  {
    like: 'CVE-2022-0492 (Linux)',
    what: 'a cgroup mount with a release agent',
    script:
      'mkdir -p /c; mount -t cgroup -o rdma cgroup /c 2>/dev/null && echo mounted; unshare -m true 2>/dev/null && echo unshared; (echo x > /sys/fs/cgroup/release_agent) 2>/dev/null && echo wrote; echo held',
  },
  {
    like: 'CVE-2022-0185, CVE-2023-0386 (Linux)',
    what: 'a user namespace of its own',
    script: 'unshare -U true 2>/dev/null && echo unshared; unshare -Urm true 2>/dev/null && echo unshared; echo held',
  },
  {
    like: 'CVE-2022-24769 (Moby), CVE-2022-27649 (podman), CVE-2022-27650 (crun)',
    what: 'inheritable capabilities',
    script: 'grep -q "^CapInh:.*0000000000000000" /proc/self/status || grep CapInh /proc/self/status; echo held',
  },
  {
    like: 'CVE-2016-8867 (Docker), CVE-2022-29162 (runc), CVE-2022-27651 (buildah)',
    what: 'capabilities of a user who is not root',
    script:
      'su -s /bin/sh daemon -c "id -u; cat /proc/self/status" > /tmp/u; test "$(head -n 1 /tmp/u)" = 1 || echo "no su: $(head -n 1 /tmp/u)"; grep -E "^Cap(Inh|Prm|Eff|Amb):" /tmp/u | grep -v 0000000000000000; grep -E "^Cap(Inh|Amb):" /proc/self/status | grep -v 0000000000000000; echo held',
  },
  {
    like: 'CVE-2017-16539, CVE-2018-10892 (Docker)',
    what: 'the machine’s hardware in /proc',
    script:
      'for d in /proc/acpi /proc/scsi /sys/firmware; do test -z "$(ls -A $d 2>/dev/null)" || echo "$d"; done; for f in /proc/timer_list /proc/sched_debug /proc/latency_stats; do test "$(head -c 1 $f 2>/dev/null | wc -c)" = 0 || echo "$f"; done; echo held',
  },
  {
    like: 'CVE-2023-25809 (runc), CVE-2025-47291 (containerd)',
    what: 'the cgroups of the machine',
    script:
      'mkdir /sys/fs/cgroup/mine 2>/dev/null && echo made; for f in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do (echo 1 > $f) 2>/dev/null && echo "moved by $f"; done; echo held',
  },
  {
    like: 'CVE-2021-3602 (buildah), CVE-2020-14370 (podman)',
    what: 'the environment of the builder',
    script:
      'env | grep -E "SLIPWAY|HOST_ONLY|NODE_|npm_" ; tr "\\0" "\\n" < /proc/1/environ | grep -E "SLIPWAY|HOST_ONLY|NODE_|npm_"; echo held',
  },
  {
    like: 'CVE-2014-9357 (Docker)',
    what: 'a device node for the disk',
    script:
      'mknod /tmp/disk b 254 0 2>/dev/null; mknod /tmp/disk2 b 8 0 2>/dev/null; for d in /tmp/disk /tmp/disk2; do head -c 1 $d >/dev/null 2>&1 && echo "read $d"; done; rm -f /tmp/disk /tmp/disk2; echo held',
  },
  {
    like: 'CVE-2015-3627, CVE-2015-3630 (Docker)',
    what: 'processes and files of the machine in /proc',
    script:
      'test "$(ls /proc | grep -c "^[0-9]")" -lt 12 || echo "processes: $(ls /proc | grep -c "^[0-9]")"; for p in /proc/[0-9]*; do r=$(readlink $p/root 2>/dev/null); case "$r" in ""|/) ;; *) echo "root $r";; esac; done; ls /proc/1/root/OUTSIDE 2>/dev/null; echo held',
  },
  {
    like: 'CVE-2019-16884, CVE-2023-28642 (runc)',
    what: 'a mount over /proc',
    script:
      'mount -t proc proc /proc 2>/dev/null && echo mounted; mount --bind /tmp /proc/self 2>/dev/null && echo bound; umount /proc/kcore 2>/dev/null && echo unmasked; echo held',
  },
  {
    like: 'CVE-2015-3629 (Docker)',
    what: 'host folders in the mount table',
    script:
      'grep -o " /tmp/slipway-rig[^ ]*outside[^ ]*" /proc/self/mountinfo; grep -q " /host" /proc/self/mountinfo && echo host; echo held',
  },
  {
    like: 'CVE-2022-0811 (CRI-O)',
    what: 'a kernel module, a clock, a reboot',
    script:
      '(echo x > /sys/module/x) 2>/dev/null && echo module; date -s 2001-01-01 >/dev/null 2>&1; test "$(date +%Y)" = 2001 && echo clock; (echo 1 > /proc/sys/vm/drop_caches) 2>/dev/null && echo caches; (echo c > /proc/sysrq-trigger) 2>/dev/null && echo sysrq; echo held',
  },
];

test('attempts inside a step', { timeout: 300_000 }, async (context) => {
  const stages = ATTEMPTS.map(
    ({ script }, index) =>
      `FROM busybox AS a${index}\nRUN mkdir /o; ( ${script.replace('OUTSIDE', outside.slice(1))} ) 2>&1 | cat > /o/a${index}\n`,
  );
  const copies = ATTEMPTS.map((_, index) => `COPY --from=a${index} /o /\n`);
  const { code, stderr, out } = await build(`${stages.join('')}FROM scratch\n${copies.join('')}`);
  assert.equal(code, 0, stderr);
  for (const [index, { like, what }] of ATTEMPTS.entries()) {
    await context.test(`${like}: ${what}`, () => assert.equal(readFileSync(join(out, `a${index}`), 'utf8'), 'held\n'));
  }
});

/** A whole build each. `taken`: it succeeds, and what holds then; otherwise it is refused. */
interface Whole {
  readonly like: string;
  readonly what: string;
  readonly dockerfile: () => string;
  readonly fill?: (context: string) => void;
  readonly flags?: readonly string[];
  readonly held: (outcome: Outcome & { readonly out: string }) => void;
}

const refusedWith =
  (pattern: RegExp) =>
  (outcome: Outcome): void => {
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, pattern);
  };
const either = (): void => {};
const links =
  (from: Readonly<Record<string, string>>) =>
  (context: string): void => {
    for (const [path, target] of Object.entries(from)) {
      mkdirSync(join(context, 'root', path, '..'), { recursive: true });
      symlinkSync(target, join(context, 'root', path));
    }
  };

const WHOLES: readonly Whole[] = [
  {
    like: 'CVE-2022-23648 (containerd), CVE-2020-1726 (podman)',
    what: 'volumes that are paths of the machine: nothing is put there, and nothing taken',
    dockerfile: () =>
      `FROM busybox AS a\nVOLUME ["/../../../..${outside}/victim", "/etc", "/../"]\nFROM a\nRUN ls ${outside} 2>/dev/null && echo leaked; test -e /etc/passwd && echo x > /etc/new\n`,
    held: ({ code, stderr }) => {
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr, /^#\d+ [\d.]+ leaked/m);
    },
  },
  {
    like: 'CVE-2024-21626 (runc, “Leaky Vessels”)',
    what: 'WORKDIR in /proc/self/fd',
    dockerfile: () => `FROM busybox\nWORKDIR /proc/self/fd/8\nRUN ls ../../../..${outside} && touch ../../../../tmp/${MARK}\n`,
    held: refusedWith(/Dockerfile:\d/),
  },
  {
    like: 'CVE-2024-23651, CVE-2024-23652 (BuildKit), CVE-2021-30465 (runc)',
    what: 'mounts whose target leads outside through a symlink; their stubs are not made nor removed there',
    dockerfile: () =>
      `FROM busybox\nCOPY root /\nRUN --mount=type=cache,target=/mnt/new --mount=type=tmpfs,target=/mnt/victim --mount=type=bind,from=busybox,source=/bin,target=/mnt/private/key2 echo x > /mnt/new/${MARK}; rm -rf /mnt/victim/* || true\n`,
    fill: (context) => links({ mnt: outside })(context),
    held: either,
  },
  {
    like: 'CVE-2024-1753 (buildah), CVE-2017-1002101 (Kubernetes)',
    what: 'bind mounts whose source is a symlink to the machine’s root',
    dockerfile: () =>
      `FROM busybox AS evil\nCOPY root /\nFROM busybox\nRUN --mount=type=bind,from=evil,source=/up,target=/m,rw ls /m${outside}/private/key && echo leaked; touch /m/${MARK}; true\n`,
    fill: (context) => links({ up: '/', deep: '../../../../../../../..' })(context),
    held: ({ stderr }) => assert.doesNotMatch(stderr, /^#\d+ [\d.]+ leaked/m),
  },
  {
    like: 'CVE-2024-9675 (podman, buildah)',
    what: 'cache mounts whose id is a path',
    dockerfile: () =>
      ['../../../../outside/victim', '/etc', '..', '.', 'a/../../../../../outside', 'x\\0y']
        .map((id) => `RUN --mount=type=cache,id=${id},target=/c touch /c/${MARK}\n`)
        .reduce((all, line) => all + line, 'FROM busybox\n'),
    held: ({ code, stderr }) => assert.equal(code, 0, stderr),
  },
  {
    like: 'CVE-2024-9407 (buildah)',
    what: 'mount options that the language does not have',
    dockerfile: () => 'FROM busybox\nRUN --mount=type=bind,target=/m,bind-propagation=rshared true\n',
    held: refusedWith(/bind-propagation/),
  },
  {
    like: 'CVE-2024-23653, GHSA-7236-3392-c5c6 (BuildKit)',
    what: 'a step that asks for more rights than the build was given',
    dockerfile: () => 'FROM busybox\nRUN --security=insecure mount -t tmpfs x /mnt\n',
    held: refusedWith(/security\.insecure/),
  },
  {
    like: 'CVE-2025-52565 (runc)',
    what: 'devices of the image that are symlinks to files of /proc',
    dockerfile: () =>
      'FROM busybox\nCOPY root /\nRUN echo x > /dev/null; cat /dev/console >/dev/null 2>&1; (echo x > /proc/sys/kernel/core_pattern) 2>/dev/null && echo wrote; true\n',
    fill: links({
      'dev/null': '/proc/sys/kernel/core_pattern',
      'dev/console': '/proc/sysrq-trigger',
      'dev/ptmx': '/proc/sys/kernel/core_pattern',
    }),
    held: ({ stderr }) => assert.doesNotMatch(stderr, /^#\d+ [\d.]+ wrote/m),
  },
  {
    like: 'CVE-2026-41579 (runc), CVE-2025-54867 (youki)',
    what: '/dev, /proc and /sys of the image are symlinks to the host',
    dockerfile: () => 'FROM scratch\nCOPY --from=busybox /bin /bin\nCOPY root /\nRUN ls /proc/self >/dev/null\n',
    fill: (context) => links({ dev: `${outside}/victim`, proc: outside, sys: '/' })(context),
    held: either,
  },
  {
    like: 'CVE-2024-45310 (runc)',
    what: 'files that are mounted over by the builder, as symlinks to new names of the host',
    dockerfile: () => 'FROM scratch\nCOPY --from=busybox /bin /bin\nCOPY root /\nRUN true\n',
    fill: links({ 'etc/resolv.conf': `/tmp/${MARK}-resolv`, 'etc/hosts': `../../../../tmp/${MARK}-hosts`, 'etc/mtab': '/etc/shadow' }),
    held: either,
  },
  {
    like: 'CVE-2024-9676 (podman), CVE-2024-5154 (CRI-O)',
    what: 'a USER looked up in a passwd that is a symlink to the host’s',
    dockerfile: () => 'FROM busybox\nCOPY root /\nUSER nosuchuser\nRUN true\n',
    fill: (context) => links({ 'etc/passwd': `${outside}/victim/deep/passwd`, 'etc/group': '/dev/zero' })(context),
    held: ({ code }) => assert.equal(code, 1),
  },
  {
    like: 'CVE-2021-25743 (kubectl), CVE-2024-52005 (git)',
    what: 'escape sequences in a step’s output, in its command and in its error',
    dockerfile: () =>
      'FROM busybox\nRUN printf "\\033]0;pwned\\007\\033[2J\\033[31mred\\r\\n\\302\\233evil\\n"; printf "\\033[8mhidden\\n" >&2; exit 3\n',
    held: ({ stderr, stdout }) => assert.doesNotMatch(stderr + stdout, /\u001b\]|\u001b\[(?:2J|8m)|\u0007|\u009b/),
  },
  {
    like: 'CVE-2025-46394 (BusyBox tar), CVE-2003-0063 (xterm)',
    what: 'escape sequences in file names, in an error',
    dockerfile: () => 'FROM scratch\nCOPY root/a\u001b[2Jb/x /x\n',
    held: ({ stderr, code }) => {
      assert.equal(code, 1);
      assert.doesNotMatch(stderr, /\u001b\[2J/);
    },
  },
  {
    like: 'CVE-2019-1002101, CVE-2019-11249 (kubectl cp)',
    what: 'an output folder in which an earlier result left a symlink to the host',
    dockerfile: () => 'FROM busybox AS b\nRUN mkdir -p /o/d && echo x > /o/d/file\nFROM scratch\nCOPY --from=b /o /\n',
    held: ({ code, stderr }) => assert.equal(code, 0, stderr),
  },
];

for (const { like, what, dockerfile, fill, flags = [], held } of WHOLES) {
  test(`${like}: ${what}`, { timeout: 120_000 }, async () => held(await build(dockerfile(), fill, ...flags)));
}

test('CVE-2025-4953 (podman): what a step writes into a bind mount is neither in the context nor in the next step', async () => {
  let folder = '';
  const { code, stderr } = await build(
    'FROM busybox AS from\nRUN mkdir /d && echo safe > /d/f\nFROM busybox\n' +
      'RUN --mount=type=bind,target=/c,rw --mount=type=bind,from=from,source=/d,target=/d,rw echo evil > /c/f; echo evil > /c/new; echo evil > /d/f; echo evil > /d/new; ln -s / /c/up\n' +
      'RUN --mount=type=bind,target=/c --mount=type=bind,from=from,source=/d,target=/d [ "$(cat /c/f /d/f)" = "$(printf "safe\\nsafe")" ] && [ ! -e /c/new ] && [ ! -e /d/new ] && [ ! -L /c/up ]\n' +
      'RUN --mount=type=bind,target=/c if echo evil > /c/f; then exit 7; fi\n',
    (context) => {
      folder = context;
      writeFileSync(join(context, 'f'), 'safe\n');
    },
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(folder).sort(), ['Dockerfile', 'f']);
  assert.equal(readFileSync(join(folder, 'f'), 'utf8'), 'safe\n');
});

test('CVE-2018-15664 (docker cp), CVE-2021-25741 (Kubernetes): symlinks in an output folder are replaced, not followed', async () => {
  const out = rig.path('planted');
  mkdirSync(out);
  symlinkSync(join(outside, 'victim'), join(out, 'd'));
  symlinkSync(join(outside, 'victim/file'), join(out, 'f'));
  await build(
    'FROM scratch\nCOPY d /d\nCOPY f /f\n',
    (context) => {
      mkdirSync(join(context, 'd'));
      writeFileSync(join(context, 'd/file'), 'evil');
      writeFileSync(join(context, 'f'), 'evil');
    },
    '-o',
    out,
  );
  assert.deepEqual(filesOf(out), { d: 'dir 755', 'd/file': 'file 644 evil', f: 'file 644 evil' });
});

test('CVE-2024-3727 (containers/image), CVE-2021-25741 (Kubernetes): symlinks in the folder of a layout, or of a cache, lead nowhere', async () => {
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'x' }, 'layout-context');
  const plants: readonly (readonly [path: string, target: string])[] = [
    ['blobs', 'victim'],
    ['blobs/sha256', 'victim'],
    ['oci-layout', `victim/${MARK}`],
    ['index.json.lock', 'victim/file'],
    ['index.json', 'victim/file'],
  ];
  for (const [index, [path, target]] of plants.entries()) {
    for (const flags of [
      ['-o', `type=oci,tar=false,dest=${rig.path(`layout${index}`)}`],
      ['--cache-to', `type=local,reset=true,dest=${rig.path(`cache${index}`)}`],
    ]) {
      const folder = flags[1]?.replace(/.*dest=/, '') ?? '';
      mkdirSync(join(folder, path, '..'), { recursive: true });
      symlinkSync(join(outside, target), join(folder, path));
      const { stderr } = await rig.slipway(['build', ...flags, context]);
      assert.deepEqual(listTree(outside), listing, `${path} ${flags.join(' ')} ${stderr}`);
      assert.doesNotMatch(stderr, /internal:/);
    }
  }
});

test('CVE-2021-41091, CVE-2021-41103: other users cannot enter the store, where setuid programs of images are', () => {
  const open = readdirSync(rig.store).filter((name) => (lstatSync(join(rig.store, name)).mode & 0o007) !== 0);
  assert.ok((lstatSync(rig.store).mode & 0o007) === 0 || open.length === 0, `open to all: ${rig.store}: ${open.join(' ')}`);
});

/** Folders inside each other, made in parts that a path can still name, each moved to the bottom of the next. */
const DIG = 'mkdir d && cd d'.concat(' && mkdir d && cd d'.repeat(899));
const DEEP = `for n in 1 2 3; do mkdir /c; cd /c; ${DIG}; [ ! -e /top ] || mv /top .; cd /; mv /c /top; done`;

test('CVE-2021-3997 (systemd), CVE-2021-33909 (Linux): folders deeper than any path, left by a step that fails and by one that ends well', async () => {
  for (const end of ['exit 5', 'true']) {
    const dockerfile = `FROM busybox\nRUN ${DEEP}; ${end}\n`;
    const { code, stderr } = await build(dockerfile);
    assert.equal(code, 1);
    assert.match(stderr, end === 'true' ? /path is longer than 4096 bytes/ : /exit code:? 5/);
    assert.doesNotMatch(stderr, /suppressed|ENAMETOOLONG/);
    assert.deepEqual(readdirSync(join(rig.store, 'v1/tmp')), [], 'nothing stays of what the step made');
  }
});
