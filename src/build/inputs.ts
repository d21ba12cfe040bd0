// What a build is made from: the Dockerfile's text, the context as a tree, and the folders that local sources name.

import { closeSync, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoOf, SlipwayError, type SourceText, suggest } from '../base/index.ts';
import { parseGoBool, parseIgnore } from '../dockerfile/index.ts';
import { type GraphEdge, gitSource, parseGitRef, type SourceSpec, type TreeInput, VertexPool } from '../graph/index.ts';
import type { Platform } from '../oci/index.ts';
import { COPY_EVERYTHING } from '../ops/index.ts';
import { archiveFault } from '../source/index.ts';
import { type ContextFile, readContextFile } from './context-file.ts';
import { linkedTarget } from './linked-targets.ts';
import type { BuildRequest, ContextInput, DockerfileInput } from './options.ts';

/** The inputs of one build, read. */
export interface BuildInputs {
  readonly dockerfile: SourceText;
  /** File of this machine that the Dockerfile was read from. */
  readonly path: string | undefined;
  /** Undefined: the local folder `context`. */
  readonly context: TreeInput | undefined;
  /** The git or http source that the context is from. */
  readonly contextSource: SourceSpec['source'] | undefined;
  /** Patterns of the context's ignore file. */
  readonly ignore: readonly string[];
}

/** Reads a file of a tree that had to be built first (a git repository, an archive); undefined: it is not there. */
export type ReadFromTree = (edge: GraphEdge, path: string) => Promise<Uint8Array | undefined>;

/** Whether a context word names a git or http address rather than a folder. */
export function isRemoteContext(word: string): boolean {
  return /^(https?|git|ssh):\/\//.test(word) || /^git@[^:]+:/.test(word) || /^github\.com\//.test(word);
}

/** The folder of a named context among all folders: `context` is the build context's, `dockerfile` that of the Dockerfile. */
export function contextFolder(name: string): string {
  return name === 'context' || name === 'dockerfile' ? `_${name}` : name;
}

/** Reads a build's inputs. Throws `DOCKERFILE_NOT_FOUND`, `CONTEXT_NOT_FOUND`, `TAR_BROKEN`, `STREAM_BROKEN`, `IGNORE_INVALID`. */
export async function readInputs(
  request: BuildRequest,
  platform: Platform,
  folders: Map<string, string>,
  read: ReadFromTree,
): Promise<BuildInputs> {
  const context = request.context ?? { kind: 'empty' };
  for (const [name, value] of Object.entries(request.namedContexts ?? {})) {
    if (!value.includes('://') && !isRemoteContext(value) && linkedTarget(value) === undefined) folders.set(contextFolder(name), value);
  }
  if (context.kind === 'folder') {
    checkFolder(context.path);
    folders.set('context', context.path);
    const dockerfile = readLocalDockerfile(await fetched(request.dockerfile, platform, read), context.path);
    return { ...about(dockerfile.source), path: dockerfile.path, ignore: readIgnoreFile(context.path, dockerfile.path) };
  }
  if (context.kind === 'archive') await checkArchive(context.path);
  const contextSource = context.kind === 'url' ? remoteSource(context.url, request) : undefined;
  const edge = contextEdge(context, contextSource, platform, folders);
  const dockerfile = await readRemoteDockerfile(await fetched(request.dockerfile, platform, read), edge, read);
  return { ...about(dockerfile), context: { output: edge }, contextSource };
}

function about(dockerfile: SourceText): BuildInputs {
  return { dockerfile, path: undefined, context: undefined, contextSource: undefined, ignore: [] };
}

/** A git or http address as a source, with what build arguments say about it. */
export function remoteSource(url: string, { buildArgs = {}, sourceDateEpoch }: BuildRequest = {}): SourceSpec['source'] {
  const ref = parseGitRef(url);
  if (ref === undefined) return { kind: 'http', url, filename: 'context' };
  const git = gitSource(ref, { keepGitDir: parseGoBool(buildArgs['BUILDKIT_CONTEXT_KEEP_GIT_DIR'] ?? '') === true });
  const dated = sourceDateEpoch !== undefined || (buildArgs['SOURCE_DATE_EPOCH'] ?? '') !== '';
  return { ...git, ...(dated && git.mtime === undefined ? { mtime: 'commit' } : {}) };
}

