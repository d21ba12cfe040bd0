// What the targets of a Bake file may reach: files below the current folder, and what --allow says. A Bake file may come with a change that
// nobody has looked at yet.

import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { SlipwayError, suggest } from '../../base/index.ts';
import type { BakePlan, BakeTarget } from '../../bake/index.ts';
import { isRemoteContext } from '../../build/index.ts';
import { splitOnce, usage } from '../flags.ts';
import type { World } from '../world.ts';

/** What `--allow` may name; `true`: with a value, `false`: without, `either`: as the user likes. */
const RIGHTS = {
  ...{ 'network.host': false, 'security.insecure': false, 'buildx.local.delete': false, ssh: false },
  ...{ device: 'either', fs: true, 'fs.read': true, 'fs.write': true, image: true, 'image.push': true, 'image.load': true },
} as const;

/** What was granted. */
export interface Rights {
  /** `network.host`, `security.insecure`, `device…`: what steps may ask for. */
  readonly entitlements: readonly string[];
  readonly ssh: boolean;
  /** Folders without symlinks; what is below them may be read, or written. */
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** Reads `--allow`, and adds what `--set` itself names. Throws `USAGE`. */
export function readRights(given: readonly string[], allowed: BakePlan['allowed'], world: World): Rights {
  const entitlements: string[] = [
    ...(allowed.networkHost ? ['network.host'] : []),
    ...(allowed.securityInsecure ? ['security.insecure'] : []),
  ];
  const read = [world.cwd, ...allowed.read.flatMap((path) => localPath(path) ?? [])].map((path) => realPath(resolve(world.cwd, path)));
  const write = [world.cwd, ...allowed.write].map((path) => realPath(resolve(world.cwd, path)));
  let ssh = false;
  for (const entry of given.filter((text) => text !== '')) {
    const [name, value] = splitOnce(entry);
    if (!Object.hasOwn(RIGHTS, name)) {
      const near = suggest(name, Object.keys(RIGHTS));
      throw usage(
        'bake',
        `unknown entitlement ${entry}`,
        near === undefined ? `there are ${Object.keys(RIGHTS).join(', ')}` : `did you mean ${near}?`,
      );
    }
    const valued = RIGHTS[name as keyof typeof RIGHTS];
    if (valued === false && value !== undefined) throw usage('bake', `${name} does not accept a value: ${entry}`, `write --allow ${name}`);
    if (valued === true && value === undefined) throw usage('bake', `${name} needs a value`, `write --allow ${name}=PATH`);
    if (name === 'ssh') ssh = true;
    else if (valued !== true) entitlements.push(entry);
    if (name === 'fs' || name === 'fs.read') read.push(allowedFolder(value, world));
    if (name === 'fs' || name === 'fs.write') write.push(allowedFolder(value, world));
  }
  return { entitlements, ssh, read, write };
}

/** `*` is everything. */
function allowedFolder(value: string | undefined, world: World): string {
  return value === '*' ? '/' : realPath(resolve(world.cwd, value ?? ''));
}

/** Refuses targets that want more than was granted. Throws `BAKE_NOT_ALLOWED`, with the flags that grant it. */
export function checkRights(targets: Iterable<BakeTarget>, rights: Rights, world: World): void {
  const missing = new Map<string, string>();
  const files = !/^(0|f|false)$/i.test(world.env['BUILDX_BAKE_ENTITLEMENTS_FS'] ?? '');
  for (const target of targets) {
    for (const [flag, what] of [...missingEntitlements(target, rights), ...(files ? missingPaths(target, rights, world) : [])])
      missing.set(flag, `target ${target.name} ${what}`);
  }
  if (missing.size === 0) return;
  throw new SlipwayError('BAKE_NOT_ALLOWED', `not allowed: ${[...missing.values()].join('; ')}`, {
    hint: `if you trust the file, add ${[...missing.keys()].map((flag) => `--allow ${flag}`).join(' ')}`,
  });
}

type Missing = readonly (readonly [flag: string, what: string])[];

function missingEntitlements({ entitlements = [], outputs = [] }: BakeTarget, rights: Rights): Missing {
  const granted = (name: string): boolean => rights.entitlements.includes(name) || rights.entitlements.includes(splitOnce(name)[0]);
  const asked = entitlements.filter((name) => !granted(name)).map((name) => [name, `asks for ${name}`] as const);
  const deletes = outputs.some(({ type, mode }) => type === 'local' && mode === 'delete') && !granted('buildx.local.delete');
  return deletes ? [...asked, ['buildx.local.delete', 'deletes what else is in a folder that it writes to']] : asked;
}

function missingPaths(target: BakeTarget, rights: Rights, world: World): Missing {
  const beyond = (right: 'read' | 'write', paths: readonly string[]): Missing =>
    paths
      .map((path) => realPath(resolve(world.cwd, path)))
      .filter((path) => !rights[right].some((folder) => isBelow(path, folder)))
      .filter((path, _, all) => !all.some((other) => other !== path && isBelow(path, other)))
      .map((path) => [`fs.${right}=${shown(path, world)}`, `${right}s ${shown(path, world)}`]);
  const agent = !rights.ssh && (target.ssh ?? []).some(({ paths }) => paths.length === 0);
  return [
    ...beyond('read', readPaths(target)),
    ...beyond('write', writtenPaths(target)),
    ...(agent ? [['ssh', 'uses your SSH agent'] as const] : []),
  ];
}

/** Paths of this machine that building a target reads. */
function readPaths({ context = '.', contexts = {}, secrets = [], ssh = [], cacheFrom = [], ...target }: BakeTarget): string[] {
  const folders = [context, ...Object.values(contexts)].map(localPath).filter((path) => path !== undefined);
  return [
    ...folders,
    ...dockerfilePath(context, target),
    // One that names neither is a variable, else a file called so.
    ...secrets.flatMap(({ id, src = id, env }) => (src === undefined || env !== undefined ? [] : [src])),
    ...ssh.flatMap(({ paths }) => paths),
    ...cacheFrom.flatMap(({ type, src }) => (type === 'local' && src !== undefined ? [src] : [])),
  ];
}

/** The Dockerfile, where it is a file of this machine: it may be so though the context is elsewhere. */
function dockerfilePath(context: string, { dockerfile, dockerfileInline }: Pick<BakeTarget, 'dockerfile' | 'dockerfileInline'>): string[] {
  if (dockerfileInline !== undefined || dockerfile === undefined) return [];
  if (dockerfile.startsWith('cwd://')) return [localPath(dockerfile) as string];
  if (isAbsolute(dockerfile)) return [dockerfile];
  const folder = localPath(context);
  return folder === undefined ? [] : [join(folder, dockerfile)];
}

/** Paths of this machine that building a target writes to. */
function writtenPaths({ outputs = [], cacheTo = [] }: BakeTarget): string[] {
  return [...outputs, ...cacheTo.filter(({ type }) => type === 'local')].flatMap(({ dest }) =>
    dest === undefined || dest === '' || dest === '-' ? [] : [dest],
  );
}

/** The path that a context names; undefined: it is none of this machine. */
export function localPath(context: string): string | undefined {
  if (context.startsWith('cwd://')) return context.slice('cwd://'.length) || '.';
  if (context.startsWith('oci-layout://')) return context.slice('oci-layout://'.length).replace(/(?::[^/]*)?(?:@[^/]*)?$/, '');
  return context.startsWith('target:') || context.includes('://') || isRemoteContext(context) ? undefined : context;
}

function isBelow(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** As a user would write it. */
function shown(path: string, { cwd }: World): string {
  const near = relative(realPath(cwd), path);
  return near.split('/').filter((part) => part === '..').length > 2 ? path : near;
}

/** A path without symlinks; what does not exist of it stays as it is. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === '/' ? path : join(realPath(dirname(path)), basename(path));
  }
}
