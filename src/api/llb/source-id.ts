// LLB's source identifiers (`docker-image://…`, `local://…`, git, http) with their attributes, to and from a SourceSpec.

import { create } from '@bufbuild/protobuf';
import { hideLogin, isDigest } from '../../base/index.ts';
import type { SourceSpec } from '../engine.ts';
import { type Platform as PbPlatform, type SourceOp, SourceOpSchema } from '../gen/llb_pb.ts';
import { RpcError } from '../wire/rpc-error.ts';

type Source = SourceSpec['source'];
type Platform = Extract<Source, { kind: 'image' }>['platform'];
type Attributes = Readonly<Record<string, string>>;

function refuse(message: string): RpcError {
  return new RpcError('invalidArgument', message);
}

/** What a source operation names. `platform` is the vertex's. */
export function decodeSource(op: SourceOp, platform: Platform): Source {
  const separator = op.identifier.indexOf('://');
  if (separator < 0) throw refuse(`invalid source identifier ${JSON.stringify(op.identifier)}`);
  const scheme = op.identifier.slice(0, separator);
  const rest = op.identifier.slice(separator + 3);
  const { attrs } = op;
  switch (scheme) {
    case 'docker-image':
      return {
        kind: 'image',
        ref: rest,
        platform,
        resolveMode: resolveMode(attrs['image.resolvemode']),
        ...imageChecksum(attrs['image.checksum']),
        ...layerLimit(attrs['image.layerlimit']),
      };
    case 'oci-layout':
      return {
        kind: 'oci-layout',
        path: attrs['oci.store'] ?? layoutName(rest),
        ref: rest,
        platform,
        // Never a folder of this machine, whatever a definition leaves out.
        session: attrs['oci.session'] ?? '',
        ...layerLimit(attrs['oci.layerlimit']),
      };
    case 'local':
      return decodeLocal(rest, attrs);
    case 'git':
      return decodeGit(rest, attrs);
    case 'http':
    case 'https':
      return decodeHttp(op.identifier, attrs);
    default:
      throw refuse(`unknown source scheme ${JSON.stringify(scheme)}`);
  }
}

function resolveMode(value: string | undefined): 'default' | 'pull' | 'local' {
  if (value === undefined || value === '' || value === 'default') return 'default';
  if (value === 'pull' || value === 'local') return value;
  throw refuse(`invalid image resolve mode ${JSON.stringify(value)}`);
}

function imageChecksum(value: string | undefined): { readonly checksum?: string } {
  if (value === undefined || value === '') return {};
  if (!isDigest(value)) throw refuse(`invalid image checksum ${JSON.stringify(value)}`);
  return { checksum: value };
}

function layerLimit(value: string | undefined): { readonly layerLimit?: number } {
  if (value === undefined) return {};
  if (!/^[1-9]\d{0,8}$/.test(value)) throw refuse(`invalid layer limit ${JSON.stringify(value)}`);
  return { layerLimit: Number(value) };
}

function layoutName(ref: string): string {
  const at = ref.indexOf('@');
  const name = at < 0 ? ref : ref.slice(0, at);
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}

function list(attrs: Attributes, key: string): readonly string[] | undefined {
  const text = attrs[key];
  if (text === undefined || text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse(`attribute ${key} is not JSON`);
  }
  if (value === null) return undefined;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw refuse(`attribute ${key} is not a list of texts`);
  return value;
}

function decodeLocal(name: string, attrs: Attributes): Source {
  const include = list(attrs, 'local.includepattern');
  const followPaths = list(attrs, 'local.followpaths');
  return {
    kind: 'local',
    name,
    exclude: list(attrs, 'local.excludepatterns') ?? [],
    ...(include !== undefined && { include }),
    ...(followPaths !== undefined && { followPaths }),
    ...(attrs['local.session'] !== undefined && { session: attrs['local.session'] }),
    ...(attrs['local.sharedkeyhint'] !== undefined && { sharedKeyHint: attrs['local.sharedkeyhint'] }),
  };
}