function checkFolder(path: string): void {
  try {
    if (statSync(path).isDirectory()) return;
  } catch (cause) {
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: path ${JSON.stringify(path)} not found`, { cause });
  }
  throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: ${JSON.stringify(path)} is not a folder`);
}

/** An archive that breaks off before its first member would be taken for a file, as ADD takes it, and the Dockerfile be missed in it. */
async function checkArchive(path: string): Promise<void> {
  const fd = openArchive(path);
  let fault: SlipwayError | undefined;
  try {
    fault = await archiveFault({ fd, offset: 0, size: fstatSync(fd).size, [Symbol.dispose]: () => {} });
  } finally {
    closeSync(fd);
  }
  if (fault === undefined) return;
  throw new SlipwayError(fault.code, `the archive of the build context is cut off or damaged: ${fault.message}`, {
    cause: fault,
    hint: 'make it again, and look whether what wrote it came to its end',
  });
}

function openArchive(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unable to prepare context: ${(cause as Error).message}`, { cause });
  }
}

/** A Dockerfile that is here, or in the context. */
type NearDockerfile = Exclude<DockerfileInput, { kind: 'url' }>;

/** One that an address serves is called `Dockerfile`, whatever the address ends in. Throws `HTTP_…`. */
async function fetched(input: DockerfileInput | undefined, platform: Platform, read: ReadFromTree): Promise<NearDockerfile | undefined> {
  if (input?.kind !== 'url') return input;
  const filename = 'Dockerfile';
  const source = { kind: 'http', url: input.url, filename } as const;
  const edge = new VertexPool().edge({ type: 'source', source }, [], platform, { name: '[internal] load remote build definition' });
  const bytes = await read(edge, filename);
  if (bytes === undefined) throw new Error('internal: what was fetched is not there');
  return { kind: 'text', text: Buffer.from(bytes).toString('utf8'), filename };
}

function readLocalDockerfile(input: NearDockerfile | undefined, context: string): { source: SourceText; path: string | undefined } {
  if (input?.kind === 'text') return { source: { filename: input.filename, text: input.text }, path: undefined };
  const path = resolve(context, input?.path ?? 'Dockerfile');
  let folder: string | undefined;
  for (const candidate of [path, join(dirname(path), basename(path).toLowerCase())]) {
    try {
      const file = readContextFile(candidate, context, input !== undefined);
      if (file.kind === 'not a file') {
        throw new SlipwayError('DOCKERFILE_NOT_FOUND', `failed to read dockerfile: ${basename(path)} is not a regular file`, {
          hint: 'a pipe is read when it is named by -f',
        });
      }
      if (file.kind === 'outside') {
        throw new SlipwayError(
          'DOCKERFILE_NOT_FOUND',
          `failed to read dockerfile: ${basename(path)} is a symlink that leads out of the context`,
          {
            hint: 'put the file itself there, or name it by -f: whoever wrote the context must not choose what is read of this machine',
          },
        );
      }
      return { source: { filename: basename(candidate), text: file.text }, path: candidate };
    } catch (cause) {
      if (cause instanceof SlipwayError) throw cause;
      const errno = errnoOf(cause);
      if (errno === 'EISDIR') folder ??= candidate;
      if ((errno === 'ENOENT' || errno === 'EISDIR') && basename(path) === 'Dockerfile' && candidate === path) continue;
      if (errno === 'ENOENT' || errno === 'EISDIR') break;
      throw new SlipwayError('DOCKERFILE_NOT_FOUND', `failed to read dockerfile: open ${basename(path)}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
  if (folder !== undefined) {
    throw new SlipwayError('DOCKERFILE_NOT_FOUND', `failed to read dockerfile: ${basename(folder)} is not a regular file, but a folder`, {
      hint: 'name the file by -f',
    });
  }
  throw new SlipwayError('DOCKERFILE_NOT_FOUND', `failed to read dockerfile: open ${basename(path)}: no such file or directory (${path})`, {
    hint: nearFile(path) ?? (input === undefined ? NAME_IT : 'check the path behind -f; it is relative to the current folder'),
  });
}

const NAME_IT = 'the Dockerfile is looked for in the context folder; name another one by -f';

