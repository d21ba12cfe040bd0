// SourceOp of a git repository: keyed by the commit that the address names now.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, digestOf, type JobContext, SlipwayError, splitLogin } from '../base/index.ts';
import type { GitSource, GraphVertex } from '../graph/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import type { CacheMap, Op } from '../solver/index.ts';
import {
  checkOut,
  fetchCommit,
  findCommit,
  FolderTree,
  GitCommand,
  type GitFound,
  type GitWanted,
  objectFormat,
  openMirror,
  shownUrl,
} from '../source/index.ts';
import { copy, COPY_EVERYTHING } from './copy.ts';
import type { OpDeps } from './deps.ts';
import { Draft, type DraftItem, EMPTY_TREE } from './file-draft.ts';
import { stepIdentity } from './identity.ts';
import { writeLayer } from './write-layer.ts';

/** A repository whose address has no login in it. */
interface PlainSource extends GitSource {
  /** `user:password` for its host. */
  readonly login?: string;
}

/**
 * Takes the login out of an http address. git would write it into the configuration of mirrors, checkouts and their submodules, and shows
 * its arguments to everybody on the machine; a header in its environment it keeps to itself.
 */
function plainSource(source: GitSource): PlainSource {
  const { address, login } = splitLogin(source.remote);
  if (login === undefined || !/^https?:/i.test(address)) return source;
  return { ...source, remote: address, login: login.includes(':') ? decoded(login) : `${decoded(login)}:` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that stands for itself
  }
}

/** Makes the op of a git source. A full commit as ref needs no request for its key. */
export function createGitOp(vertex: GraphVertex, given: GitSource, step: string, deps: OpDeps): Op<RootFS> {
  const source = plainSource(given);
  let asked: Promise<GitFound> | undefined;
  const find = (job: JobContext): Promise<GitFound> => {
    return (asked ??= deps.asked.commitOf(source) ?? withGit(source, deps, job, (git) => findNow(git, source, deps, job)));
  };
  return {
    resource: 'network',
    cacheMap: async (_inputs, job) => {
      const found = await find(job);
      deps.pinned?.(vertex.digest, found.commit);
      return keyOf(source, step, found);
    },
    exec: async (_inputs, job) => {
      const found = await find(job);
      const { key } = keyOf(source, step, found);
      return await withGit(source, deps, job, async (git) => {
        const into = deps.tempFolder();
        mkdirSync(into, { recursive: true, mode: 0o700 });
        try {
          await using mirror = await openMirror(git, deps.stateFolder('git'), source.remote, job, objectFormat(found.object));
          const fetched = await fetchCommit(git, mirror, source, found);
          const { folder, committedAt } = await checkOut(git, mirror, source, fetched, into);
          const layer = await writeLayer(entriesOf(folder, source, committedAt, job), { vertex: vertex.digest }, deps, job);
          if (layer.contentDigest === undefined) throw new Error('internal: a written layer without content digest');
          return [{ identity: stepIdentity(key, layer.contentDigest), layers: [layer] }];
        } finally {
          rmSync(into, { recursive: true, force: true });
        }
      });
    },
  };
}

/** What a git address names now. */
export interface GitFacts {
  readonly found: GitFound;
  /** Committer's time, seconds since the epoch. */
  readonly committedAt: number;
  /** The commit, and the annotated tag before it, as git stores them. */
  readonly commitObject: Uint8Array;
  readonly tagObject?: Uint8Array;
}

/** Asks for the commit behind an address, without a checkout. Throws what fetching throws. */
export async function gitFacts(given: GitSource, deps: OpDeps, job: JobContext): Promise<GitFacts> {
  const source = plainSource(given);
  return await withGit(source, deps, job, async (git) => {
    const wanted = await deps.asked.commit(source, () => findNow(git, source, deps, job));
    await using mirror = await openMirror(git, deps.stateFolder('git'), source.remote, job, objectFormat(wanted.object));
    const found = await fetchCommit(git, mirror, source, wanted);
    const read = (kind: string, name: string): Promise<string> => git.run(['--git-dir', mirror.folder, 'cat-file', kind, name]);
    const commit = await read('commit', found.commit);
    const tag = found.object === found.commit ? undefined : await read('tag', found.object);
    const committedAt = Number((await git.run(['--git-dir', mirror.folder, 'log', '-1', '--format=%ct', found.commit])).trim());
    return { found, committedAt, commitObject: Buffer.from(commit), ...(tag === undefined ? {} : { tagObject: Buffer.from(tag) }) };
  });
}

function findNow(git: GitCommand, source: GitSource, { network, stateFolder }: OpDeps, job: JobContext): Promise<GitFound> {
  const wanted: GitWanted = network.git.wholeRefs === true ? { ...source, wholeRefs: true } : source;
  return findCommit(git, stateFolder('git'), wanted, job);
}

