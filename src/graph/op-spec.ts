// What each vertex does, as plain data: BuildKit's LLB operations (solver/pb/ops.proto there) in name and in meaning.
// A Dockerfile is turned into these here; an LLB definition that a client sends is turned into the same.

import type { ResourceLimits, SourceLocation, SourceRange } from '../base/index.ts';
import type { Platform } from '../oci/index.ts';

export type OpSpec = SourceSpec | ExecSpec | FileSpec | MergeSpec | DiffSpec | PassSpec;

/** Brings a file tree in. Has no inputs and one output. */
export interface SourceSpec {
  readonly type: 'source';
  readonly source: ImageSource | LocalSource | GitSource | HttpSource | OciLayoutSource;
}

/** A registry image's root filesystem. */
export interface ImageSource {
  readonly kind: 'image';
  /** Canonical reference, with digest once it was resolved. */
  readonly ref: string;
  readonly platform: Platform;
  /** `default`: own images, then the registry. `pull`: always ask the registry. `local`: never ask it when known. */
  readonly resolveMode: 'default' | 'pull' | 'local';
  /** Digest that the image must have, whatever names it. */
  readonly checksum?: string;
  /** Only so many of its layers, from the lowest up. */
  readonly layerLimit?: number;
}

/** An image in an OCI layout folder (named context `oci-layout://`). */
export interface OciLayoutSource {
  readonly kind: 'oci-layout';
  /** Layout folder on this machine, or a client session's store id. */
  readonly path: string;
  /** `name:tag` or `name@digest` in the layout. */
  readonly ref: string;
  readonly platform: Platform;
  /** Client session that offers the layout as a content store (empty: the build's own); then `path` is the store's id. */
  readonly session?: string;
  /** Only so many of its layers, from the lowest up. */
  readonly layerLimit?: number;
}

/** A folder of the user. Only what its consumers select is ever read. */
export interface LocalSource {
  readonly kind: 'local';
  /** Which folder: `context`, `dockerfile`, or a named context's name. The build options say where it is. */
  readonly name: string;
  /** `.dockerignore` patterns that apply. */
  readonly exclude: readonly string[];
  /** Patterns a client asked for (LLB only); undefined: everything. */
  readonly include?: readonly string[];
  readonly followPaths?: readonly string[];
  /** Client session that has the folder, when it is another one than the build's (LLB only). */
  readonly session?: string;
  /** Tells folders of one name apart, so that what was transferred before is found (LLB only). */
  readonly sharedKeyHint?: string;
}

export interface GitSource {
  readonly kind: 'git';
  readonly remote: string;
  /** Branch, tag, `refs/…`, commit or commit prefix; undefined: the remote's HEAD. */
  readonly ref?: string;
  readonly subdir?: string;
  readonly keepGitDir: boolean;
  /** Commit, or a prefix of it, that must come out. */
  readonly checksum?: string;
  readonly submodules: boolean;
  readonly mountSshSock?: string;
  readonly knownSshHosts?: string;
  /** Times of the files: of the checkout (default), or of the commit. */
  readonly mtime?: 'checkout' | 'commit';
  /** `checksum` is the commit: fetched as such, whatever `ref` means now. */
  readonly fetchByCommit?: boolean;
  /** Ids of the secrets that hold a token or an Authorization header; undefined: `GIT_AUTH_TOKEN` and `GIT_AUTH_HEADER`. */
  readonly authTokenSecret?: string;
  readonly authHeaderSecret?: string;
}

/** One file by http or https. The tree has this one file. */
export interface HttpSource {
  readonly kind: 'http';
  readonly url: string;
  /** Name of the file in the tree. */
  readonly filename: string;
  /** `sha256:…` that the bytes must have. */
  readonly checksum?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Id of the secret that holds an Authorization header; undefined: `HTTP_AUTH_HEADER_<host>` and `HTTP_AUTH_TOKEN_<host>`. */
  readonly authHeaderSecret?: string;
}

/** A process in a root filesystem. Outputs: one per mount that has `output >= 0`. */
export interface ExecSpec {
  readonly type: 'exec';
  readonly args: readonly string[];
  /** `NAME=value`, in order. */
  readonly env: readonly string[];
  /** Proxy variables for the process; in no key, no history, no log. */
  readonly proxyEnv?: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** As written after USER (`''` is root). */
  readonly user: string;
  readonly hostname?: string;
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[];
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly cgroupParent?: string;
  readonly devices?: readonly { readonly name: string; readonly optional: boolean }[];
  /** Exit codes that count as success; undefined: only 0. */
  readonly validExitCodes?: readonly number[];
  /** The first one is the root (`dest: '/'`). */
  readonly mounts: readonly MountSpec[];
  readonly secretEnv?: readonly { readonly id: string; readonly name: string; readonly optional: boolean }[];
  /** Limits, LLB `LinuxResources`. Bytes and microseconds. */
  readonly resources?: ResourceLimits;
}

export interface MountSpec {
  readonly type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
  /** Index into the vertex's inputs; -1: starts empty. */
  readonly input: number;
  /** Path inside the input that is mounted. */
  readonly selector: string;
  /** Absolute path in the container. */
  readonly dest: string;
  /** Index of the output that the mount's result becomes; -1: discarded. */
  readonly output: number;
  readonly readonly: boolean;
  readonly cache?: {
    readonly id: string;
    readonly sharing: 'shared' | 'private' | 'locked';
  };
  readonly tmpfs?: { readonly size?: number };
  readonly secret?: { readonly id: string; readonly uid: number; readonly gid: number; readonly mode: number; readonly optional: boolean };
  readonly ssh?: { readonly id: string; readonly uid: number; readonly gid: number; readonly mode: number; readonly optional: boolean };
  /** bind from a source that is a snapshot of user content: digest of the mounted paths keys it, not the identity of the whole. */
  readonly contentCache?: 'on' | 'off';
}

