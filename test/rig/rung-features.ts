// What a build can ask for, one feature each, with a build that shows whether it is there. docs/rungs.md is made of these names and of how
// each ends on every rung.

import { execFileSync } from 'node:child_process';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { FeatureSite } from './feature-site.ts';

/** One row of the table. */
export interface Feature {
  readonly group: string;
  /** As people would call it. */
  readonly name: string;
  /** Builds; resolves when everything was as it should be. Rejects with `Refused` where the product said no. */
  readonly check: (site: FeatureSite) => Promise<void>;
}

/** A feature that one build shows: the Dockerfile's own steps check what they can see. */
const built = (group: string, name: string, dockerfile: string, args: readonly string[] = []): Feature => ({
  group,
  name,
  check: async (site) => void (await site.build(dockerfile, args)),
});

const FROM = 'FROM busybox\n';
const TOOL = `${FROM}COPY --chmod=755 tool /bin/tool\n`;

const STEPS: readonly Feature[] = [
  built('Steps', '`RUN` in shell and exec form', `${FROM}RUN echo x > /a\nRUN ["/bin/busybox", "cp", "/a", "/b"]\nRUN cmp /a /b\n`),
  built('Steps', 'heredocs', `${FROM}COPY <<a <<b /h/\none\na\ntwo\nb\nRUN <<EOF\nset -e\ngrep one /h/a\ngrep two /h/b\nEOF\n`),
  built('Steps', '`ENV`, `ARG`, `SHELL`, `WORKDIR`', `${FROM}ARG A=1\nENV B=2\nWORKDIR /w/x\nSHELL ["/bin/sh", "-ec"]\nRUN [ "$A$B$PWD" = 12/w/x ]; false || [ -w . ]\n`),
  built('Steps', '`USER`', `${FROM}RUN echo app:x:1000:1001::/home/app:/bin/sh >> /etc/passwd\nUSER app\nRUN [ "$(id -u):$(id -g)" = 1000:1001 ] && [ "$HOME" = /home/app ]\nUSER 7:8\nRUN [ "$(id -u):$(id -g)" = 7:8 ]\n`),
  built('Steps', 'a package manager that makes users and gives files away', PACKAGES()),
  built('Steps', '`/proc`, `/dev/stdout` and a PID namespace of its own', `${FROM}RUN cat /proc/self/status > /dev/null && [ $$ = 1 ] && echo shown > /dev/stdout\n`),
  built('Steps', '`/dev/null`, `/dev/urandom`, `/dev/shm`', `${FROM}RUN echo > /dev/null && head -c 1 /dev/urandom > /dev/shm/x\nUSER 0\nRUN test ! -e /dev/shm/x\n`),
]; // prettier-ignore

/** A package of the test's own, with a maintainer script as real ones have, put in by dpkg. */
function PACKAGES(): string {
  return `FROM debian
RUN mkdir -p /p/DEBIAN /p/srv && echo kept > /p/srv/data && printf 'Package: probe\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@t>\\nDescription: t\\n' > /p/DEBIAN/control && printf '#!/bin/sh\\nset -e\\nuseradd --system --no-create-home probe\\nchown probe:probe /srv/data\\n' > /p/DEBIAN/postinst && chmod 755 /p/DEBIAN/postinst && dpkg-deb --build --root-owner-group /p /p.deb && dpkg -i /p.deb && [ "$(stat -c %U /srv/data)" = probe ]
`;
}

