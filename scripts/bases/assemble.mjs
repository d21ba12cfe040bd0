// Stand-ins for the usual bases where no public registry answers: root filesystems assembled from the distribution's packages.
// `debian` is one layer; `golang`, `nginx` and `alpine` are layers on top of it; `busybox` is one static program.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ensurePrograms, findProgram, packageMirror } from '../programs.mjs';
import { packLayer, pushImage, pushIndex } from './image.mjs';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Name of each stand-in → how it is made. `packages` are installed over `debian`; `tags` are all the names it answers to. */
const RECIPES = {
  busybox: { tags: ['latest', '1', 'stable', 'musl'], config: { Env: [PATH], Cmd: ['sh'] } },
  debian: { tags: ['latest', 'bookworm', 'bookworm-slim', '12', '12-slim', 'stable-slim'], config: { Env: [PATH], Cmd: ['bash'] } },
  golang: {
    tags: ['latest', '1', '1.21', '1.22', '1.21-bookworm'],
    packages: ['golang-go'],
    config: {
      Env: [
        'PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'GOPATH=/go',
        'GOTOOLCHAIN=local',
        'GOFLAGS=-buildvcs=false',
      ],
      Cmd: ['bash'],
      WorkingDir: '/go',
    },
    folders: ['go/bin', 'go/src'],
    version: 'go version',
  },
  nginx: {
    tags: ['latest', '1', 'stable'],
    packages: ['nginx-light'],
    config: { Env: [PATH], Cmd: ['nginx', '-g', 'daemon off;'], ExposedPorts: { '80/tcp': {} }, StopSignal: 'SIGQUIT' },
    version: 'nginx -v 2>&1',
  },
  // Bases to copy programs onto: a Debian that is older, one that is newer, and a base whose C library is musl.
  'debian-bullseye': {
    repository: 'debian',
    suite: 'bullseye',
    tags: ['bullseye', 'bullseye-slim', '11'],
    config: { Env: [PATH], Cmd: ['bash'] },
  },
  'debian-trixie': { repository: 'debian', suite: 'trixie', tags: ['trixie', 'trixie-slim', '13'], config: { Env: [PATH], Cmd: ['bash'] } },
  musl: { tags: ['latest'], config: { Env: [PATH], Cmd: ['sh'] } },
  alpine: { tags: ['latest', '3', '3.19', '3.20'], packages: ['busybox-static'], config: { Env: [PATH], Cmd: ['/bin/sh'] }, apk: true },
};

/** Names that can be assembled. */
export const BASES = Object.keys(RECIPES);

/**
 * Pushes the named stand-ins to a registry, assembling what is not in `cache` yet.
 * @returns {Promise<string[]>} one line about each, for people.
 */
export async function assembleBases(names, { cache, address, log = () => {} }) {
  mkdirSync(cache, { recursive: true });
  const lines = [];
  for (const name of names) {
    const recipe = RECIPES[name];
    if (recipe === undefined) throw new Error(`no stand-in for ${name}: there are ${BASES.join(', ')}`);
    const { layers, about } = await layersOf(name, recipe, cache, log);
    for (const tag of recipe.tags) {
      const manifest = await pushImage(address, `library/${recipe.repository ?? name}`, tag, layers, recipe.config);
      if (name === 'busybox') await pushForeign(address, recipe, tag, manifest, cache);
    }
    lines.push(`${recipe.repository ?? name}:${recipe.tags.join(', ')}: ${about}`);
  }
  return lines;
}

/** busybox for arm64 too (empty but for a marker where the other program cannot be had): a base for cross builds. */
async function pushForeign(address, recipe, tag, native, cache) {
  const other = native.platform.architecture === 'amd64' ? 'arm64' : 'amd64';
  const program = join(cache, `busybox-${other}`);
  if (!existsSync(program)) return;
  const folder = join(cache, `root-busybox-${other}`);
  busyboxRoot(folder, program);
  const layer = await layerOfFolder(folder, join(cache, `busybox-${other}.tar`));
  const foreign = await pushImage(address, 'library/busybox', `${tag}-${other}`, [layer], recipe.config, other);
  await pushIndex(address, 'library/busybox', tag, [native, foreign]);
}

async function layersOf(name, recipe, cache, log) {
  const file = join(cache, `${name}.json`);
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    if (kept.layers.every((layer) => existsSync(layer.file))) return kept;
  }
  log(`assembling ${name} from Debian packages`);
  const made =
    name === 'busybox'
      ? await makeBusybox(cache)
      : name === 'musl'
        ? await makeMusl(cache)
        : name === 'debian' || recipe.suite !== undefined
          ? await makeDebian(cache, name, recipe.suite)
          : await makeOverDebian(name, recipe, cache, log);
  writeFileSync(`${file}.new`, JSON.stringify(made));
  renameSync(`${file}.new`, file);
  return made;
}

