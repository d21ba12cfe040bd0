// What should not be in an image: tools, caches, secrets, open doors, bytes that are there twice or hidden.

import { baseName, type BytePath, parentPath, toBytePath } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import { type Finding, sortFindings } from './finding.ts';
import { configSecrets, secretIn, secretName } from './leaks.ts';
import type { KnownLayer } from './origin.ts';
import { readPackages } from './packages.ts';
import { type RuntimeOptions, shown, whereReadable } from './runtime-context.ts';
import { startsOnlyStatic } from './check-runtime.ts';
import { fileAt, headOf, treePath, walkTree } from './tree-files.ts';

/** What is known beside the files. */
export interface ContentsOptions {
  readonly origin?: RuntimeOptions['origin'];
  /** All layers, lowest first: for what is hidden and what is there twice. */
  readonly layers?: readonly KnownLayer[];
  /** How many of them are the base's. */
  readonly baseLayers?: number;
}

const MAX_ENTRIES = 1_000_000;
/** Files that are searched for secrets, and their size. */
const MAX_SEARCHED = 20_000;
const MAX_SECRET_FILE = 64 << 10;
/** Less is not worth a word. */
const SMALL = 64 << 10;

const TOOLS =
  /^(usr\/(local\/)?bin\/(gcc|g\+\+|clang|rustc|cargo|make|cmake|ninja|ld|javac|tcc|nasm)|usr\/local\/(go|cargo)\/bin\/(go|cargo)|opt\/[^/]+\/bin\/javac)$/;
const MANAGERS = /^(usr\/)?s?bin\/(apt-get|apk|dnf|microdnf|yum|zypper)$|^usr\/(local\/)?bin\/(npm|pip3?|yarn)$/;
const CACHES: readonly (readonly [folder: RegExp, mount: string])[] = [
  [/^(var\/lib\/apt\/lists)\/./, '/var/lib/apt'],
  [/^(var\/cache\/apt)\/./, '/var/cache/apt'],
  [/^(var\/cache\/apk)\/./, '/var/cache/apk'],
  [/^(var\/cache\/(?:dnf|yum|zypp))\/./, '/var/cache'],
  [/^((?:root|home\/[^/]+)\/\.cache)\/./, '/root/.cache'],
  [/^((?:root|home\/[^/]+)\/\.npm\/_cacache)\/./, '/root/.npm'],
  [/^((?:root|home\/[^/]+)\/\.cargo\/registry|usr\/local\/cargo\/registry)\/./, '/usr/local/cargo/registry'],
  [/^((?:root\/)?go\/pkg\/mod)\/./, '/go/pkg/mod'],
  [/^((?:root|home\/[^/]+)\/\.(?:m2\/repository|gradle\/caches))\/./, '/root/.m2'],
];
/** Files that only a test runner reads. */
const TESTS =
  /(^|\/)(__tests__|testdata)\/|_test\.(go|py|rb)$|\.(test|spec)\.[cm]?[jt]sx?$|(^|\/)test_[^/]+\.py$|(^|\/)src\/test\/(java|kotlin|scala)\//;
const VCS = /(?:^|\/)(\.git|\.hg|\.svn|\.bzr)$/;
const VENDORED_CODE = /(^|\/)(node_modules|site-packages|dist-packages|vendor|go\/pkg\/mod)\/|^usr\/(local\/)?(share|lib|go)\//;
const VENDORED =
  /(^|\/)(node_modules|site-packages|dist-packages|vendor|gems|go\/pkg\/mod|testdata|tests?|examples?)\/|^usr\/(share|lib)\//;