const FILES: readonly Feature[] = [
  {
    group: 'Files',
    name: '`COPY --chown`, `--chmod`: kept in the image',
    check: async (site) => {
      const list = await site.files(`${FROM}COPY --chown=1000:1001 --chmod=640 a /a\nRUN echo more > /b\nCOPY --chown=7 a /c\n`, ['a']);
      assert.match(list, /-rw-r----- 1000\/1001 .* a\n/);
      assert.match(list, /7\/7 .* c\n/);
    },
  },
  {
    group: 'Files',
    name: 'owners below a step that changes the file',
    check: async (site) => {
      const list = await site.files(`${FROM}COPY --chown=1000:1001 a /d/a\nRUN echo more >> /d/a && chmod 600 /d/a\n`, ['a']);
      assert.match(list, /-rw------- 1000\/1001 .* d\/a\n/);
    },
  },
  {
    group: 'Files',
    name: '`RUN chown`',
    check: async (site) => {
      const list = await site.files(`${FROM}RUN mkdir /d && echo x > /d/f && chown -R 1000:1001 /d\n`);
      assert.match(list, /1000\/1001 .* d\/f\n/);
    },
  },
  built('Files', '`COPY --from` a stage and an image, `--link`, `ADD` of an archive', `FROM busybox AS a\nRUN echo x > /x\n${FROM}COPY --from=a /x /1/x\nCOPY --link --from=busybox /bin/busybox /2/b\nADD archive.tar.gz /3/\nRUN cmp /1/x /3/x && test -x /2/b\n`),
  {
    group: 'Files',
    name: 'hard links, symlinks, deleted and replaced folders',
    check: async (site) => {
      const list = await site.files(`${FROM}RUN mkdir /d /e && echo 1 > /d/a && ln /d/a /d/b && ln -s a /d/c && echo 2 > /e/gone\nRUN rm -rf /e && mkdir /e && echo 3 > /e/new && rm /d/c\n`);
      assert.match(list, / d\/b link to d\/a\n/);
      assert.match(list, / e\/new\n/);
      assert.doesNotMatch(list, /e\/gone|d\/c/);
    },
  },
  {
    group: 'Files',
    name: 'setuid and setgid bits',
    check: async (site) => {
      const list = await site.files(`${FROM}RUN cp /bin/busybox /su && chmod 4755 /su && mkdir /g && chmod 2755 /g\nCOPY --chmod=6711 a /both\n`, ['a']);
      assert.match(list, /-rwsr-xr-x 0\/0 .* su\n/);
      assert.match(list, /drwxr-sr-x 0\/0 .* g\/\n/);
      assert.match(list, /-rws--s--x 0\/0 .* both\n/);
    },
  },
  {
    group: 'Files',
    name: 'file capabilities and attributes',
    check: async (site) => {
      const list = await site.files(`${TOOL}RUN echo x > /f && tool setcap /f && tool setattr /f user.note kept\nRUN [ "$(tool getcap /f)" = 20 ] && [ "$(tool getattr /f user.note)" = kept ]\n`, [], ['--xattrs', '--xattrs-include=*', '-vv']);
      // 20 bytes: version 2, without the id of a user namespace in it.
      assert.match(list, / f\n\s*x: 4 user\.note\n\s*x: 20 security\.capability|x: 20 security\.capability\n\s*x: 4 user\.note/);
    },
  },
  {
    group: 'Files',
    name: 'device nodes of an archive or a base',
    check: async (site) => {
      const list = await site.files(`${FROM}ADD devices.tar /\nRUN echo x > /d/beside\n`);
      assert.match(list, /crw-r--r-- 0\/0 +1,3 .* d\/null\n/);
    },
  },
  {
    group: 'Files',
    name: 'device nodes that a step makes',
    check: async (site) => {
      const list = await site.files(`${FROM}RUN mknod /null c 1 3\n`);
      assert.match(list, /crw-r--r-- 0\/0 +1,3 .* null\n/);
    },
  },
  built('Files', 'trees of thousands of files', `${FROM}RUN mkdir /t && cd /t && i=0 && while [ $i -lt 20 ]; do mkdir $i; (cd $i; for j in $(seq 100); do echo $j > $j; done); i=$((i+1)); done\nRUN [ $(find /t -type f | wc -l) = 2000 ] && rm -rf /t/7\nRUN [ $(find /t -type f | wc -l) = 1900 ]\n`),
]; // prettier-ignore