function keyOf(source: GitSource, step: string, found: GitFound): CacheMap {
  const { keepGitDir, submodules, mtime } = source;
  // With the git folder its tag and branch show too.
  const what = keepGitDir ? { object: found.object, ref: found.ref } : { object: found.commit, ref: undefined };
  const subdir = source.subdir ?? '';
  const key = digestOf(
    canonicalJson({ op: 'git', remote: submodules ? source.remote : undefined, ...what, keepGitDir, submodules, subdir, mtime }),
  );
  return {
    key,
    step,
    fields: [
      { name: `git ${shownUrl(source.remote)}`, value: what.object },
      { name: 'option git', value: canonicalJson({ ref: what.ref, keepGitDir, submodules, subdir, mtime }) },
    ],
  };
}

async function withGit<T>(source: PlainSource, deps: OpDeps, job: JobContext, work: (git: GitCommand) => Promise<T>): Promise<T> {
  const { git } = deps.network;
  const state = deps.stateFolder('git');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  let knownHosts = { file: join(state, 'known_hosts'), strict: false };
  let temporary: string | undefined;
  const hosts = source.knownSshHosts ?? git.knownHosts;
  if (hosts !== undefined) {
    temporary = deps.tempFolder();
    writeFileSync(temporary, hosts, { mode: 0o600 });
    knownHosts = { file: temporary, strict: true };
  }
  const sshSocket = source.mountSshSock === undefined ? undefined : await deps.sshSocket(source.mountSshSock, job);
  const authorization = /^https?:/.test(source.remote) ? await authorizationOf(source, deps) : undefined;
  try {
    return await work(
      new GitCommand(
        {
          path: git.path,
          knownHosts,
          ...(git.proxies === undefined ? {} : { proxies: git.proxies }),
          ...(git.certificateFile === undefined ? {} : { certificateFile: git.certificateFile }),
          ...(sshSocket === undefined ? {} : { sshSocket }),
          ...(authorization === undefined ? {} : { authorization: { remote: source.remote, value: authorization } }),
        },
        job.signal,
      ),
    );
  } finally {
    if (temporary !== undefined) rmSync(temporary, { force: true });
  }
}

/** A header as it is, or a token as the password of `x-access-token`; those for the host come first. */
async function authorizationOf(source: PlainSource, deps: OpDeps): Promise<string | undefined> {
  const { host } = new URL(source.remote);
  const header = source.authHeaderSecret ?? 'GIT_AUTH_HEADER';
  const token = source.authTokenSecret ?? 'GIT_AUTH_TOKEN';
  for (const id of [`${header}.${host}`, `${token}.${host}`, header, token]) {
    const value = await deps.secret(id);
    if (value === undefined) continue;
    const text = Buffer.from(value).toString('utf8').trim();
    if (/[\r\n]/.test(text)) throw new SlipwayError('SECRET_INVALID', `secret ${id} has more than one line`);
    return id.startsWith(token) ? `basic ${Buffer.from(`x-access-token:${text}`).toString('base64')}` : text;
  }
  return source.login === undefined ? undefined : `Basic ${Buffer.from(source.login).toString('base64')}`;
}

/** The checkout as a layer's entries: modes as git knows them, whatever umask this process has. */
function entriesOf(folder: string, source: GitSource, committedAt: number, job: JobContext): readonly DraftItem[] {
  const time = source.mtime === 'commit' ? { mtime: committedAt, mtimeNs: 0 } : undefined;
  const tree = new MappedTree(new FolderTree(folder, { now: job.now }), (entry) => {
    const inGit = entry.path === '.git' || entry.path.startsWith('.git/');
    const mode = entry.kind === 'dir' || (entry.mode & 0o100) !== 0 ? 0o755 : 0o644;
    return { ...entry, ...(entry.kind === 'symlink' || inGit ? {} : { mode }), ...time };
  });
  const draft = new Draft(EMPTY_TREE);
  copy(draft, COPY_EVERYTHING, { source: tree, owner: undefined, now: time ?? { mtime: 0, mtimeNs: 0 }, unpack: () => false });
  return draft.finish();
}

/** A tree whose entries are seen in another way. */
class MappedTree implements Tree {
  readonly #tree: Tree;
  readonly #map: (entry: Entry) => Entry;

  constructor(tree: Tree, map: (entry: Entry) => Entry) {
    this.#tree = tree;
    this.#map = map;
  }

  lookup(path: string): Entry | undefined {
    const entry = this.#tree.lookup(path);
    return entry === undefined ? undefined : this.#map(entry);
  }

  list(path: string): readonly string[] {
    return this.#tree.list(path);
  }

  open(entry: Entry): ReturnType<Tree['open']> {
    return this.#tree.open(entry);
  }

  digest(entry: Entry): ReturnType<Tree['digest']> {
    return this.#tree.digest(entry);
  }

  linkKey(entry: Entry): string | undefined {
    return this.#tree.linkKey(entry);
  }
}
