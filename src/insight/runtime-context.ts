// What the runtime checks share: the image, the stages beside it, and where findings go.

import { baseName, type BytePath, fromBytePath, toBytePath } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import type { ImageConfig, RuntimeConfig } from '../oci/index.ts';
import { DEFAULT_PATH, variableOf } from './command-line.ts';
import type { Finding, FoundAt } from './finding.ts';
import { LibrarySearch } from './library-search.ts';
import type { PackageDatabase } from './packages.ts';
import { readPackages } from './packages.ts';
import { fileAt, treePath, walkTree } from './tree-files.ts';
import { imageUser, type ImageUser } from './user.ts';

/** A build stage that may have what the image lacks. */
export interface StageTree {
  readonly name: string;
  readonly tree: Tree;
  /** The image it starts from, as a Dockerfile names it. */
  readonly base?: string;
}

/** Who made a path. */
export interface PathOrigin {
  /** This build made it: it is not the base's. */
  readonly own: boolean;
  /** For people: `COPY --from=build … (line 12)`. */
  readonly label: string;
  /** 1-based line of the instruction. */
  readonly line?: number;
}

export interface RuntimeOptions {
  /** Stages of the build, in the order of the file. */
  readonly stages?: readonly StageTree[];
  /** Who made a path; without it everything that no package has is looked at. */
  readonly origin?: (path: BytePath) => PathOrigin | undefined;
  /** The paths to look at beside what is started; default: all of the tree. */
  readonly paths?: readonly BytePath[];
  /** The image that this one is made from, as a Dockerfile names it. */
  readonly base?: string;
  /** Remembers which texts files have, by a name made of all that the answer depends on. */
  readonly texts?: TextMemory;
}

/** What was found in files before; losing it costs reading them again. */
export interface TextMemory {
  get(name: string): readonly string[] | undefined;
  set(name: string, texts: readonly string[]): void;
}

export { whereReadable } from './tree-files.ts';

/** Files looked at beside what is started. */
const MAX_WALK = 500_000;
/** Nobody reads more. */
const MAX_FINDINGS = 5000;

/** One stage, with what was looked up in it. */
export class Stage {
  readonly name: string;
  readonly base: string | undefined;
  readonly tree: Tree;
  readonly search: LibrarySearch;
  #packages: PackageDatabase | undefined;
  #libraries: ReadonlyMap<string, BytePath> | undefined;

  constructor({ name, tree, base }: StageTree) {
    this.name = name;
    this.base = base;
    this.tree = tree;
    this.search = new LibrarySearch(tree);
  }

  get packages(): PackageDatabase {
    return (this.#packages ??= readPackages(this.tree));
  }

  /** A library anywhere in the stage, by its name. */
  library(name: string): BytePath | undefined {
    if (this.#libraries === undefined) {
      const paths = new Map<string, BytePath>();
      for (const { kind, path } of walkTree(this.tree, '', MAX_WALK)) {
        if (kind === 'dir' || !path.includes('.so')) continue;
        const base = baseName(path);
        if (!paths.has(base)) paths.set(base, path);
      }
      this.#libraries = paths;
    }
    return this.#libraries.get(name);
  }
}

/** The state of one check. */
export class RuntimeContext {
  readonly tree: Tree;
  readonly config: RuntimeConfig;
  readonly architecture: string;
  readonly search: LibrarySearch;
  readonly packages: PackageDatabase;
  readonly stages: readonly Stage[];
  readonly user: ImageUser;
  readonly workdir: BytePath;
  readonly libraryPath: readonly string[];
  readonly findings: Finding[] = [];
  readonly paths: readonly BytePath[] | undefined;
  readonly base: string | undefined;
  readonly texts: TextMemory;
  readonly #origin: RuntimeOptions['origin'];
  readonly #path: readonly string[];
  #own: readonly Entry[] | undefined;

  constructor(
    tree: Tree,
    config: ImageConfig,
    { stages = [], origin, paths, base, texts = new Map<string, readonly string[]>() }: RuntimeOptions,
  ) {
    this.tree = tree;
    this.config = config.config ?? {};
    this.architecture = config.architecture;
    this.search = new LibrarySearch(tree);
    this.packages = readPackages(tree);
    this.stages = stages.map((stage) => new Stage(stage));
    this.user = imageUser(tree, this.config.User ?? '');
    this.workdir = treePath(toBytePath(this.config.WorkingDir ?? ''));
    this.#origin = origin;
    this.paths = paths;
    this.base = base;
    this.texts = texts;
    this.#path = (variableOf(this.config, 'PATH') ?? DEFAULT_PATH).split(':').filter((dir) => dir !== '');
    this.libraryPath = (variableOf(this.config, 'LD_LIBRARY_PATH') ?? '').split(':').filter((dir) => dir !== '');
  }

