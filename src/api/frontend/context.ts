// Where the Dockerfile and the context of a request come from: folders of the client, a git repository, a URL, or other frontends'
// results.

import type { SourceText } from '../../base/index.ts';
import { isArchive } from '../../build/parts.ts';
import type { Build, FrontendRequest } from '../control/build.ts';
import type { GraphEdge, SourceSpec, Tree, TreeInput } from '../engine.ts';
import { readFile } from '../gateway/files.ts';
import type { Definition } from '../gen/llb_pb.ts';
import type { Policy } from '../gen/policy_pb.ts';
import { isRpcError, RpcError } from '../wire/rpc-error.ts';
import type { DockerfileOptions } from './attributes.ts';
import { unpackEdge, subdirEdge } from './remote-context.ts';

export interface OpenContext {
  readonly dockerfile: SourceText;
  /** What it was read from. */
  readonly dockerfileEdge: GraphEdge | undefined;
  /** Name of the client's folder that is the context, when it is one. */
  readonly localName: string;
  /** Patterns of the ignore file. Asked for late: with `# syntax=` nobody needs them. */
  ignore(): Promise<readonly string[]>;
  tree(ignore: readonly string[]): TreeInput;
  /** Behind a context that is not a folder of the client. */
  readonly source: SourceSpec['source'] | undefined;
}

interface Remote {
  /** Undefined: the empty tree. */
  readonly edge: GraphEdge | undefined;
  readonly filename?: string;
  readonly source?: SourceSpec['source'];
}

/** Opens both and reads the Dockerfile. */
export async function openContext(build: Build, request: FrontendRequest, options: DockerfileOptions): Promise<OpenContext> {
  const { attributes } = request;
  const { engine } = build;
  const contextKey = attributes['contextkey'] ?? 'context';
  const dockerfileKey = attributes['dockerfilekey'];
  const dockerfileLocal = dockerfileKey ?? 'dockerfile';
  const address = attributes[contextKey] ?? '';
  const fetched = address === '' ? undefined : await fetchContext(build, address, request);
  const remote: Remote | undefined =
    fetched ??
    (request.inputs['context'] === undefined ? undefined : { edge: await decodeInput(build, request.inputs['context'], request) });
  const input = request.inputs[dockerfileLocal];
  const scoped = remote === undefined ? undefined : subdirEdge(build, remote.edge, attributes['contextsubdir']);
  const filename = fetched?.filename ?? attributes['filename'] ?? 'Dockerfile';
  let dockerfileEdge: GraphEdge | undefined;
  if (dockerfileKey === undefined && fetched !== undefined) dockerfileEdge = scoped;
  else if (dockerfileKey === undefined && input !== undefined) dockerfileEdge = await decodeInput(build, input, request);
  else
    dockerfileEdge = await localEdge(
      build,
      dockerfileLocal,
      `[internal] load build definition from ${filename}`,
      dockerfileNames(filename),
      options,
      dockerfileLocal,
      request.policies,
    );
  request.node.addEdge(dockerfileEdge);
  const folder = await engine.tree(dockerfileEdge);
  const dockerfile = { filename, text: readDockerfile(folder, filename) };
  const beside = tryRead(folder, `${filename}.dockerignore`);
  const contextLocal = 'context';
  return {
    dockerfile,
    dockerfileEdge,
    localName: contextLocal,
    source: remote?.source,
    ignore: async () => {
      if (remote !== undefined) return [];
      if (beside !== undefined) return engine.readIgnore(beside, `${filename}.dockerignore`);
      const edge = await localEdge(
        build,
        contextLocal,
        '[internal] load .dockerignore',
        ['.dockerignore'],
        options,
        `${contextLocal}-.dockerignore`,
        request.policies,
      );
      request.node.addEdge(edge);
      // A build that takes nothing from a context need not have one.
      const tree = await engine
        .tree(edge)
        .catch((error: unknown) => (isRpcError(error, 'notFound') ? undefined : Promise.reject(error as Error)));
      const text = tree === undefined ? undefined : tryRead(tree, '.dockerignore');
      return text === undefined ? [] : engine.readIgnore(text, '.dockerignore');
    },
    tree: (ignore) =>
      remote !== undefined
        ? { output: scoped }
        : { source: localSource(build, contextLocal, ignore, undefined, options, contextLocal), name: '[internal] load build context' },
  };
}