/** `https://host/path`, `user@host:path`. */
const REMOTE = /^(?:https?|ssh|git):\/\/|^[^-/:@][^/:@]*@[^/:]+:/i;

function decodeGit(rest: string, attrs: Attributes): Source {
  const hash = rest.indexOf('#');
  const base = hash < 0 ? rest : rest.slice(0, hash);
  const fragment = hash < 0 ? '' : rest.slice(hash + 1);
  const colon = fragment.indexOf(':');
  const ref = colon < 0 ? fragment : fragment.slice(0, colon);
  const subdir = colon < 0 ? '' : fragment.slice(colon + 1);
  const full = attrs['git.fullurl'];
  const remote = full !== undefined && full !== '' ? full : REMOTE.test(base) ? base : `https://${base}`;
  // A repository of this machine is no client's, nor is a program that git would start.
  if (!REMOTE.test(remote)) throw refuse(`unsupported git address ${JSON.stringify(hideLogin(remote))}: use https, ssh, git or http`);
  const mtime = attrs['git.mtime'];
  if (mtime !== undefined && mtime !== '' && mtime !== 'checkout' && mtime !== 'commit')
    throw refuse(`invalid git mtime ${JSON.stringify(mtime)}`);
  for (const key of ['git.bundle', 'git.checkoutbundle', 'git.sig.pubkey']) {
    if (attrs[key] !== undefined) throw new RpcError('unimplemented', `git sources with ${key} are not supported`);
  }
  return {
    kind: 'git',
    remote,
    keepGitDir: attrs['git.keepgitdir'] === 'true',
    submodules: attrs['git.skipsubmodules'] !== 'true',
    ...(ref !== '' && { ref }),
    ...(subdir !== '' && { subdir }),
    ...optional('checksum', attrs['git.checksum']),
    ...optional('mountSshSock', attrs['git.mountsshsock']),
    ...optional('knownSshHosts', attrs['git.knownsshhosts']),
    ...optional('authTokenSecret', attrs['git.authtokensecret']),
    ...optional('authHeaderSecret', attrs['git.authheadersecret']),
    ...((mtime === 'checkout' || mtime === 'commit') && { mtime }),
    ...(attrs['git.fetchbycommit'] === 'true' && { fetchByCommit: true }),
  };
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { [P in K]: string });
}

const HEADER = 'http.header.';

function decodeHttp(url: string, attrs: Attributes): Source {
  const headers: Record<string, string> = {};
  for (const [key, value] of Object.entries(attrs)) if (key.startsWith(HEADER)) headers[key.slice(HEADER.length)] = value;
  const filename = attrs['http.filename'];
  if (filename !== undefined && (filename.includes('/') || filename === '..' || filename === '.'))
    throw refuse(`invalid http filename ${JSON.stringify(filename)}`);
  return {
    kind: 'http',
    url,
    filename: filename !== undefined && filename !== '' ? filename : urlFilename(url),
    ...optional('checksum', attrs['http.checksum']),
    ...optional('authHeaderSecret', attrs['http.authheadersecret']),
    ...number('mode', attrs['http.perm'], true),
    ...number('uid', attrs['http.uid']),
    ...number('gid', attrs['http.gid']),
    ...(Object.keys(headers).length > 0 && { headers }),
  };
}

/** Go's `strconv` with base 0: `0644` and `0o644` are octal. */
function number<K extends string>(key: K, text: string | undefined, octal = false): { readonly [P in K]?: number } {
  if (text === undefined || text === '') return {};
  const value = octal && /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  if (!Number.isInteger(value)) throw refuse(`http ${key} ${JSON.stringify(text)} is no number`);
  return { [key]: value } as { [P in K]: number };
}