  add(finding: Finding): void {
    if (this.findings.length >= MAX_FINDINGS) return;
    const origin = finding.path === undefined ? undefined : this.#origin?.(treePath(toBytePath(finding.path)));
    const { label, line } = origin ?? {};
    this.findings.push({ ...finding, ...(label === undefined ? {} : { origin: label }), ...(line === undefined ? {} : { line }) });
  }

  /** Whether a path is the build's own work: not the base's, not a package's. */
  isOwn(path: BytePath): boolean {
    if (this.#origin !== undefined && this.#origin(path)?.own !== true) return false;
    return this.packages.ownerOf(path) === undefined;
  }

  /** Files that are the build's own work, as far as they are to be looked at and `maySay` something. */
  ownFiles(): readonly Entry[] {
    if (this.#own === undefined) {
      const entries =
        this.paths === undefined ? walkTree(this.tree, '', MAX_WALK) : this.paths.flatMap((path) => this.tree.lookup(path) ?? []);
      const own: Entry[] = [];
      for (const entry of entries)
        if (entry.kind === 'file' && maySay(entry) && !/^(proc|sys|dev)\//.test(entry.path) && this.isOwn(entry.path)) own.push(entry);
      this.#own = own;
    }
    return this.#own;
  }

  /** A program by a name as it would be started; `from` is the directory that relative paths start in. */
  program(name: string, tree: Tree = this.tree): Entry | undefined {
    return this.programPath(name, tree)?.entry;
  }

  programPath(name: string, tree: Tree = this.tree): { readonly path: BytePath; readonly entry: Entry } | undefined {
    const bytes = toBytePath(name);
    const places = name.includes('/') ? [treePath(bytes, this.workdir)] : this.#path.map((dir) => treePath(toBytePath(`${dir}/${name}`)));
    for (const path of places) {
      const entry = fileAt(tree, path);
      if (entry !== undefined && (name.includes('/') || (entry.mode & 0o111) !== 0)) return { path, entry };
    }
    return undefined;
  }

  /** Stages that have a file at a path or, for a bare name, on PATH. */
  programInStages(name: string): readonly FoundAt[] {
    return this.stages.flatMap((stage) => {
      const found = this.programPath(name, stage.tree);
      return found === undefined ? [] : [this.foundAt(stage, found.path)];
    });
  }

  /** A place in a stage for people, with its package. */
  foundAt(stage: Stage, path: BytePath): FoundAt {
    const owner = stage.packages.ownerOf(path) ?? stage.packages.ownerOf(fileAt(stage.tree, path)?.path ?? path);
    return { stage: stage.name, path: shown(path), ...(owner === undefined ? {} : { package: owner }) };
  }

  /** The line that installs a package by the image's own tool; undefined: it has none. */
  install(name: string | undefined): string | undefined {
    return installLine(this.packages.installer, name);
  }

  /** Line of the instruction that made a path; undefined: nothing is known of it, or the base has it. */
  lineOf(path: BytePath): number | undefined {
    const origin = this.#origin?.(path);
    return origin?.own === true ? origin.line : undefined;
  }
}

/** Whether a file can be of interest at all: a program, a library, or an environment of Python. Most files of most images are not. */
export function maySay({ mode, path }: Pick<Entry, 'mode' | 'path'>): boolean {
  return (mode & 0o111) !== 0 || isLibrary(path) || path.endsWith('pyvenv.cfg');
}

/** By its name: `libz.so`, `libz.so.1.2`. */
export function isLibrary(path: BytePath): boolean {
  return path.includes('.so') && /\.so(\.\d+)*$/.test(baseName(path));
}

/** The line that installs a package; undefined: by no tool that is known. */
export function installLine(installer: PackageDatabase['installer'], name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  switch (installer) {
    case 'apt-get':
      // Java's packages make links where small images have no folder.
      return `RUN ${/-j(re|dk)\b/.test(name) ? 'mkdir -p /usr/share/man/man1 && ' : ''}apt-get update && apt-get install -y --no-install-recommends ${name} && rm -rf /var/lib/apt/lists/*`;
    case 'apk':
      return `RUN apk add --no-cache ${name}`;
    case 'dnf':
      return `RUN dnf install -y ${name} && dnf clean all`;
    case undefined:
      return undefined;
  }
}

/** As people read it: absolute, UTF-8. */
export function shown(path: BytePath): string {
  return `/${fromBytePath(path)}`.replace(/^\/+/, '/');
}

/** `COPY --from=…` of one file to its place; the JSON form where names need it. */
export function copyLine(stage: string | undefined, from: string, to: string): string {
  const plain = !/[\s"'$\\*?[\]]/.test(from + to);
  const paths = plain ? `${from} ${to}` : JSON.stringify([from, to]);
  return `COPY ${stage === undefined ? '' : `--from=${copyName(stage)} `}${paths}`;
}

/** A stage as `--from` calls it: one without a name by its number. */
export function copyName(stage: string): string {
  return /^stage-(\d+)$/.exec(stage)?.[1] ?? stage;
}
