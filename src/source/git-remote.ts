// What a git address means now: which commit a branch, tag or prefix names, asked of the remote.

import { SlipwayError } from '../base/index.ts';
import type { GitCommand } from './git-command.ts';
import { shownUrl } from './http-file.ts';

/** A repository and what is wanted of it. */
export interface GitWanted {
  readonly remote: string;
  /** Branch, tag, `refs/…`, commit or prefix; undefined: the remote's HEAD. */
  readonly ref?: string;
  /** Commit (or annotated tag), or a prefix of it, that must come out. */
  readonly checksum?: string;
  readonly keepGitDir: boolean;
  readonly fetchByCommit?: boolean;
  /** A commit's prefix is no ref. */
  readonly wholeRefs?: boolean;
}

/** What it is. */
export interface GitFound {
  /** Full name (`refs/heads/main`); undefined for a bare commit. */
  readonly ref: string | undefined;
  /** What the ref names: a commit, or an annotated tag. */
  readonly object: string;
  /** The commit, when `object` is known to be a tag. */
  readonly commit: string;
}

/** A whole object name, SHA-1 or SHA-256. */
function isCommitId(text: string): boolean {
  return /^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(text);
}

/**
 * Asks the remote, unless the ref is a commit already. Undefined: the ref may be a commit's prefix, which only a fetch can tell.
 * Throws `GIT_REF` when there is no such ref, `GIT_CHECKSUM` when it is another commit than the checksum says.
 */
export async function resolveGit(git: GitCommand, wanted: GitWanted): Promise<GitFound | undefined> {
  checkWanted(wanted);
  const { remote, checksum } = wanted;
  if (wanted.ref !== undefined && isCommitId(wanted.ref)) {
    if (checksum !== undefined && !wanted.ref.startsWith(checksum)) throw mismatch(checksum, wanted.ref);
    return { ref: undefined, object: wanted.ref, commit: wanted.ref };
  }
  if (wanted.fetchByCommit === true && checksum !== undefined && isCommitId(checksum)) {
    const ref = wanted.ref === undefined || wanted.ref.startsWith('refs/') ? wanted.ref : `refs/heads/${wanted.ref}`;
    return { ref, object: checksum, commit: checksum };
  }
  const names = wanted.ref === undefined ? ['HEAD'] : [wanted.ref, `${wanted.ref}^{}`];
  const listing = await listRemote(git, remote, ['--symref', '--', remote, ...names]);
  const found = wanted.ref === undefined ? headOf(listing) : choose(listing, wanted.ref);
  if (found === undefined) {
    if (wanted.wholeRefs !== true && wanted.ref !== undefined && /^[0-9a-f]{7,63}$/.test(wanted.ref)) return undefined;
    throw new SlipwayError('GIT_REF', `repository does not contain ref ${wanted.ref ?? 'HEAD'}: ${shownUrl(remote)}`, {
      facts: { remote: shownUrl(remote), ref: wanted.ref },
    });
  }
  if (checksum !== undefined && !found.object.startsWith(checksum) && !found.commit.startsWith(checksum))
    throw mismatch(checksum, found.commit);
  return found;
}

/** Throws `GIT_CHECKSUM`. */
export function mismatch(checksum: string, got: string): SlipwayError {
  return new SlipwayError('GIT_CHECKSUM', `expected checksum to match ${checksum}, got ${got}`, {
    facts: { expected: checksum, got },
    hint: 'the ref names another commit now; if that is right, write its checksum',
  });
}

function checkWanted({ ref, checksum, fetchByCommit }: GitWanted): void {
  if (checksum !== undefined && !/^[0-9a-f]+$/i.test(checksum)) {
    throw new SlipwayError('GIT_CHECKSUM', `invalid checksum ${checksum} for Git URL, expected hex commit hash`);
  }
  if (fetchByCommit === true && (checksum === undefined || !isCommitId(checksum)) && (ref === undefined || !isCommitId(ref))) {
    throw new SlipwayError('GIT_CHECKSUM', 'fetch-by-commit requires a full commit checksum or a commit as ref');
  }
  // git-check-ref-format, and nothing that could be read as an option.
  if (ref !== undefined && (ref.startsWith('-') || /[\s~^:?*[\\\x00-\x1f\x7f]|\.\.|@\{|\/\/|\.lock$|[/.]$/.test(ref))) {
    throw new SlipwayError('GIT_REF', `invalid git ref ${JSON.stringify(ref)}`);
  }
}

async function listRemote(git: GitCommand, remote: string, args: readonly string[]): Promise<ReadonlyMap<string, string>> {
  let text: string;
  try {
    text = await git.run(['ls-remote', ...args]);
  } catch (error) {
    throw fetchFailed(remote, error);
  }
  const names = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [value = '', name = ''] = line.split('\t');
    // `ref: refs/heads/main<TAB>HEAD` comes before HEAD's own line.
    if (value.startsWith('ref: ')) names.set(`${name}->`, value.slice(5));
    else if (name !== '') names.set(name, value);
  }
  return names;
}

/** Adds which remote it was. */
export function fetchFailed(remote: string, error: unknown): unknown {
  if (!(error instanceof SlipwayError) || error.code !== 'GIT_FAILED') return error;
  const denied = /could not read Username|Authentication failed|Permission denied|403|401/.test(error.message);
  return new SlipwayError('GIT_FAILED', `failed to fetch remote ${shownUrl(remote)}: ${error.message}`, {
    cause: error,
    facts: { ...error.facts, remote: shownUrl(remote) },
    ...(denied ? { hint: 'for a private repository give --secret id=GIT_AUTH_TOKEN, or --ssh default for an ssh address' } : {}),
  });
}

function headOf(names: ReadonlyMap<string, string>): GitFound | undefined {
  const object = names.get('HEAD');
  if (object === undefined || !isCommitId(object)) return undefined;
  return { ref: names.get('HEAD->'), object, commit: object };
}

/** A ref spelled in full, a branch, a tag: in this order, as git-checkout prefers. */
function choose(names: ReadonlyMap<string, string>, wanted: string): GitFound | undefined {
  const bare = (prefix: string): string => `${prefix}${wanted.startsWith(prefix) ? wanted.slice(prefix.length) : wanted}`;
  const tag = bare('refs/tags/');
  for (const ref of [bare('refs/'), bare('refs/heads/'), tag]) {
    const object = names.get(ref);
    if (object === undefined || !isCommitId(object)) continue;
    return { ref, object, commit: (ref === tag ? names.get(`${tag}^{}`) : undefined) ?? object };
  }
  return undefined;
}