const MOUNTS: readonly Feature[] = [
  built('Mounts', '`--mount=type=bind` of context, stage and image', `FROM busybox AS a\nRUN echo x > /x\n${FROM}RUN --mount=target=/c --mount=from=a,source=/x,target=/m/x --mount=from=busybox,source=/bin,target=/b cmp /c/a /c/a && grep x /m/x && test -x /b/busybox\nRUN test ! -e /m && test ! -e /c\n`),
  built('Mounts', 'what is written into a bind stays nowhere', `${FROM}RUN --mount=target=/c,rw echo new > /c/a && grep new /c/a\nRUN --mount=target=/c (echo new > /c/a) 2>/dev/null; true\nRUN --mount=target=/c grep context /c/a\n`),
  {
    group: 'Mounts',
    name: '`--mount=type=cache`, shared, locked and private',
    check: async (site) => {
      const cache = (sharing: string, then: string): string => `RUN --mount=type=cache,id=${sharing},target=/k,sharing=${sharing} ${then}\n`;
      const all = (then: string): string => ['shared', 'locked', 'private'].map((sharing) => cache(sharing, then)).join('');
      await site.build(`${FROM}${all('echo first > /k/f')}${all('grep first /k/f')}RUN test ! -e /k\n`);
      await site.build(`${FROM}${all('grep first /k/f && echo again')}`);
    },
  },
  built('Mounts', '`--mount=type=cache,from=`', `FROM busybox AS a\nRUN mkdir /s && echo seed > /s/f\n${FROM}RUN --mount=type=cache,from=a,source=/s,target=/k grep seed /k/f\n`),
  built('Mounts', '`--mount=type=cache,source=`, a folder of the cache', `${FROM}RUN --mount=type=cache,id=part,target=/k mkdir -p /k/d && echo in > /k/d/f && echo out > /k/f && ln -sfn ../../d /k/l\nRUN --mount=type=cache,id=part,source=d,target=/k [ "$(ls /k)" = f ] && grep in /k/f && echo more > /k/more\nRUN --mount=type=cache,id=part,source=l,target=/k grep more /k/more\nRUN --mount=type=cache,id=part,target=/k grep out /k/f && grep more /k/d/more\nRUN --mount=type=cache,id=part,source=f,target=/k grep out /k\n`),
  built('Mounts', '`--mount=type=tmpfs`', `${FROM}RUN --mount=type=tmpfs,target=/t,size=2m [ -z "$(ls /t)" ] && echo x > /t/x && [ "$(stat -c %a /t)" = 1777 ]\nRUN test ! -e /t\n`),
  {
    group: 'Mounts',
    name: '`--mount=type=secret` as file and as variable',
    check: async (site) => {
      const { log } = await site.build(
        `${FROM}RUN --mount=type=secret,id=token --mount=type=secret,id=token,env=TOKEN [ "$(cat /run/secrets/token)" = "$TOKEN" ] && [ $(stat -c %a /run/secrets/token) = 400 ] && echo "<$TOKEN>"\nRUN test ! -e /run/secrets/token\n`,
        ['--secret', 'id=token,env=SITE_TOKEN'],
        { SITE_TOKEN: 'value-of-the-token' },
      );
      assert.match(log, /<\*\*\*\*>/);
      assert.doesNotMatch(log, /value-of-the-token/);
    },
  },
  {
    group: 'Mounts',
    name: '`--mount=type=ssh`',
    check: async (site) => {
      const socket = join(site.folder, 'agent.sock');
      const server = createServer().listen(socket);
      try {
        await site.build(`${FROM}RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"\n`, ['--ssh', `default=${socket}`]);
      } finally {
        server.close();
      }
    },
  },
]; // prettier-ignore

const NETWORK: readonly Feature[] = [
  built('Network', '`--network=default`', `${FROM}RUN grep localhost /etc/hosts && test -r /etc/resolv.conf\n`),
  built('Network', '`--network=none`', `${FROM}RUN --network=none [ "$(ip -o link | wc -l)" = 1 ]\n`),
  built('Network', '`--network=host`', `${FROM}RUN --network=host ip -o link\n`, ['--allow', 'network.host']),
  built('Network', '`--add-host`', `${FROM}RUN grep '^10.1.2.3.*db' /etc/hosts\n`, ['--add-host', 'db:10.1.2.3']),
]; // prettier-ignore

