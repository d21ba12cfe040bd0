// What the targets of a Bake file may reach: files below the folder that paths start at, and what else is allowed. A Bake file may come
// with a change that nobody has looked at yet.

import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { SlipwayError } from '../../base/index.ts';
import { type BakePlan, type BakeTarget, csvOf, type Fields } from '../../bake/index.ts';
import { isRemoteContext } from '../../build/index.ts';
import { keyValues, splitOnce } from '../fields.ts';
import { homePath, type Surroundings } from '../surroundings.ts';

/** What a Bake file is allowed beside reading and writing below its folder. Default: nothing. */
export interface BakeRights {
  /** Files and folders that may be read, those with all below them; relative ones start at the folder. `/`: everything. */
  readonly read?: readonly string[];
  /** The same for what is written: outputs and caches. */
  readonly write?: readonly string[];
  /** What targets may ask for: `network.host`, `security.insecure`, `device` or `device=NAME`, `buildx.local.delete`. */
  readonly entitlements?: readonly string[];
  /** The agent that `SSH_AUTH_SOCK` names. */
  readonly ssh?: boolean;
}

/** Rights with places as they are: without symlinks, so that no link leads out of them. */
export interface Granted {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly entitlements: readonly string[];
  readonly ssh: boolean;
}

/** Adds the folder itself, and what overrides name: whoever calls allows it by that. */
export function grant(allow: BakeRights, allowed: BakePlan['allowed'] | undefined, { cwd }: Surroundings): Granted {
  const { read = [], write = [], entitlements = [], ssh = false } = allow;
  const places = (paths: readonly string[]): readonly string[] => [cwd, ...paths].map((path) => realPath(resolve(cwd, path)));
  return {
    read: places([...read, ...(allowed?.read ?? []).flatMap((path) => localPath(path) ?? [])]),
    write: places([...write, ...(allowed?.write ?? [])]),
    entitlements: [
      ...entitlements,
      ...(allowed?.networkHost === true ? ['network.host'] : []),
      ...(allowed?.securityInsecure === true ? ['security.insecure'] : []),
    ],
    ssh,
  };
}

/** One right that is missing: as `--allow` names it, as a program does, and who wants it. */
interface Missing {
  readonly flag: string;
  readonly right: BakeRights;
  readonly who: string;
}

/** Refuses targets that want more than was granted. Throws `BAKE_NOT_ALLOWED`; `facts.missing` is what would have to be allowed. */
export function checkRights(targets: Iterable<BakeTarget>, granted: Granted, around: Surroundings): void {
  const wanted = [...targets].flatMap((target) => [...missingEntitlements(target, granted), ...missingPlaces(target, granted, around)]);
  if (wanted.length > 0) throw notAllowed(wanted);
}

/** Refuses a file that the Bake file wants to be a part of itself (`include`, `extends`, `env_file`). Throws `BAKE_NOT_ALLOWED`. */
export function checkReadable(path: string, granted: Granted, around: Surroundings): void {
  const beyond = missingPlacesOf('read', [path], granted, around, 'the Bake file');
  if (beyond.length > 0) throw notAllowed(beyond);
}

function notAllowed(wanted: readonly Missing[]): SlipwayError {
  const missing = [...new Map(wanted.map((one) => [one.flag, one])).values()];
  const all = (kind: 'read' | 'write' | 'entitlements'): readonly string[] => missing.flatMap(({ right }) => right[kind] ?? []);
  const facts: Required<BakeRights> = {
    ...{ read: all('read'), write: all('write'), entitlements: all('entitlements') },
    ssh: missing.some(({ right }) => right.ssh === true),
  };
  return new SlipwayError('BAKE_NOT_ALLOWED', `not allowed: ${missing.map(({ who }) => who).join('; ')}`, {
    hint: `if you trust the file, add ${missing.map(({ flag }) => `--allow ${flag}`).join(' ')}`,
    facts: { missing: facts },
  });
}

function missingEntitlements({ name: target, entitlements = [], outputs = [] }: BakeTarget, granted: Granted): readonly Missing[] {
  const has = (name: string): boolean => granted.entitlements.includes(name) || granted.entitlements.includes(splitOnce(name)[0]);
  const missing = (name: string, does: string): Missing => ({
    flag: name,
    right: { entitlements: [name] },
    who: `target ${target} ${does}`,
  });
  const asked = entitlements.filter((name) => !has(name)).map((name) => missing(name, `asks for ${name}`));
  const deletes = outputs.map(asRead).some(({ type, mode }) => type === 'local' && mode === 'delete') && !has('buildx.local.delete');
  return deletes ? [...asked, missing('buildx.local.delete', 'deletes what else is in a folder that it writes to')] : asked;
}

function missingPlaces(target: BakeTarget, granted: Granted, around: Surroundings): readonly Missing[] {
  const who = `target ${target.name}`;
  const agent = !granted.ssh && (target.ssh ?? []).some(({ paths }) => paths.length === 0);
  return [
    ...missingPlacesOf('read', readPaths(target, around), granted, around, who),
    ...missingPlacesOf('write', writtenPaths(target), granted, around, who),
    ...(agent ? [{ flag: 'ssh', right: { ssh: true }, who: `${who} uses your SSH agent` }] : []),
  ];
}

/** What is beyond the granted places; of paths below each other the highest. */
function missingPlacesOf(
  kind: 'read' | 'write',
  paths: readonly string[],
  granted: Granted,
  around: Surroundings,
  who: string,
): readonly Missing[] {
  return paths
    .map((path) => realPath(resolve(around.cwd, path)))
    .filter((path) => !granted[kind].some((folder) => isBelow(path, folder)))
    .filter((path, _, all) => !all.some((other) => other !== path && isBelow(path, other)))
    .map((path) => shown(path, around))
    .map((path) => ({ flag: `fs.${kind}=${path}`, right: { [kind]: [path] }, who: `${who} ${kind}s ${path}` }));
}

/** Paths of this machine that building a target reads. */
function readPaths(
  { context = '.', contexts = {}, secrets = [], ssh = [], cacheFrom = [], ...target }: BakeTarget,
  around: Surroundings,
): string[] {
  const folders = [context, ...Object.values(contexts)].map(localPath).filter((path) => path !== undefined);
  return [
    ...folders,
    ...dockerfilePath(context, target),
    // One that names neither is a variable, else a file called so.
    ...secrets.map(asRead).flatMap(({ id, src = id, env }) => (src === undefined || env !== undefined ? [] : [homePath(src, around)])),
    ...ssh.flatMap(({ paths }) => paths.map((path) => homePath(path, around))),
    ...cacheFrom.map(asRead).flatMap(({ type, src }) => (type === 'local' && src !== undefined ? [src] : [])),
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

/** Attributes by the names that they are read by: an object may have `Dest`, or a name with `=` in it. */
function asRead(fields: Fields): Fields {
  const written = csvOf(fields);
  return written === '' ? {} : keyValues('an attribute', written);
}

/** Paths of this machine that building a target writes to. */
function writtenPaths({ outputs = [], cacheTo = [] }: BakeTarget): string[] {
  const caches = cacheTo.map(asRead).filter(({ type }) => type === 'local');
  return [...outputs.map(asRead), ...caches].flatMap(({ dest }) => (dest === undefined || dest === '' || dest === '-' ? [] : [dest]));
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
function shown(path: string, { cwd }: Surroundings): string {
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