/** All findings about what is in an image and should not be. */
export function checkContents(tree: Tree, config: ImageConfig, options: ContentsOptions = {}): readonly Finding[] {
  const { origin, layers = [], baseLayers = 0 } = options;
  const packages = readPackages(tree);
  const findings: Finding[] = [];
  const add = (finding: Finding): void => {
    const label = finding.path === undefined ? undefined : origin?.(treePath(toBytePath(finding.path)))?.label;
    findings.push(label === undefined ? finding : { ...finding, origin: label });
  };
  const isOwn = (path: BytePath): boolean => (origin === undefined ? packages.ownerOf(path) === undefined : origin(path)?.own === true);
  const caches = new Map<BytePath, { bytes: number; mount: string }>();
  const tests: Entry[] = [];
  const setuidOfBase: Entry[] = [];
  let searched = 0;
  for (const entry of walkTree(tree, '', MAX_ENTRIES)) {
    const { path, kind } = entry;
    if (kind === 'dir') checkFolder(tree, entry, isOwn, add);
    else if (kind === 'symlink' && (TOOLS.test(path) || MANAGERS.test(path))) {
      const real = fileAt(tree, path);
      if (real !== undefined) add(toolLeft(path, real.size, isOwn(path)));
    } else if (kind === 'file') {
      if (TOOLS.test(path) || MANAGERS.test(path)) add(toolLeft(path, entry.size, isOwn(path)));
      if (TESTS.test(path) && !VENDORED_CODE.test(path) && isOwn(path) && packages.ownerOf(path) === undefined) tests.push(entry);
      for (const [folder, mount] of CACHES) {
        const top = folder.exec(path)?.[1];
        if (top === undefined) continue;
        const sum = caches.get(top) ?? { bytes: 0, mount };
        sum.bytes += entry.size;
        caches.set(top, sum);
      }
      if (isSetuid(entry) && origin !== undefined && !isOwn(path)) setuidOfBase.push(entry);
      else checkRights(entry, isOwn, add);
      if (entry.size > 0 && isOwn(path) && packages.ownerOf(path) === undefined) {
        const secret = secretName(path) ?? (searched < MAX_SEARCHED ? secretOf(tree, entry) : undefined);
        if (entry.size <= MAX_SECRET_FILE) searched += 1;
        if (secret !== undefined) {
          add({
            rule: 'secret-left',
            severity: VENDORED.test(path) ? 'info' : secret.certain ? 'error' : 'warning',
            path: shown(path),
            message: secret.message,
            bytes: entry.size,
            cure: 'mount it where it is needed: RUN --mount=type=secret,id=…',
          });
        }
      }
    }
  }
  for (const [path, { bytes, mount }] of caches) {
    if (bytes < SMALL) continue;
    const cure = `RUN --mount=type=cache,target=${mount} …`;
    add({
      rule: 'cache-left',
      severity: isOwn(path) ? 'warning' : 'info',
      path: shown(path),
      message: 'a cache of downloads is in the image',
      bytes,
      cure,
    });
  }
  if (tests.length > 0) add(testsLeft(tests));
  if (setuidOfBase.length > 0) add(setuidLeft(setuidOfBase));
  for (const finding of configSecrets(config)) add(finding);
  for (const finding of hiddenBytes(layers, baseLayers)) add(finding);
  const base = layers.slice(0, baseLayers).reduce((sum, layer) => sum + bytesOf(layer), 0);
  if (base > 1 << 20 && startsOnlyStatic(tree, config)) {
    add({
      rule: 'base-not-needed',
      severity: 'info',
      message: 'everything the image starts is static: FROM scratch would do (certificates, zone data and users copied if they are used)',
      bytes: base,
    });
  }
  return sortFindings(findings);
}

function toolLeft(path: BytePath, bytes: number, own: boolean): Finding {
  if (MANAGERS.test(path)) {
    return {
      rule: 'package-manager-left',
      severity: 'info',
      path: shown(path),
      message: 'a package manager is in the image',
      bytes,
      cure: 'start the last stage from an image without one (scratch, distroless) and COPY --from what is needed',
    };
  }
  return {
    rule: 'compiler-left',
    severity: own ? 'warning' : 'info',
    path: shown(path),
    message: `${baseName(path)} is a tool for building`,
    bytes,
    cure: 'build in a stage of its own and COPY --from what came out',
  };
}

/** One finding for all: where the largest is. */
function testsLeft(tests: readonly Entry[]): Finding {
  const largest = tests.reduce((one, other) => (other.size > one.size ? other : one));
  return {
    rule: 'tests-left',
    severity: 'info',
    path: shown(largest.path),
    message:
      tests.length === 1 ? 'a file of tests is in the image' : `${tests.length} files of tests are in the image, this one is the largest`,
    bytes: tests.reduce((sum, { size }) => sum + size, 0),
    cure: 'write them into .dockerignore, or name in COPY only what runs',
  };
}

/** One finding for what a base brings: nobody here asked for it. */
function setuidLeft(entries: readonly Entry[]): Finding {
  const paths = entries.map(({ path }) => shown(path));
  return {
    rule: 'setuid',
    severity: 'info',
    path: paths[0] ?? '',
    message: `${paths.length === 1 ? 'a program of the base runs' : `${paths.length} programs of the base run`} with the rights of owner or group: ${paths.slice(0, 12).join(', ')}${paths.length > 12 ? ', …' : ''}`,
    cure: `RUN chmod a-s ${paths.join(' ')}`,
  };
}

function isSetuid({ mode }: Entry): boolean {
  return (mode & 0o6000) !== 0 && (mode & 0o111) !== 0;
}

