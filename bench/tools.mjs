// What is compared: Slipway, and the peers that this machine has. A tool turns a task into a shell command.

import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processesNamed } from './measure.mjs';

const product = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Slipway from `dist/`, with a store below `work`. */
export function slipway(work, { registry, bin = join(product, 'bin/slipway.js') }) {
  const root = join(work, 'store');
  const config = join(work, 'slipway.toml');
  writeFileSync(config, registry === undefined ? '' : `[registry."docker.io"]\nmirrors = ["${registry}"]\n`);
  const env = { SLIPWAY_ROOT: root, SLIPWAY_CONFIG: config };
  return {
    name: 'slipway',
    env,
    daemons: () => [],
    memory: true,
    reset: () => rmSync(root, { recursive: true, force: true }),
    command: ({ context, file, output, cache, bake }) => {
      if (bake !== undefined) return `node ${bin} ${bakeWords(bake)}`;
      // As the peers below: whoever gives a step a network of its own starts a program more.
      return `node ${bin} build -q --network=host ${cacheFlags(cache)} -f ${file} ${outputFlags(output)} ${context}`;
    },
    raw: (args) => `node ${bin} ${args}`,
    // Whatever it reads of itself.
    touch: `cat $(command -v node) ${product}/dist/* ${product}/node_modules/@koromix/*/* >/dev/null 2>&1`,
  };
}

/** Where a result goes, in flags that Slipway and buildx both have. */
function outputFlags(output) {
  switch (output.kind) {
    case 'store':
      return `-t ${output.name}`;
    case 'cache':
      return '-o type=cacheonly';
    case 'oci':
    case 'local':
      return `-o type=${output.kind},dest=${output.path}`;
    case 'push':
      return `-t ${output.name} --push`;
  }
}

/** A cache in a registry that is read first and written last, as a pipeline keeps it between machines. `from` is left out when there is none yet. */
function cacheFlags(cache) {
  if (cache === undefined) return '';
  const to = `--cache-to type=registry,mode=max,ref=${cache.name}`;
  return cache.isNew ? to : `--cache-from type=registry,ref=${cache.name} ${to}`;
}

/** The targets of a Bake file, which says what they read and write. */
function bakeWords(file) {
  return `bake --progress=quiet --allow=fs=* --allow=network.host -f ${file}`;
}

/** Seconds after which a peer is taken to stand still: nothing here takes one a third of it. */
const PATIENCE = 240;

/** BuildKit as Docker's engine runs it; undefined without one. `docker`: the client, or a wrapper around it. */
export function buildkit(docker) {
  if (docker === undefined || !answers(docker, ['buildx', 'version']) || !answers(docker, ['version'])) return undefined;
  return {
    name: 'buildkit',
    env: {},
    daemons: () => [...processesNamed('dockerd'), ...processesNamed('buildkitd')],
    memory: false,
    reset: () => {
      // Images of earlier phases keep what they stand on: they go too, so that a base is pulled anew.
      const ids = run(docker, ['images', '-q', '--filter', 'reference=*/bench/*', '--filter', 'reference=bench/*']).stdout.trim();
      if (ids !== '') run(docker, ['rmi', '-f', ...new Set(ids.split('\n'))]);
      // It waits for every other build of the daemon.
      const { status } = run('timeout', ['120', docker, 'buildx', 'prune', '-af']);
      if (status !== 0) console.error('  buildkit: the cache could not be emptied, so the next phase is not cold');
    },
    touch: `${docker} buildx version && ${docker} version`,
    command: ({ context, file, output, cache, bake }) => {
      if (bake !== undefined) return `timeout ${PATIENCE} ${docker} buildx ${bakeWords(bake)} --provenance=false`;
      // Now and then one stands still, mostly while it receives 20,000 files: it waits for a lock of its own, and uses no processor.
      return `timeout ${PATIENCE} ${docker} buildx build --provenance=false --network=host --progress=quiet ${cacheFlags(cache)} -f ${file} ${outputFlags(output)} ${context}`;
    },
  };
}

/** Buildah; undefined without it. It has no equal of some outputs: those tasks are left out (`command` gives undefined). */
export function buildah(program) {
  if (program === undefined || !answers(program, ['--version'])) return undefined;
  const [files, processes] = ['-Hn', '-Hu'].map((flag) => run('bash', ['-c', `ulimit ${flag}`]).stdout.trim());
  const limits = `--ulimit nofile=${files}:${files} --ulimit nproc=${processes}:${processes}`;
  const build = `${program} bud -q ${limits} --isolation oci --runtime runc --network host --layers`;
  return {
    name: 'buildah',
    env: {},
    daemons: () => [],
    memory: false,
    reset: () => void run(program, ['rmi', '-af']),
    touch: `${program} images`,
    command: ({ context, file, output }) => {
      const name = output.kind === 'store' ? output.name : 'localhost/bench/out';
      const push = { store: '', oci: ` && ${program} push -q ${name} oci-archive:${output.path}` }[output.kind];
      return push === undefined ? undefined : `${build} -t ${name} -f ${file} ${context}${push}`;
    },
  };
}

function answers(program, args) {
  return run(program, args).status === 0;
}

function run(program, args) {
  return spawnSync(program, args, { encoding: 'utf8', cwd: '/tmp' });
}