/** A file beside the missing one with nearly its name. */
function nearFile(path: string): string | undefined {
  try {
    // The very name is there when it is a symlink to nothing.
    const others = readdirSync(dirname(path)).filter((name) => name !== basename(path));
    const near = suggest(basename(path), others);
    return near === undefined ? undefined : `did you mean ${near}? Name it by -f`;
  } catch {
    return undefined; // The folder is not there either.
  }
}

/** `<Dockerfile>.dockerignore` beside the Dockerfile wins over `.dockerignore` of the context. */
function readIgnoreFile(context: string, dockerfile: string | undefined): readonly string[] {
  const candidates = [...(dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]), join(context, '.dockerignore')];
  for (const path of candidates) {
    let file: ContextFile;
    try {
      file = readContextFile(path, context, false);
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT' || errnoOf(cause) === 'EISDIR') continue;
      throw new SlipwayError('IGNORE_INVALID', `failed to read ${path}: ${(cause as Error).message}`, { cause });
    }
    // As BuildKit: what a symlink names elsewhere is not part of the context.
    if (file.kind === 'outside') continue;
    if (file.kind === 'not a file') throw new SlipwayError('IGNORE_INVALID', `failed to read ${path}: it is not a regular file`);
    return parseIgnore(file.text);
  }
  return [];
}

/** Patterns of a named context's own `.dockerignore`. */
export function readContextIgnore(folder: string): readonly string[] {
  return readIgnoreFile(folder, undefined);
}

/** The context as an output of vertices that the engine solves like any other. */
export function contextEdge(
  context: Exclude<ContextInput, { kind: 'folder' }>,
  source: SourceSpec['source'] | undefined,
  platform: Platform,
  folders: Map<string, string>,
): GraphEdge | undefined {
  const pool = new VertexPool();
  const about = { name: '[internal] load remote build context' };
  switch (context.kind) {
    case 'empty':
      return undefined;
    case 'archive': {
      folders.set('context-archive', dirname(context.path));
      const file = pool.edge({ type: 'source', source: { kind: 'local', name: 'context-archive', exclude: [] } }, [], platform, {
        name: '[internal] load context archive',
      });
      return unpacked(pool, file, basename(context.path), platform);
    }
    case 'url': {
      if (source === undefined) throw new Error('internal: an address is a source');
      const edge = pool.edge({ type: 'source', source }, [], platform, about);
      return source.kind === 'git' ? edge : unpacked(pool, edge, 'context', platform);
    }
  }
}

/** A tar (any compression) unpacked; what is no archive is copied as it is and named `Dockerfile` by whoever reads it. */
function unpacked(pool: VertexPool, file: GraphEdge, name: string, platform: Platform): GraphEdge {
  return pool.edge(
    {
      type: 'file',
      actions: [
        {
          input: -1,
          secondaryInput: 0,
          output: 0,
          action: { ...COPY_EVERYTHING, src: `/${name}`, followSymlink: true, attemptUnpack: true },
        },
      ],
    },
    [file],
    platform,
    { name: '[internal] unpack build context' },
  );
}

async function readRemoteDockerfile(
  input: NearDockerfile | undefined,
  edge: GraphEdge | undefined,
  read: ReadFromTree,
): Promise<SourceText> {
  if (input?.kind === 'text') return { filename: input.filename, text: input.text };
  const wanted = input?.path ?? 'Dockerfile';
  if (wanted.startsWith('/')) return { filename: basename(wanted), text: readLocalText(wanted) };
  if (edge === undefined)
    throw new SlipwayError('DOCKERFILE_NOT_FOUND', 'the context is empty and no Dockerfile was given', { hint: 'name one by -f' });
  // `context`: an address that was no archive is the Dockerfile itself.
  for (const path of input === undefined ? ['Dockerfile', 'dockerfile', 'context'] : [wanted]) {
    const bytes = await read(edge, path);
    if (bytes !== undefined)
      return { filename: path === 'context' ? 'Dockerfile' : basename(path), text: Buffer.from(bytes).toString('utf8') };
  }
  throw new SlipwayError(
    'DOCKERFILE_NOT_FOUND',
    `failed to read dockerfile: open ${wanted}: no such file or directory in the build context`,
    { hint: 'name its path in the context by -f' },
  );
}

function readLocalText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SlipwayError('DOCKERFILE_NOT_FOUND', `failed to read dockerfile: open ${path}: ${(cause as Error).message}`, { cause });
  }
}