function checkFolder(tree: Tree, { path, mode }: Entry, isOwn: (path: BytePath) => boolean, add: (finding: Finding) => void): void {
  if ((mode & 0o1002) === 0o002 && isOwn(path)) {
    add({
      rule: 'world-writable',
      severity: 'warning',
      path: shown(path),
      message: 'everybody may write into it',
      cure: 'give COPY or mkdir a mode without o+w',
    });
  }
  const vcs = VCS.exec(path);
  if (vcs === null || !(tree.lookup(`${path}/HEAD`) !== undefined || vcs[1] !== '.git')) return;
  const name = vcs[1] as string;
  let bytes = 0;
  for (const { size } of walkTree(tree, path, 200_000)) bytes += size;
  add({
    rule: 'vcs-left',
    severity: 'warning',
    path: shown(path),
    message: `the history of ${shown(parentPath(path))} is in the image`,
    bytes,
    cure: `write ${name} into .dockerignore`,
  });
}

function checkRights({ path, mode }: Entry, isOwn: (path: BytePath) => boolean, add: (finding: Finding) => void): void {
  const own = (mode & 0o6000) !== 0 || (mode & 0o002) !== 0 ? isOwn(path) : false;
  if ((mode & 0o6000) !== 0 && (mode & 0o111) !== 0) {
    add({
      rule: 'setuid',
      severity: own ? 'warning' : 'info',
      path: shown(path),
      message: `it runs with the rights of its ${(mode & 0o4000) !== 0 ? 'owner' : 'group'}`,
      cure: `RUN chmod a-s ${shown(path)}`,
    });
  }
  if (own && (mode & 0o002) !== 0) {
    add({
      rule: 'world-writable',
      severity: 'warning',
      path: shown(path),
      message: 'everybody may write to it',
      cure: 'add --chmod=755 to the COPY that brings it',
    });
  }
}

function secretOf(tree: Tree, entry: Entry): { readonly message: string; readonly certain: boolean } | undefined {
  if (entry.size === 0 || entry.size > MAX_SECRET_FILE) return undefined;
  return whereReadable(() => secretIn(entry.path, headOf(tree, entry, MAX_SECRET_FILE).toString('latin1')));
}

function bytesOf({ index }: KnownLayer): number {
  return index.entries.reduce((sum, { size }) => sum + size, 0);
}

/** Files that later layers take away, replace by the same bytes, or bring again; in the layers that this build made. */
function hiddenBytes(layers: readonly KnownLayer[], baseLayers: number): readonly Finding[] {
  const findings: Finding[] = [];
  const there = new Map<BytePath, { readonly layer: number; readonly entry: Entry }>();
  const contents = new Map<string, { readonly layer: number; readonly path: BytePath }>();
  for (const [layer, { index, made }] of layers.entries()) {
    let gone = 0;
    let example = '';
    let copied = 0;
    let copiedExample = '';
    const remove = (path: BytePath): void => {
      const before = there.get(path);
      if (before === undefined || before.layer < baseLayers || before.layer === layer) return;
      gone += before.entry.size;
      if (example === '' || before.entry.size > SMALL) example = path;
      there.delete(path);
    };
    const folders = index.entries.filter(({ kind, opaque }) => kind === 'whiteout' || opaque === true).map(({ path }) => path);
    if (folders.length > 0) {
      const set = new Set(folders);
      for (const path of [...there.keys()]) {
        for (let up = path; ; up = parentPath(up)) {
          if (set.has(up)) {
            remove(path);
            break;
          }
          if (up === '') break;
        }
      }
    }
    for (const entry of index.entries) {
      if (entry.kind !== 'file') continue;
      const before = there.get(entry.path);
      if (before !== undefined && before.entry.digest === entry.digest) {
        copied += entry.size;
        if (copiedExample === '' || entry.size > SMALL) copiedExample = entry.path;
      } else if (layer >= baseLayers && entry.size >= SMALL && entry.digest !== undefined) {
        const twin = contents.get(entry.digest);
        if (twin !== undefined && twin.layer !== layer) {
          findings.push({
            rule: 'twice',
            severity: 'info',
            path: shown(entry.path),
            message: `the same bytes are at ${shown(twin.path)}, in another layer`,
            bytes: entry.size,
            cure: 'copy both in one instruction as hard links, or link one to the other',
          });
        } else contents.set(entry.digest, { layer, path: entry.path });
      }
      there.set(entry.path, { layer, entry });
    }
    if (gone >= SMALL) {
      findings.push({
        rule: 'deleted-later',
        severity: 'warning',
        path: shown(example),
        message: `${made} deletes what an earlier layer brought: it is still in the image`,
        bytes: gone,
        cure: 'delete it in the instruction that makes it, or do both in a stage of its own',
      });
    }
    if (copied >= SMALL && layer >= baseLayers) {
      findings.push({
        rule: 'copied-again',
        severity: 'warning',
        path: shown(copiedExample),
        message: `${made} changes only owner, mode or time: the bytes are in two layers`,
        bytes: copied,
        cure: 'give COPY --chown and --chmod instead',
      });
    }
  }
  return findings;
}
