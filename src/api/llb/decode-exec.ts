// LLB's exec ops as ours: the process, its mounts, its limits.

import { posix } from 'node:path';
import type { ExecSpec } from '../engine.ts';
import { CONTENT_CACHE, MOUNT_TYPE, NET_MODE, nameOf, SECURITY_MODE, SHARING } from '../enums.ts';
import type { ExecOp, Mount, OpMetadata } from '../gen/llb_pb.ts';
import { decodePath, refuse } from './refuse.ts';

/** What Linux gives to a process as arguments and variables at most, bytes, whatever its limits (`execve(2)`): no step needs more. */
const MAX_ARGUMENT_BYTES = 6 << 20;
/** Mounts of one step. */
const MAX_MOUNTS = 10_000;

/** A process; `index` maps numbers of inputs to those of the inputs that remain. Throws InvalidArgument. */
export function decodeExec(op: ExecOp, index: (old: bigint) => number, metadata: OpMetadata | undefined): ExecSpec {
  const { meta } = op;
  if (meta === undefined || meta.args.length === 0) throw refuse('exec without arguments');
  if (op.mounts.length === 0) throw refuse('exec without mounts');
  if (op.mounts.length > MAX_MOUNTS) throw refuse(`exec with ${op.mounts.length} mounts, more than ${MAX_MOUNTS}`);
  if (argumentBytes(meta) > MAX_ARGUMENT_BYTES) throw refuse('exec with more arguments and variables than Linux gives to a process');
  const cwd = meta.cwd === '' ? '/' : meta.cwd;
  const mounts = op.mounts.map((mount) => ({ ...mount, dest: placeOf(mount.dest, cwd) }));
  if (mounts.filter(({ dest }) => dest === '/').length > 1) throw refuse('exec with more than one mount at /');
  const proxies = proxyEnv(meta.proxyEnv);
  const resources = metadata?.linuxResources;
  return {
    type: 'exec',
    args: meta.args,
    env: meta.env,
    cwd,
    user: meta.user,
    network: decodeNetwork(op.network),
    security: decodeSecurity(op.security),
    mounts: [...mounts.filter((mount) => mount.dest === '/'), ...mounts.filter((mount) => mount.dest !== '/')].map((mount) =>
      decodeMount(mount, index),
    ),
    ...(proxies !== undefined && { proxyEnv: proxies }),
    ...(meta.hostname !== '' && { hostname: meta.hostname }),
    ...(meta.extraHosts.length > 0 && { extraHosts: meta.extraHosts.map(({ host, ip }) => ({ host, ip })) }),
    ...(meta.ulimit.length > 0 && {
      ulimits: meta.ulimit.map(({ name, soft, hard }) => ({ name, soft: Number(soft), hard: Number(hard) })),
    }),
    ...(meta.cgroupParent !== '' && { cgroupParent: meta.cgroupParent }),
    ...(op.cdiDevices.length > 0 && { devices: op.cdiDevices.map(({ name, optional }) => ({ name, optional })) }),
    ...(meta.validExitCodes.length > 0 && { validExitCodes: meta.validExitCodes }),
    ...(op.secretenv.length > 0 && { secretEnv: op.secretenv.map(({ id, name, optional }) => ({ id, name, optional })) }),
    ...(resources !== undefined && {
      resources: {
        ...(resources.memory !== 0n && { memory: Number(resources.memory) }),
        ...(resources.memorySwap !== 0n && { memorySwap: Number(resources.memorySwap) }),
        ...(resources.cpuShares !== 0n && { cpuShares: Number(resources.cpuShares) }),
        ...(resources.cpuPeriod !== 0n && { cpuPeriod: Number(resources.cpuPeriod) }),
        ...(resources.cpuQuota !== 0n && { cpuQuota: Number(resources.cpuQuota) }),
        ...(resources.cpusetCpus !== '' && { cpusetCpus: resources.cpusetCpus }),
        ...(resources.cpusetMems !== '' && { cpusetMems: resources.cpusetMems }),
      },
    }),
  };
}