async function makeBusybox(cache) {
  ensurePrograms({ '/usr/bin/busybox': 'busybox-static', 'dpkg-deb': 'dpkg' });
  const folder = join(cache, 'root-busybox');
  busyboxRoot(folder, existsSync('/usr/bin/busybox') ? '/usr/bin/busybox' : findProgram('busybox'));
  const other = process.arch === 'arm64' ? 'amd64' : 'arm64';
  fetchForeignBusybox(cache, other);
  return { layers: [await layerOfFolder(folder, join(cache, 'busybox.tar'))], about: 'Debian’s busybox-static' };
}

/** The same program for another architecture, out of its package; left out when the mirror has none. */
function fetchForeignBusybox(cache, architecture) {
  const scratch = join(cache, `deb-${architecture}`);
  mkdirSync(scratch, { recursive: true });
  try {
    const apt = [
      '-o',
      `APT::Architecture=${architecture}`,
      '-o',
      `APT::Architectures=${architecture}`,
      '-o',
      `Dir::State=${scratch}/state`,
      '-o',
      `Dir::Cache=${scratch}/cache`,
      '-o',
      'Dir::State::status=/dev/null',
      '-o',
      'APT::Sandbox::User=root',
    ];
    mkdirSync(join(scratch, 'state/lists/partial'), { recursive: true });
    mkdirSync(join(scratch, 'cache/archives/partial'), { recursive: true });
    execFileSync('apt-get', [...apt, 'update', '-qq'], { stdio: 'ignore' });
    execFileSync('apt-get', [...apt, 'download', '-qq', `busybox-static:${architecture}`], { cwd: scratch, stdio: 'ignore' });
    const deb = readdirSync(scratch).find((entry) => entry.endsWith('.deb'));
    execFileSync('dpkg-deb', ['-x', deb, 'out'], { cwd: scratch });
    const program = ['usr/bin/busybox', 'bin/busybox'].map((path) => join(scratch, 'out', path)).find((path) => existsSync(path));
    copyFileSync(program, join(cache, `busybox-${architecture}`));
  } catch {
    // Only cross builds need it, and their tests say so when it is missing.
  }
  rmSync(scratch, { recursive: true, force: true });
}