function decodeInput(build: Build, definition: Definition, request: FrontendRequest): Promise<GraphEdge | undefined> {
  if (definition.def.length === 0) throw new RpcError('invalidArgument', 'invalid nil input definition to definition op');
  return build.decodeInput(definition, request.policies);
}

async function fetchContext(build: Build, address: string, { attributes, policies }: FrontendRequest): Promise<Remote | undefined> {
  const { engine } = build;
  const git = engine.gitSource(address);
  if (git !== undefined) {
    const keep = /^(1|t|true)$/i.test(attributes['build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR'] ?? '');
    const epoch = (attributes['build-arg:SOURCE_DATE_EPOCH'] ?? '') !== '';
    const wanted = {
      ...git,
      keepGitDir: git.keepGitDir || keep,
      ...(epoch && git.mtime === undefined && { mtime: 'commit' as const }),
    };
    const edge = await build.sourceEdge(wanted, `[internal] load git source ${address}`, policies);
    return { edge, ...sourceBehind(edge) };
  }
  if (!/^https?:\/\//.test(address)) return undefined;
  const wanted = { kind: 'http', url: address, filename: 'context' } as const;
  const file = await build.sourceEdge(wanted, '[internal] load remote build context', policies);
  const head = readFile(await engine.tree(file), 'context', { offset: 0, length: 1024 });
  return {
    ...(isArchive(head) ? { edge: unpackEdge(build, file, 'context') } : { edge: file, filename: 'context' }),
    ...sourceBehind(file),
  };
}

function sourceBehind({ vertex: { op } }: GraphEdge): Pick<Remote, 'source'> {
  return op.type === 'source' ? { source: op.source } : {};
}

function dockerfileNames(filename: string): readonly string[] {
  const names = [filename, `${filename}.dockerignore`];
  const slash = filename.lastIndexOf('/') + 1;
  if (filename.slice(slash) === 'Dockerfile') names.push(`${filename.slice(0, slash)}dockerfile`);
  return names;
}

function readDockerfile(folder: Tree, filename: string): string {
  const text = tryRead(folder, filename);
  if (text !== undefined) return text;
  const slash = filename.lastIndexOf('/') + 1;
  const lower = filename.slice(slash) === 'Dockerfile' ? tryRead(folder, `${filename.slice(0, slash)}dockerfile`) : undefined;
  if (lower !== undefined) return lower;
  throw new RpcError('unknown', `failed to read dockerfile: open ${filename}: no such file or directory`);
}

function tryRead(folder: Tree, path: string): string | undefined {
  try {
    return readFile(folder, path).toString();
  } catch (error) {
    if (isRpcError(error, 'notFound')) return undefined;
    throw error;
  }
}

/** A folder of the client as a source. It says whose it is: a client may build something else on the result, in another session. */
export function localSource(
  build: Build,
  name: string,
  exclude: readonly string[],
  followPaths: readonly string[] | undefined,
  options: DockerfileOptions,
  sharedKeyHint: string,
): Extract<SourceSpec['source'], { kind: 'local' }> {
  const session = options.localSessions.get(name) ?? build.request.session;
  return {
    kind: 'local',
    name,
    exclude,
    ...(followPaths !== undefined && { followPaths }),
    // In the order in which a definition is read back: the digest of the vertex shall be the same.
    ...(session !== '' && { session }),
    sharedKeyHint,
  };
}

/** Some files of a client's folder, read anew each time: they decide everything else. */
export function localEdge(
  build: Build,
  name: string,
  title: string,
  followPaths: readonly string[],
  options: DockerfileOptions,
  sharedKeyHint: string,
  policies: readonly Policy[],
): Promise<GraphEdge> {
  return build.sourceEdge(localSource(build, name, [], followPaths, options, sharedKeyHint), title, policies);
}
