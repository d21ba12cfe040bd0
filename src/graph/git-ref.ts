// Git addresses as ADD and build contexts know them: `https://host/repo.git#ref:subdir`, `git@host:path`, `…?branch=main`.

import { SlipwayError } from '../base/index.ts';
import type { GitSource } from './op-spec.ts';
import { joinPath } from './unix-path.ts';

/** A git address taken apart. */
export interface GitRef {
  /** For `git fetch`: without fragment and query. */
  readonly remote: string;
  /** `http`, `https`, `git` or `ssh`. */
  readonly scheme: string;
  readonly ref?: string;
  readonly subdir?: string;
  /** Commit, or a prefix of it. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
  readonly mtime?: 'checkout' | 'commit';
  readonly fetchByCommit?: boolean;
  /** `github.com/owner/repo` without a scheme: a git address for contexts, a path for ADD. */
  readonly looksLocal: boolean;
}

const SCHEME = /^([a-zA-Z0-9]+):\/\//;
const SCP = /^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):(.*?)(?:\?(.*?))?(?:#(.*))?$/s;

/** Reads a git address. Undefined: it is none. Throws `GIT_REF_INVALID` for one whose query makes no sense. */
export function parseGitRef(text: string): GitRef | undefined {
  if (!text.includes(':') && !text.startsWith('github.com/')) return undefined; // as nearly all paths are
  if (text.startsWith('./') || text.startsWith('../')) return undefined;
  if (text.startsWith('github.com/')) {
    const address = splitUrl(`https://${text}`);
    return address === undefined
      ? undefined
      : { ...withQuery(text, address), remote: address.remote.slice('https://'.length), looksLocal: true };
  }
  const scheme = SCHEME.exec(text)?.[1];
  if (scheme !== undefined) {
    if (!['http', 'https', 'ssh', 'git'].includes(scheme.toLowerCase())) return undefined;
    const address = splitUrl(text);
    if (address === undefined) return undefined;
    if (/^https?$/.test(address.scheme) && !address.path.endsWith('.git')) return undefined;
    return withQuery(text, address);
  }
  const scp = SCP.exec(text);
  if (scp === null) return undefined;
  const [, user = '', host = '', path = '', query = '', fragment = ''] = scp;
  return withQuery(text, { scheme: 'ssh', remote: `${user}@${host}:${path}`, path, query, fragment });
}

/** The source an address names, with what a command or instruction says beside it. */
export function gitSource(ref: GitRef, options: { readonly keepGitDir?: boolean; readonly checksum?: string } = {}): GitSource {
  const checksum = options.checksum ?? ref.checksum;
  return {
    kind: 'git',
    remote: ref.looksLocal ? `https://${ref.remote}` : ref.remote,
    ...(ref.ref === undefined || ref.ref === '' ? {} : { ref: ref.ref }),
    ...(ref.subdir === undefined || ref.subdir === '' ? {} : { subdir: ref.subdir }),
    keepGitDir: options.keepGitDir === true || ref.keepGitDir === true,
    ...(checksum === undefined || checksum === '' ? {} : { checksum }),
    submodules: ref.submodules !== false,
    ...(ref.scheme === 'ssh' ? { mountSshSock: 'default' } : {}),
    ...(ref.mtime === undefined ? {} : { mtime: ref.mtime }),
    ...(ref.fetchByCommit === true ? { fetchByCommit: true } : {}),
  };
}

/** Whether ADD takes the source from the web as one file: an http address that is not a git repository's. */
export function isHttpAddress(text: string): boolean {
  return /^https?:\/\//.test(text) && parseGitRef(text) === undefined;
}

interface Address {
  readonly scheme: string;
  readonly remote: string;
  readonly path: string;
  readonly query: string;
  readonly fragment: string;
}

/** Cuts a URL; no change is made to its parts. Undefined when it is none. */
function splitUrl(text: string): Address | undefined {
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text);
  if (match === null || /[\s\x00-\x1f]/.test(text)) return undefined;
  const [, scheme = '', authority = '', path = '', query = '', fragment = ''] = match;
  return {
    scheme: scheme.toLowerCase(),
    remote: `${scheme.toLowerCase()}://${authority}${path}`,
    path: decode(path),
    query,
    fragment: decode(fragment),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not percent-encoded: taken as written
  }
}