/** Where a mount is: a path that is not absolute begins at the process's folder. */
function placeOf(dest: string, cwd: string): string {
  return dest === '' || dest.startsWith('/') || !cwd.startsWith('/') ? dest : posix.join(cwd, dest);
}

/** Throws InvalidArgument. */
export function decodeSecurity(mode: number): ExecSpec['security'] {
  const name = nameOf(SECURITY_MODE, mode);
  if (name === undefined) throw refuse(`invalid security mode ${mode}`);
  return name;
}

/** Throws InvalidArgument. */
export function decodeNetwork(mode: number): ExecSpec['network'] {
  const name = nameOf(NET_MODE, mode);
  if (name === undefined) throw refuse(`invalid network mode ${mode}`);
  return name === 'unset' ? 'default' : name;
}

/** What the kernel counts: each text with its end, and where it is. */
function argumentBytes({ args, env }: { readonly args: readonly string[]; readonly env: readonly string[] }): number {
  let bytes = 0;
  for (const texts of [args, env]) for (const text of texts) bytes += Buffer.byteLength(text) + 1 + 8;
  return bytes;
}

function proxyEnv(
  proxy: { httpProxy: string; httpsProxy: string; ftpProxy: string; noProxy: string; allProxy: string } | undefined,
): Record<string, string> | undefined {
  if (proxy === undefined) return undefined;
  const env: Record<string, string> = {};
  for (const [name, value] of [
    ['HTTP_PROXY', proxy.httpProxy],
    ['HTTPS_PROXY', proxy.httpsProxy],
    ['FTP_PROXY', proxy.ftpProxy],
    ['NO_PROXY', proxy.noProxy],
    ['ALL_PROXY', proxy.allProxy],
  ] as const) {
    if (value === '') continue;
    env[name] = value;
    env[name.toLowerCase()] = value;
  }
  return Object.keys(env).length === 0 ? undefined : env;
}

/** A mount; `index` maps numbers of inputs. Throws InvalidArgument. */
export function decodeMount(mount: Mount, index: (old: bigint) => number): ExecSpec['mounts'][number] {
  const type = nameOf(MOUNT_TYPE, mount.mountType);
  if (type === undefined) throw refuse(`unknown mount type ${mount.mountType}`);
  if (!mount.dest.startsWith('/') || mount.dest.includes('\0'))
    throw refuse(`mount destination ${JSON.stringify(mount.dest)} is not absolute`);
  const sharing = nameOf(SHARING, mount.cacheOpt?.sharing ?? 0);
  if (sharing === undefined) throw refuse(`unknown cache sharing ${mount.cacheOpt?.sharing}`);
  return {
    type,
    input: index(mount.input),
    selector: decodePath(mount.selector),
    dest: mount.dest,
    output: Number(mount.output),
    readonly: mount.readonly,
    ...(type === 'cache' && { cache: { id: mount.cacheOpt?.id ?? '', sharing } }),
    ...(type === 'tmpfs' && {
      tmpfs: mount.tmpfsOpt === undefined || mount.tmpfsOpt.size === 0n ? {} : { size: Number(mount.tmpfsOpt.size) },
    }),
    ...(type === 'secret' && { secret: owned(mount.secretOpt, 0o400) }),
    ...(type === 'ssh' && { ssh: owned(mount.sshOpt, 0o600) }),
    ...(mount.contentCache === CONTENT_CACHE.on && { contentCache: 'on' as const }),
    ...(mount.contentCache === CONTENT_CACHE.off && { contentCache: 'off' as const }),
  };
}

function owned(
  option: { id: string; uid: number; gid: number; mode: number; optional: boolean } | undefined,
  mode: number,
): { id: string; uid: number; gid: number; mode: number; optional: boolean } {
  if (option === undefined) return { id: 'default', uid: 0, gid: 0, mode, optional: false };
  return { id: option.id, uid: option.uid, gid: option.gid, mode: option.mode & 0o777, optional: option.optional };
}
