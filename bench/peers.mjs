// The peers, where the machine has none: Docker's engine (with its BuildKit) and buildah from the packages of a newer Debian, in a root
// of their own. Nothing of the machine is changed: mounts and processes are in namespaces that end with us.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms, findProgram, packageMirror } from '../scripts/programs.mjs';

const PACKAGES = 'ca-certificates,docker.io,docker-cli,docker-buildx,buildah,netavark,runc,crun,git,iproute2';
const READY_SECONDS = 120;

/**
 * Starts them. `folder` keeps the root between runs (900 MB); `shared` is a folder that they must see; `mirror` is the registry that stands
 * for Docker Hub. Returns programs `docker` and `buildah`, and `stop`; undefined, with the reason on stderr, where there can be none.
 */
export async function startPeers({ folder, shared, mirror }) {
  if (process.getuid() !== 0) return none('they need root');
  try {
    ensurePrograms({ mmdebstrap: 'mmdebstrap', nsenter: 'util-linux' });
    const root = makeRoot(folder);
    configure(root, mirror);
    const engine = startEngine(root, shared);
    const pid = await firstChild(engine);
    const stop = async () => {
      const ended = new Promise((resolve) => engine.once('exit', resolve));
      engine.kill('SIGKILL'); // and with it, by --kill-child, all in its PID namespace
      await ended;
    };
    const programs = Object.fromEntries(['docker', 'buildah'].map((name) => [name, wrapper(folder, root, pid, name)]));
    for (let waited = 0; spawnSync(programs.docker, ['version'], { cwd: '/' }).status !== 0; waited += 1) {
      if (waited > READY_SECONDS || engine.exitCode !== null) {
        await stop();
        return none(`the engine did not start: ${readFileSync(join(folder, 'root.log'), 'utf8').trim().split('\n').at(-1)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    return { ...programs, stop };
  } catch (error) {
    return none(error.message);
  }
}

function none(why) {
  console.error(`no peers: ${why}`);
  return undefined;
}

/** A root with the packages, made once. */
function makeRoot(folder) {
  const root = join(folder, 'root');
  const done = join(folder, 'root.done');
  if (existsSync(done)) return root;
  rmSync(root, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const suite = process.env['BENCH_SUITE'] ?? 'testing';
  console.error(`making a root of Debian ${suite} with the peers; this takes a minute or two`);
  const options = ['--variant=minbase', '--aptopt=Acquire::Check-Valid-Until "false"', `--include=${PACKAGES}`];
  execFileSync('mmdebstrap', [...options, suite, root, packageMirror()], { stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 26 });
  writeFileSync(done, '');
  return root;
}

function configure(root, mirror) {
  mkdirSync(join(root, 'etc/docker'), { recursive: true });
  mkdirSync(join(root, 'etc/containers/registries.conf.d'), { recursive: true });
  const engine = {
    iptables: false,
    ip6tables: false,
    bridge: 'none',
    features: { 'containerd-snapshotter': true },
    'registry-mirrors': [`http://${mirror}`],
    'insecure-registries': [mirror],
  };
  writeFileSync(join(root, 'etc/docker/daemon.json'), JSON.stringify(engine));
  const entry = (lines) => `[[registry]]\n${lines.join('\n')}\n`;
  const hub = entry(['prefix="docker.io"', 'location="docker.io"', '[[registry.mirror]]', `location="${mirror}"`, 'insecure=true']);
  const own = entry([`location="${mirror}"`, 'insecure=true']);
  writeFileSync(join(root, 'etc/containers/registries.conf.d/bench.conf'), `unqualified-search-registries=["docker.io"]\n${hub}${own}`);
}

/** dockerd in mount and PID namespaces of its own. */
function startEngine(root, shared) {
  const script = `set -e
mount --bind "$1" "$1"
mkdir -p "$1/proc" "$1/sys" "$1/dev" "$1/tmp" "$1/run" "$1$2"
mount -t proc proc "$1/proc"; mount --rbind /sys "$1/sys"; mount --rbind /dev "$1/dev"
mount -t tmpfs run "$1/run"; mount -t tmpfs tmp "$1/tmp"; mkdir -p "$1$2"; mount --bind "$2" "$1$2"
exec chroot "$1" dockerd -H unix:///run/docker.sock >"$3" 2>&1`;
  const args = ['--mount', '--pid', '--fork', '--kill-child', '--', 'sh', '-c', script, 'sh', root, shared, `${root}.log`];
  const child = spawn('unshare', args, { stdio: 'ignore' });
  process.once('exit', () => child.kill('SIGKILL'));
  return child;
}

/** Id of the process in the namespaces. */
async function firstChild({ pid }) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    if (children !== '') return children.split(' ')[0];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the engine has no process');
}

/** A program that runs one of the root's, in the caller's folder. */
function wrapper(folder, root, pid, name) {
  const path = join(folder, name);
  const inside = `'cd "$1" 2>/dev/null || cd /; shift; export HOME=/root; exec ${name} "$@"'`;
  writeFileSync(path, `#!/bin/sh\nexec ${findProgram('nsenter')} -t ${pid} -m -p -- chroot ${root} /bin/sh -c ${inside} sh "$PWD" "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