/** File changes without a process. Outputs: one per action that has `output >= 0`. */
export interface FileSpec {
  readonly type: 'file';
  readonly actions: readonly FileAction[];
}

/**
 * `input` and `secondaryInput` count the vertex's inputs first and then the results of earlier actions
 * (LLB `FileAction`); -1: empty.
 */
export interface FileAction {
  readonly input: number;
  readonly secondaryInput: number;
  readonly output: number;
  readonly action: CopyAction | MkdirAction | MkfileAction | RmAction | SymlinkAction;
}

/** Owner by name or number, looked up in /etc/passwd and /etc/group of the tree that action input `input` names (-1: none). */
export interface Owner {
  readonly user?: { readonly name: string; readonly input: number } | { readonly id: number };
  readonly group?: { readonly name: string; readonly input: number } | { readonly id: number };
}

export interface CopyAction {
  readonly kind: 'copy';
  /** Path or glob in the secondary input, absolute. */
  readonly src: string;
  /** Destination in the input, absolute; a trailing `/` counts. */
  readonly dest: string;
  readonly owner?: Owner;
  /** Octal permission bits for all, or symbolic (`u=rwX,go=rX`). */
  readonly mode?: number | string;
  readonly followSymlink: boolean;
  /** A source directory's contents are copied, not itself. */
  readonly dirCopyContents: boolean;
  readonly attemptUnpack: boolean;
  readonly createDestPath: boolean;
  readonly allowWildcard: boolean;
  readonly allowEmptyWildcard: boolean;
  /** Seconds since the epoch for everything written; undefined: the sources' own times. */
  readonly timestamp?: number;
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  readonly alwaysReplaceExistingDestPaths: boolean;
  /** Paths without wildcard that must exist (`COPY --parents a/b`). */
  readonly requiredPaths: readonly string[];
}

export interface MkdirAction {
  readonly kind: 'mkdir';
  readonly path: string;
  readonly mode: number;
  readonly makeParents: boolean;
  readonly owner?: Owner;
  readonly timestamp?: number;
}

export interface MkfileAction {
  readonly kind: 'mkfile';
  readonly path: string;
  readonly mode: number;
  /** File content, latin1 of the bytes. */
  readonly data: string;
  readonly owner?: Owner;
  readonly timestamp?: number;
}

export interface RmAction {
  readonly kind: 'rm';
  readonly path: string;
  readonly allowNotFound: boolean;
  readonly allowWildcard: boolean;
}

export interface SymlinkAction {
  readonly kind: 'symlink';
  readonly path: string;
  readonly target: string;
  readonly owner?: Owner;
  readonly timestamp?: number;
}

/** The inputs' layers stacked; each later one over the earlier. One output. */
export interface MergeSpec {
  readonly type: 'merge';
}

/** What turns the first input into the second, as a tree of its own. One output. */
export interface DiffSpec {
  readonly type: 'diff';
  /** Indexes of the inputs; -1: the empty tree. Default: 0 and 1. */
  readonly lower?: number;
  readonly upper?: number;
}

/** One of the inputs as it is, once all of them are made. One output. */
export interface PassSpec {
  readonly type: 'pass';
  /** Index of the input; -1: the empty tree. */
  readonly of: number;
}

/** One output of a vertex. */
export interface GraphEdge {
  readonly vertex: GraphVertex;
  readonly output: number;
}

/** A node of the build graph. Equal digests mean equal work: op, platform and inputs, not the names. */
export interface GraphVertex {
  readonly digest: string;
  readonly op: OpSpec;
  readonly inputs: readonly GraphEdge[];
  readonly platform: Platform;
  readonly about: VertexAbout;
}

/** A variable that words were expanded with; `default`: an ARG that has its default. */
export interface VariableUse {
  readonly name: string;
  readonly value: string;
  readonly kind: 'arg' | 'default' | 'env';
}

/** For people; not in the digest. Not to be copied by spreading: most of a step's is worked out when it is asked for. */
export interface VertexAbout {
  /** `[build 2/5] RUN make`. */
  readonly name: string;
  /** Stage name as written, or `stage-N`. */
  readonly stage?: string;
  /** Index of the stage in the file. */
  readonly stageIndex?: number;
  /** The instruction as written, for explanations: `COPY . .`. */
  readonly instruction?: string;
  readonly location?: SourceLocation;
  /** Of a copy: where the source of each action was written, for errors about one of them. */
  readonly sources?: readonly SourceRange[] | undefined;
  /** Which of the stage's instructions of this kind it is, from 0. */
  readonly ordinal?: number;
  /** Names of environment variables that ARG declared, for explanations. */
  readonly args?: readonly string[] | undefined;
  /** Variables among them that have their default. */
  readonly defaultArgs?: readonly string[] | undefined;
  /** Variables that its words were expanded with, for explanations. */
  readonly uses?: readonly VariableUse[] | undefined;
  /** Digest of the base image's configuration, for explanations. */
  readonly baseConfig?: string | undefined;
  /** `--no-cache`, or `--no-cache-filter` names its stage: execute though a result is known. */
  readonly ignoreCache?: boolean;
}