type Draft = { -readonly [K in keyof GitRef]: GitRef[K] };

function withQuery(text: string, address: Address): GitRef {
  const at = address.fragment.indexOf(':');
  const fragmentRef = at < 0 ? address.fragment : address.fragment.slice(0, at);
  const fragmentDir = at < 0 ? '' : joinPath('/', address.fragment.slice(at + 1)).slice(1);
  const draft: Draft = {
    remote: address.remote,
    scheme: address.scheme,
    looksLocal: false,
    ...(fragmentRef === '' ? {} : { ref: fragmentRef }),
    ...(fragmentDir === '' ? {} : { subdir: fragmentDir }),
  };
  const seen = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(address.query)) {
    if (seen.has(name)) throw invalid(text, `query ${JSON.stringify(name)} has multiple values`);
    seen.set(name, value);
    applyQuery(text, draft, name, value);
  }
  applyNames(text, draft, seen.get('tag'), seen.get('branch'));
  return draft;
}

function applyQuery(text: string, draft: Draft, name: string, value: string): void {
  const isFlag = name === 'submodules' || name === 'keep-git-dir' || name === 'fetch-by-commit';
  if (value === '' && !isFlag) throw invalid(text, `query ${JSON.stringify(name)} has no value`);
  switch (name) {
    case 'ref':
      setOnce(text, draft, 'ref', value);
      return;
    case 'subdir':
      setOnce(text, draft, 'subdir', value);
      return;
    case 'checksum':
    case 'commit':
      draft.checksum = value;
      return;
    case 'keep-git-dir':
      draft.keepGitDir = flagValue(text, name, value);
      return;
    case 'submodules':
      draft.submodules = flagValue(text, name, value);
      return;
    case 'fetch-by-commit':
      draft.fetchByCommit = flagValue(text, name, value);
      return;
    case 'mtime':
      if (value !== 'checkout' && value !== 'commit') {
        throw invalid(text, `invalid mtime value: ${JSON.stringify(value)} (must be "checkout" or "commit")`);
      }
      draft.mtime = value;
      return;
    case 'tag':
    case 'branch':
      return;
    default:
      throw invalid(
        text,
        `unexpected query ${JSON.stringify(name)}`,
        'known are ref, tag, branch, subdir, checksum, keep-git-dir, submodules, mtime and fetch-by-commit',
      );
  }
}

function applyNames(text: string, draft: Draft, tag: string | undefined, branch: string | undefined): void {
  if (tag !== undefined && branch !== undefined) throw invalid(text, 'branch conflicts with tag');
  if (tag !== undefined) setOnce(text, draft, 'ref', tag.startsWith('refs/tags/') ? tag : `refs/tags/${tag}`);
  if (branch !== undefined) setOnce(text, draft, 'ref', branch.startsWith('refs/heads/') ? branch : `refs/heads/${branch}`);
}

function setOnce(text: string, draft: Draft, field: 'ref' | 'subdir', value: string): void {
  const known = draft[field];
  if (known !== undefined && known !== value) {
    throw invalid(text, `${field} conflicts: ${JSON.stringify(known)} vs ${JSON.stringify(value)}`);
  }
  draft[field] = value;
}

function flagValue(text: string, name: string, value: string): boolean {
  if (/^(?:|1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw invalid(text, `invalid ${name} value: ${JSON.stringify(value)}`);
}

function invalid(text: string, why: string, hint?: string): SlipwayError {
  const options = { facts: { address: text }, ...(hint === undefined ? {} : { hint }) };
  return new SlipwayError('GIT_REF_INVALID', `${why} in git address ${JSON.stringify(text)}`, options);
}
