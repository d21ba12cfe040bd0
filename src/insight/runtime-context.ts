// What the runtime checks share: the image, the stages beside it, and where findings go.

import { type BytePath, fromBytePath, isSlipwayError, toBytePath } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import type { ImageConfig, RuntimeConfig } from '../oci/index.ts';
import { DEFAULT_PATH, variableOf } from './command-line.ts';
import type { Finding, FoundAt } from './finding.ts';
import { LibrarySearch } from './library-search.ts';
import type { PackageDatabase } from './packages.ts';
import { readPackages } from './packages.ts';
import { baseOf, fileAt, treePath, walkTree } from './tree-files.ts';
import { imageUser, type ImageUser } from './user.ts';

/** A build stage that may have what the image lacks. */
export interface StageTree {
  readonly name: string;
  readonly tree: Tree;
}

/** Who made a path. */
export interface PathOrigin {
  /** This build made it: it is not the base's. */
  readonly own: boolean;
  /** For people: `COPY --from=build … (line 12)`. */
  readonly label: string;
}

export interface RuntimeOptions {
  /** Stages of the build, in the order of the file. */
  readonly stages?: readonly StageTree[];
  /** Who made a path; without it everything that no package has is looked at. */
  readonly origin?: (path: BytePath) => PathOrigin | undefined;
  /** The paths to look at beside what is started; default: all of the tree. */
  readonly paths?: readonly BytePath[];
}

/** One stage, with what was looked up in it. */
class Stage {
  readonly name: string;
  readonly tree: Tree;
  readonly search: LibrarySearch;
  #packages: PackageDatabase | undefined;
  #libraries: ReadonlyMap<string, BytePath> | undefined;

  constructor({ name, tree }: StageTree) {
    this.name = name;
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
      for (const { kind, path } of walkTree(this.tree, '', 500_000)) {
        if (kind === 'dir' || !path.includes('.so')) continue;
        const base = baseOf(path);
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
  readonly #origin: RuntimeOptions['origin'];
  readonly #path: readonly string[];

  constructor(tree: Tree, config: ImageConfig, { stages = [], origin, paths }: RuntimeOptions) {
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
    this.#path = (variableOf(this.config, 'PATH') ?? DEFAULT_PATH).split(':').filter((dir) => dir !== '');
    this.libraryPath = (variableOf(this.config, 'LD_LIBRARY_PATH') ?? '').split(':').filter((dir) => dir !== '');
  }

  add(finding: Finding): void {
    const origin = finding.path === undefined ? undefined : this.#origin?.(treePath(toBytePath(finding.path)))?.label;
    this.findings.push(origin === undefined ? finding : { ...finding, origin });
  }

  /** Whether a path is the build's own work: not the base's, not a package's. */
  isOwn(path: BytePath): boolean {
    if (this.#origin !== undefined && this.#origin(path)?.own !== true) return false;
    return this.packages.ownerOf(path) === undefined;
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
    if (name === undefined) return undefined;
    switch (this.packages.installer) {
      case 'apt-get':
        return `RUN apt-get update && apt-get install -y --no-install-recommends ${name} && rm -rf /var/lib/apt/lists/*`;
      case 'apk':
        return `RUN apk add --no-cache ${name}`;
      case 'dnf':
        return `RUN dnf install -y ${name} && dnf clean all`;
      case undefined:
        return undefined;
    }
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
  // A stage without a name is called by its number.
  const name = /^stage-(\d+)$/.exec(stage ?? '')?.[1] ?? stage;
  return `COPY ${name === undefined ? '' : `--from=${name} `}${paths}`;
}

/** Runs a part of a check that reads files whose bytes may be nowhere at hand; undefined then. */
export function whereReadable<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isSlipwayError(error, 'LAYER_BYTES_ABSENT') || isSlipwayError(error, 'FILE_CHANGED')) return undefined;
    throw error;
  }
}