const LIMITS: readonly Feature[] = [
  built('Limits', '`--memory`, `--cpus`, `--pids-limit`', `${FROM}RUN echo limited\n`, ['--memory', '64m', '--cpus', '1', '--pids-limit', '50']),
  built('Limits', '`--ulimit`', `${FROM}RUN [ "$(ulimit -n)" = 100 ]\n`, ['--ulimit', 'nofile=100:200']),
  built('Limits', '`--shm-size`: more than the usual 64 MB', `${FROM}RUN fallocate -l 66m /dev/shm/large\n`, ['--shm-size', '70m']),
  {
    group: 'Limits',
    name: '`--step-timeout`, whatever the step ignores',
    check: async (site) => {
      const { code } = await site.failure(`${TOOL}RUN tool stubborn\n`, ['--step-timeout', '2s']);
      assert.equal(code, 'EXEC_TIMEOUT');
    },
  },
  {
    group: 'Limits',
    name: '`--log-limit`',
    check: async (site) => {
      const { log } = await site.build(`${FROM}RUN yes | head -c 3000000\n`, ['--log-limit', '1000']);
      assert.match(log, /output clipped/);
      assert.ok(log.length < 100_000);
    },
  },
]; // prettier-ignore

const RIGHTS: readonly Feature[] = [
  built('Rights', '`--no-new-privileges`', `${TOOL}RUN [ "$(tool nonewprivs)" = 1 ]\n`, ['--no-new-privileges']),
  built('Rights', '`--security=insecure`: mounts in a step', `# syntax=docker/dockerfile:1-labs\n${FROM}RUN --security=insecure mount -t tmpfs none /mnt 2>&1 || { mkdir -p /mnt; mount -t tmpfs none /mnt; }\n`, ['--allow', 'security.insecure']),
  built('Rights', '`--device`', `${FROM}RUN test -c /dev/full\nRUN test -c /dev/fuse\n`, ['--device', '/dev/fuse', '--allow', 'device']),
]; // prettier-ignore

const RESULTS: readonly Feature[] = [
  {
    group: 'Results',
    name: 'several platforms',
    check: async (site) => {
      await site.build('FROM --platform=$BUILDPLATFORM busybox AS a\nARG TARGETARCH\nRUN echo $TARGETARCH > /x\nFROM scratch\nCOPY --from=a /x /x\n', ['--platform', 'linux/amd64,linux/arm64', '-o', `type=oci,dest=${site.folder}/i.tar`]);
      const index = execFileSync('tar', ['-xOf', join(site.folder, 'i.tar'), 'index.json'], { encoding: 'utf8' });
      assert.match(index, /image\.index/);
    },
  },
  {
    group: 'Results',
    name: 'folder, tar, OCI and Docker archives, push',
    check: async (site) => {
      const tag = `${site.registry}/rungs-${process.pid}/${site.name}:1`;
      const outputs = ['type=local,dest=out', 'type=tar,dest=o.tar', 'type=oci,dest=oci.tar', 'type=docker,dest=docker.tar', `type=registry,name=${tag}`];
      await site.build(`${FROM}RUN echo x > /x\nFROM scratch\nCOPY --from=0 /x /x\n`, outputs.flatMap((output) => ['-o', output]));
      assert.equal(readFileSync(join(site.folder, 'out/x'), 'utf8'), 'x\n');
      for (const name of ['o.tar', 'oci.tar', 'docker.tar']) assert.ok(existsSync(join(site.folder, name)), name);
    },
  },
  {
    group: 'Results',
    name: 'cache: a second build, and one on a new store from a shared cache',
    check: async (site) => {
      const dockerfile = `${FROM}COPY a /a\nRUN cat /proc/uptime /a > /u 2>/dev/null; cat /a >> /u\n`;
      const place = `type=local,dest=${site.folder}/cache`;
      await site.build(dockerfile, ['--cache-to', `${place},mode=max`]);
      const again = await site.build(dockerfile, []);
      assert.doesNotMatch(again.log, /RUN.*\n#\d+ DONE/);
      const fresh = await site.build(dockerfile, ['--root', join(site.folder, 'fresh'), '--cache-from', `type=local,src=${site.folder}/cache`]);
      assert.match(fresh.log, /RUN.*\n#\d+ CACHED/);
    },
  },
]; // prettier-ignore

/** All rows, in the order of the table. */
export const FEATURES: readonly Feature[] = [...STEPS, ...FILES, ...MOUNTS, ...NETWORK, ...LIMITS, ...RIGHTS, ...RESULTS];
