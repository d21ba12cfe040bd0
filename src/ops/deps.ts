// What the ops of one build share. Some of it is the store's and the machine's, some of it is what the user gave to this build.

import type { BytePath, Digest, JobContext } from '../base/index.ts';
import type { GraphVertex, LocalSource } from '../graph/index.ts';
import type { CacheMounts, Executor, ProcessLimits } from '../runtime/index.ts';
import type { LayerStore, RootFS, RootfsMounter } from '../snapshot/index.ts';
import type { FileSpool, HttpExchange } from '../source/index.ts';
import type { AskedSources } from './asked-sources.ts';

/** Content digests of selected paths, remembered by what they were selected from: they prove a step unchanged without its bytes. */
export interface PathDigests {
  get(identity: Digest, selector: Digest): Promise<Digest | undefined>;
  set(identity: Digest, selector: Digest, content: Digest): Promise<void>;
}

/** A user's folder as the build options name it. */
export interface LocalFolder {
  readonly path: string;
}

/** Where processes run. Opened when the first step has to execute. */
export interface Sandbox {
  readonly executor: Executor;
  readonly mounter: RootfsMounter;
}

/** Proxies, certificates and programs of sources that are fetched. */
export interface SourceNetwork {
  /** The program's own http client. */
  readonly http: HttpExchange;
  readonly git: {
    /** `PATH` for git, ssh and their helpers. */
    readonly path: string;
    /** `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` in both spellings, as git reads them. */
    readonly proxies?: Readonly<Record<string, string>>;
    readonly certificateFile?: string;
    /** The user's own known_hosts; undefined: new hosts are remembered in the store. */
    readonly knownHosts?: string;
    /** A commit's prefix is no ref: clients of a server expect that. */
    readonly wholeRefs?: boolean;
  };
}

/** A step whose process failed, before its root is thrown away. */
export interface FailedStep {
  readonly vertex: GraphVertex;
  /** What the process had changed of its root, as a folder in overlay's form. Anything may be in it. */
  readonly folder: string;
  /** Values that must not be shown. */
  readonly secrets: readonly Uint8Array[];
  /** With `keepsFailed`: changes of each mount whose result the step would have given, the root's (`folder`) among them. */
  readonly left: readonly LeftOver[];
}

/** What a failed step changed in one of its mounts. */
export interface LeftOver {
  /** Which one of the step's mounts. */
  readonly mount: number;
  /** In overlay's form; it may be moved away. */
  readonly folder: string;
  /** What it lies on. */
  readonly below: RootFS | undefined;
}

/** Shared by the ops of one build. */
export interface OpDeps {
  readonly layers: LayerStore;
  readonly pathDigests: PathDigests;
  /** Folder of a local source (`context`, named contexts, a client's), brought here if it must be; it stays until the build ends. */
  readonly folder: (source: LocalSource, job: JobContext) => Promise<LocalFolder | undefined>;
  /** Value of a secret, or undefined when the build has none of that id. Rejects when it cannot be read. */
  readonly secret: (id: string) => Promise<Uint8Array | undefined>;
  /** Socket of the SSH agent of that id on this machine, or undefined. */
  readonly sshSocket: (id: string, job: JobContext) => Promise<string | undefined>;
  /** Folders for state that outlives a build: stat caches, http metadata, git mirrors, cache mounts. */
  readonly stateFolder: (name: string) => string;
  /** Scratch space on the store's file system; removed by whoever asked. */
  readonly tempFolder: () => string;
  /** What was asked about sources before their steps. */
  readonly asked: AskedSources;
  /** Keeps what was read to be hashed, for those who copy it. */
  readonly spool?: FileSpool;
  readonly sandbox: () => Promise<Sandbox>;
  /** Limits of every RUN. */
  readonly limits: ProcessLimits;
  /** Cache mounts; under `--no-cache` they start empty, and stay replaced. */
  readonly caches: CacheMounts;
  /** How sources reach the network. */
  readonly network: SourceNetwork;
  /** Told what a source turned out to be: the commit, the digest of the file. */
  readonly pinned?: (vertex: string, pin: string) => void;
  /** Whether a step of this build is going to mount what a vertex gives, as it is or with changes on top. */
  readonly isSoonMounted: (vertex: string) => boolean;
  /** Every path and glob that this build takes of a user's folder, where all of the folder is at hand. */
  readonly takenPaths?: (folder: string) => readonly BytePath[];
  /** Looks at what a failed step leaves behind; what it does not move away is gone when it returns. Throws nothing. */
  readonly failed?: (step: FailedStep) => void;
  /** Whether that is kept, so that all of it is wanted. */
  readonly keepsFailed?: boolean;
  /** Called when a step's process runs: the moment for what is going to be wanted of the layers below it. */
  readonly whileRunning?: (vertex: string, below: RootFS) => void;
  /** Called when a large layer is begun. */
  readonly onLargeLayer?: () => void;
  /** Something the user may want to know about a step: a limit that was lowered, a network that is the host's. */
  readonly notice: (vertex: string, text: string) => void;
}