function busyboxRoot(folder, program) {
  rmSync(folder, { recursive: true, force: true });
  for (const path of ['bin', 'dev', 'etc', 'home', 'proc', 'root', 'sys', 'tmp', 'usr/bin', 'usr/sbin', 'var/www', 'var/spool/mail'])
    mkdirSync(join(folder, path), { recursive: true });
  chmodSync(join(folder, 'tmp'), 0o1777);
  copyFileSync(program, join(folder, 'bin/busybox'));
  chmodSync(join(folder, 'bin/busybox'), 0o755);
  const applets = execFileSync('/usr/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets.filter((entry) => entry !== 'busybox')) symlinkSync('busybox', join(folder, 'bin', applet));
  symlinkSync('../../bin/env', join(folder, 'usr/bin/env'));
  writeFileSync(
    join(folder, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
  );
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\n');
}

/** busybox, and musl's loader where the package has it. */
async function makeMusl(cache) {
  ensurePrograms({ '/usr/bin/busybox': 'busybox-static', '/lib/ld-musl-x86_64.so.1': 'musl', 'dpkg-deb': 'dpkg' });
  const folder = join(cache, 'root-musl');
  busyboxRoot(folder, '/usr/bin/busybox');
  const files = execFileSync('dpkg', ['-L', 'musl'], { encoding: 'utf8' })
    .split('\n')
    .filter((path) => /^\/(lib|etc)\//.test(path));
  for (const path of files) {
    if (statSync(path).isDirectory()) continue;
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    if (lstatSync(path).isSymbolicLink()) symlinkSync(readlinkSync(path), target);
    else copyFileSync(path, target);
  }
  return { layers: [await layerOfFolder(folder, join(cache, 'musl.tar'))], about: 'Debian’s musl and busybox-static' };
}

/** A Debian of this machine's release, or of another `suite` and then without anything that its minimum lacks. */
async function makeDebian(cache, name, suite) {
  ensurePrograms({ mmdebstrap: 'mmdebstrap' });
  const folder = join(cache, `root-${name}`);
  rmSync(folder, { recursive: true, force: true });
  const release = readFileSync('/etc/os-release', 'utf8');
  const own = /^VERSION_CODENAME=(\S+)/m.exec(release)?.[1] ?? 'stable';
  execFileSync(
    'mmdebstrap',
    [
      '--quiet',
      '--variant=minbase',
      ...(suite === undefined ? ['--include=ca-certificates'] : []),
      '--dpkgopt=path-exclude=/usr/share/man/*',
      '--dpkgopt=path-exclude=/usr/share/locale/*',
      suite ?? own,
      folder,
      ...(suite === undefined ? sources() : [packageMirror()]),
    ],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  return {
    layers: [await layerOfFolder(folder, join(cache, `${name}.tar`))],
    about: `${suite ?? /^PRETTY_NAME="(.*)"/m.exec(release)?.[1] ?? own}, minbase`,
  };
}

/** The machine's own package sources: what it reaches, the stand-ins can reach. */
function sources() {
  const candidates = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list.d/ubuntu.sources', '/etc/apt/sources.list'];
  return candidates.filter((path) => existsSync(path) && statSync(path).size > 0).slice(0, 1);
}

async function makeOverDebian(name, recipe, cache, log) {
  const debian = await layersOf('debian', RECIPES.debian, cache, log);
  const [lower, upper, work, merged] = ['root-debian', `upper-${name}`, `work-${name}`, `merged-${name}`].map((part) => join(cache, part));
  for (const folder of [upper, work, merged]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  }
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, merged]);
  let version;
  try {
    copyFileSync('/etc/resolv.conf', join(merged, 'etc/resolv.conf'));
    const inRoot = (command) =>
      execFileSync('chroot', [merged, 'sh', '-c', command], {
        encoding: 'utf8',
        env: { PATH: PATH.slice(5), DEBIAN_FRONTEND: 'noninteractive', HOME: '/root' },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    writeFileSync(join(merged, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    inRoot(
      `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${recipe.packages.join(' ')} && rm -rf /usr/sbin/policy-rc.d /var/cache/apt/*.bin /var/cache/apt/archives/*.deb`,
    );
    for (const path of recipe.folders ?? []) mkdirSync(join(merged, path), { recursive: true });
    if (recipe.apk === true) writeFileSync(join(merged, 'usr/local/bin/apk'), APK, { mode: 0o755 });
    version = recipe.version === undefined ? 'Debian with an `apk` that brings Debian’s packages' : inRoot(recipe.version).trim();
    rmSync(join(merged, 'etc/resolv.conf'), { force: true });
  } finally {
    execFileSync('umount', [merged]);
  }
  dropWhiteouts(upper);
  return { layers: [...debian.layers, await layerOfFolder(upper, join(cache, `${name}.tar`))], about: `stand-in: ${version}` };
}

/** Deleted files of the lower layer stay; what the stand-ins need of it is there either way. */
function dropWhiteouts(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) dropWhiteouts(path);
    else if (entry.isCharacterDevice() && lstatSync(path).rdev === 0) rmSync(path);
  }
}

async function layerOfFolder(folder, tar) {
  execFileSync('tar', [
    '--numeric-owner',
    '--sort=name',
    '--mtime=@1700000000',
    '--xattrs',
    '--xattrs-include=security.capability',
    '--exclude=./var/lib/apt/lists/*',
    '--exclude=./dev/*',
    '-C',
    folder,
    '-cf',
    tar,
    '.',
  ]);
  const layer = await packLayer(tar);
  rmSync(tar);
  return layer;
}

/** `apk add`, `apk update` and `apk del` for the stand-in: Alpine's names are turned into Debian's, and the packages really come. */
const APK = `#!/bin/sh
# Stand-in for Alpine's package manager: brings the Debian packages of the same purpose.
set -e
command=; names=
for word in "$@"; do
  case "$word" in
    -t|--virtual) skip=1 ;;
    -*) ;;
    *) if [ -n "\${skip:-}" ]; then skip=; elif [ -z "$command" ]; then command=$word; else names="$names $word"; fi ;;
  esac
done
case "$command" in
  update|upgrade|fix) apt-get update -qq ;;
  del) ;;
  info) dpkg-query -W -f='\${Package}\\n' ;;
  add)
    set --
    for name in $names; do
      case "$name" in
        .*) ;;
        build-base|alpine-sdk) set -- "$@" g++ make libc6-dev ;;
        g++|gcc|make|cmake|curl|git|bash|file|patch) set -- "$@" "$name" ;;
        musl-dev|libc-dev) set -- "$@" libc6-dev ;;
        linux-headers) set -- "$@" linux-libc-dev ;;
        ca-certificates*) set -- "$@" ca-certificates ;;
        openssl-dev) set -- "$@" libssl-dev ;;
        zlib-dev) set -- "$@" zlib1g-dev ;;
        libstdc++) set -- "$@" libstdc++6 ;;
        py3-*) set -- "$@" "python3-\${name#py3-}" ;;
        *-dev) set -- "$@" "lib\${name}" ;;
        *) set -- "$@" "$name" ;;
      esac
    done
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    echo "OK: $*" ;;
  *) echo "apk (stand-in): unknown command: $command" >&2; exit 1 ;;
esac
`;