function urlFilename(url: string): string {
  const name = URL.canParse(url) ? decodeSafely(new URL(url).pathname.split('/').at(-1) ?? '') : '';
  return name === '' || name === '.' || name === '..' || name.includes('/') ? 'download' : name;
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The source operation that `decodeSource` reads back as `source`. */
export function encodeSource(source: Source): SourceOp {
  switch (source.kind) {
    case 'image':
      return op(`docker-image://${source.ref}`, {
        ...(source.resolveMode !== 'default' && { 'image.resolvemode': source.resolveMode }),
        ...(source.checksum !== undefined && { 'image.checksum': source.checksum }),
        ...(source.layerLimit !== undefined && { 'image.layerlimit': String(source.layerLimit) }),
      });
    case 'oci-layout':
      return op(`oci-layout://${source.ref}`, {
        'oci.store': source.path,
        ...(source.session !== undefined && { 'oci.session': source.session }),
        ...(source.layerLimit !== undefined && { 'oci.layerlimit': String(source.layerLimit) }),
      });
    case 'local':
      return op(`local://${source.name}`, {
        ...(source.exclude.length > 0 && { 'local.excludepatterns': JSON.stringify(source.exclude) }),
        ...(source.include !== undefined && { 'local.includepattern': JSON.stringify(source.include) }),
        ...(source.followPaths !== undefined && { 'local.followpaths': JSON.stringify(source.followPaths) }),
        ...(source.session !== undefined && { 'local.session': source.session }),
        ...(source.sharedKeyHint !== undefined && { 'local.sharedkeyhint': source.sharedKeyHint }),
      });
    case 'git':
      return op(`git://${gitId(source)}`, {
        'git.fullurl': source.remote,
        'git.authtokensecret': source.authTokenSecret ?? 'GIT_AUTH_TOKEN',
        'git.authheadersecret': source.authHeaderSecret ?? 'GIT_AUTH_HEADER',
        ...(source.keepGitDir && { 'git.keepgitdir': 'true' }),
        ...(!source.submodules && { 'git.skipsubmodules': 'true' }),
        ...(source.checksum !== undefined && { 'git.checksum': source.checksum }),
        ...(source.mountSshSock !== undefined && { 'git.mountsshsock': source.mountSshSock }),
        ...(source.knownSshHosts !== undefined && { 'git.knownsshhosts': source.knownSshHosts }),
        ...(source.mtime !== undefined && { 'git.mtime': source.mtime }),
        ...(source.fetchByCommit === true && { 'git.fetchbycommit': 'true' }),
      });
    case 'http':
      return op(source.url, {
        'http.filename': source.filename,
        ...(source.checksum !== undefined && { 'http.checksum': source.checksum }),
        ...(source.mode !== undefined && { 'http.perm': `0${source.mode.toString(8)}` }),
        ...(source.uid !== undefined && { 'http.uid': String(source.uid) }),
        ...(source.gid !== undefined && { 'http.gid': String(source.gid) }),
        ...(source.authHeaderSecret !== undefined && { 'http.authheadersecret': source.authHeaderSecret }),
        ...Object.fromEntries(Object.entries(source.headers ?? {}).map(([name, value]) => [`${HEADER}${name}`, value])),
      });
  }
}

function op(identifier: string, attrs: Record<string, string>): SourceOp {
  return create(SourceOpSchema, { identifier, attrs });
}

function gitId(source: Extract<Source, { kind: 'git' }>): string {
  const host = source.remote.replace(/^[a-z+]+:\/\//, '').replace(/^[^/@]*@/, '');
  const fragment = `${source.ref ?? ''}${source.subdir === undefined ? '' : `:${source.subdir}`}`;
  return fragment === '' ? host : `${host}#${fragment}`;
}

/** LLB's platform in our form. */
export function decodePlatform(platform: PbPlatform): Platform {
  return {
    os: platform.os,
    architecture: platform.architecture,
    ...(platform.variant !== '' && { variant: platform.variant }),
    ...(platform.osVersion !== '' && { osVersion: platform.osVersion }),
    ...(platform.osFeatures.length > 0 && { osFeatures: platform.osFeatures }),
  };
}

/** Our platform in LLB's form. */
export function encodePlatform(platform: Platform): {
  os: string;
  architecture: string;
  variant: string;
  osVersion: string;
  osFeatures: string[];
} {
  return {
    os: platform.os,
    architecture: platform.architecture,
    variant: platform.variant ?? '',
    osVersion: platform.osVersion ?? '',
    osFeatures: [...(platform.osFeatures ?? [])],
  };
}
