// The flags of `slipway build`: names, short forms and meaning of `docker buildx build`, and ours.

import type { Flag } from './flags.ts';

const text = (name: string, value: string, about: string, more: Partial<Flag> = {}): Flag => ({
  name,
  kind: 'string',
  value,
  about,
  ...more,
});
const list = (name: string, value: string, about: string, more: Partial<Flag> = {}): Flag => ({
  name,
  kind: 'list',
  value,
  about,
  ...more,
});
const bool = (name: string, about: string, more: Partial<Flag> = {}): Flag => ({ name, kind: 'bool', about, ...more });

/** Flags that every command takes. */
export const COMMON_FLAGS: readonly Flag[] = [
  text('root', 'DIR', 'Store of results (default SLIPWAY_ROOT, then /var/lib/slipway; of ordinary users ~/.local/share/slipway)'),
  text('config', 'FILE', 'Configuration file (TOML; default SLIPWAY_CONFIG, then the user’s, then /etc/slipway)'),
  text('rung', 'NAME', 'Force a level of isolation (see slipway info)'),
  bool('debug', 'Show stack traces of errors', { short: 'D' }),
  bool('help', 'Show this help', { short: 'h' }),
];

/** Values of `--provenance` and `--sbom` where Docker's users write them without `=`: no context is called so. */
const ATTEST_VALUES = /^(?:true|false|t|f|1|0|min|max|[a-z-]+=.*)$/i;

/** Methods of `--call`: no context is called so either. */
const CALL_METHODS = /^(?:build|check|lint|outline|targets|describe|subrequests\.describe)(?:,.*)?$/;

export const BUILD_FLAGS: readonly Flag[] = [
  list('add-host', 'HOST:IP', 'Add a line to /etc/hosts of every RUN'),
  list('allow', 'ENTITLEMENT', 'Allow network.host, security.insecure, device or buildx.local.delete'),
  list('annotation', '[TYPE:]K=V', 'Annotate the image'),
  bool('all-stages', 'Build every stage up to the target, as the classic builder does'),
  list('attest', 'type=…', 'Attach an attestation'),
  list('build-arg', 'K[=V]', 'Set a build argument; without value, from the environment'),
  list('build-context', 'NAME=…', 'Add a named context: folder, docker-image://, oci-layout://, git or http'),
  text('builder', 'NAME', 'Ignored: there is no builder to choose', { hidden: true }),
  list('cache-from', 'type=…', 'Import a cache'),
  list('cache-to', 'type=…', 'Export the cache'),
  text('call', 'METHOD', 'Instead of building: check, outline, targets, describe (,format=json)'),
  text('cgroup-parent', 'PATH', 'Parent cgroup of every RUN'),
  bool('check', 'Same as --call=check'),
  bool('compress', 'Ignored', { hidden: true }),
  list('device', 'NAME', 'Let RUN use a device (CDI name or path)'),
  bool('explain', 'Say for every executed step why it ran'),
  text('file', 'PATH', 'Dockerfile (default: PATH/Dockerfile); - reads standard input', { short: 'f' }),
  bool('force-rm', 'Ignored', { hidden: true }),
  list('gate', 'STAGE', 'A stage that must succeed before anything is exported; globs allowed'),
  text('iidfile', 'FILE', 'Write the image id there'),
  text('isolation', 'NAME', 'Ignored', { hidden: true }),
  list('label', 'K=V', 'Set a label of the image'),
  bool('load', 'Load the image into Docker or Podman'),
  text('log-limit', 'BYTES', 'Output kept of one RUN (default 2m; -1: all)'),
  text('metadata-file', 'FILE', 'Write facts about the build there, as JSON'),
  text('memory', 'BYTES', 'Memory of every RUN', { short: 'm' }),
  text('memory-swap', 'BYTES', 'Memory and swap of every RUN; -1: unlimited swap'),
  text('cpu-shares', 'N', 'Relative weight of every RUN', { short: 'c' }),
  text('cpu-period', 'µs', 'Scheduler period of every RUN'),
  text('cpu-quota', 'µs', 'Processor time in each period of every RUN'),
  text('cpuset-cpus', 'LIST', 'Processors every RUN may use'),
  text('cpuset-mems', 'LIST', 'Memory nodes every RUN may use'),
  text('cpus', 'N', 'Processors every RUN may use at a time'),
  text('pids-limit', 'N', 'Processes every RUN may have'),
  text('report', 'FILE', 'Write a report of the build there: a page (.html) or its data (.json)'),
  list('resource', 'K=V', 'Limits of every RUN: memory, cpu-quota, …'),
  text('network', 'MODE', 'Network of RUN: default, none, host'),
  bool('no-cache', 'Use no known result'),
  list('no-cache-filter', 'STAGE', 'Use no known result in these stages'),
  bool('no-new-privileges', 'Run every RUN with no_new_privs'),
  list('output', 'type=…', 'Where the result goes: oci, docker, tar, local, image, registry, cacheonly', { short: 'o' }),
  list('platform', 'OS/ARCH', 'Platform to build for; several give an index'),
  text('print', 'METHOD', 'Same as --call', { hidden: true, implied: 'outline', values: CALL_METHODS }),
  text('progress', 'MODE', 'auto, tty, plain, rawjson, quiet'),
  text('provenance', 'MODE', 'Attach provenance: true, false, mode=min|max', { implied: 'true', values: ATTEST_VALUES }),
  bool('pull', 'Ask the registry for every base'),
  bool('push', 'Push the image'),
  bool('quiet', 'Print only the image id', { short: 'q' }),
  bool('rm', 'Ignored', { hidden: true }),
  text('sbom', 'BOOL', 'Attach a bill of materials', { implied: 'true', values: ATTEST_VALUES }),
  list('secret', 'id=…', 'Give RUN a secret: id=NAME[,src=FILE|,env=VAR]'),
  list('security-opt', 'OPTION', 'Ignored', { hidden: true }),
  text('shm-size', 'BYTES', 'Size of /dev/shm in RUN'),
  bool('squash', 'Ignored', { hidden: true }),
  list('ssh', 'default|ID=…', 'Give RUN an SSH agent or keys'),
  text('step-timeout', 'TIME', 'Longest time of one RUN (90s, 15m)'),
  list('tag', 'NAME', 'Name of the image', { short: 't' }),
  text('target', 'STAGE', 'Stage to build'),
  text('trust', 'FILE', 'Trust policy: what images from registries must have (TOML)'),
  list('ulimit', 'NAME=SOFT[:HARD]', 'Limits of processes in RUN'),
  ...COMMON_FLAGS,
];
