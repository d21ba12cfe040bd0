// Everything with a name and a version in a tree: system packages, modules of Go programs, npm, pip, Cargo and Maven metadata.

import type { Entry, Tree } from '../layer/index.ts';
import { baseName, fromBytePath } from '../base/index.ts';
import { readGoBuild } from './go-build.ts';
import { readPackages } from './packages.ts';
import { auditedCrates } from './rust-audit.ts';
import { whereReadable } from './runtime-context.ts';
import { headOf, textAt, walkTree, withFile } from './tree-files.ts';
import { zipData, type ZipMember, zipMembers } from './zip.ts';

/** One component. */
export interface FoundPackage {
  readonly name: string;
  readonly version: string;
  /** Package URL (purl-spec). */
  readonly purl: string;
  /** As the package's own metadata says; not checked to be an SPDX expression. */
  readonly license?: string;
  readonly supplier?: string;
  readonly homepage?: string;
  /** File that says so, or the database. */
  readonly path: string;
}

const MAX_ENTRIES = 1_000_000;
const MAX_METADATA = 4 << 20;
/** Of system packages in a tree that does not say what it is. */
const NAMESPACES = { deb: 'debian', apk: 'alpine', rpm: 'redhat' } as const;

/** Scans a tree. Sorted by purl, each once. What is malformed is left out. */
export function scanPackages(tree: Tree): readonly FoundPackage[] {
  const found = new Map<string, FoundPackage>();
  const add = (one: FoundPackage): void => {
    if (one.name !== '' && !found.has(one.purl)) found.set(one.purl, one);
  };
  systemPackages(tree).forEach(add);
  for (const entry of walkTree(tree, '', MAX_ENTRIES)) {
    if (entry.kind !== 'file' || entry.size === 0) continue;
    for (const one of whereReadable(() => packagesOf(tree, entry)) ?? []) add(one);
  }
  return [...found.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
}

function systemPackages(tree: Tree): readonly FoundPackage[] {
  const release = new Map(
    (textAt(tree, 'etc/os-release', 1 << 16) ?? textAt(tree, 'usr/lib/os-release', 1 << 16) ?? '')
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).replace(/^["']|["']$/g, '')] as const),
  );
  const id = release.get('ID') ?? '';
  const distro = id === '' ? '' : `${id}-${release.get('VERSION_ID') ?? ''}`.replace(/-$/, '');
  const database = readPackages(tree);
  return database.packages.map(({ kind, name, version, epoch, architecture, source, license, maintainer, homepage }) => {
    const qualifiers = [
      ...(epoch === undefined ? [] : [`epoch=${epoch}`]),
      ...(architecture === undefined ? [] : [`arch=${encodeURIComponent(architecture)}`]),
      ...(source === undefined ? [] : [`upstream=${encodeURIComponent(source)}`]),
      ...(distro === '' ? [] : [`distro=${encodeURIComponent(distro)}`]),
    ].sort();
    const namespace = id === '' ? NAMESPACES[kind] : id;
    return {
      name,
      version,
      purl: `${purlOf(kind, [namespace, name], version)}${qualifiers.length === 0 ? '' : `?${qualifiers.join('&')}`}`,
      path: database.path,
      ...(license === undefined ? {} : { license }),
      ...(maintainer === undefined ? {} : { supplier: maintainer }),
      ...(homepage === undefined ? {} : { homepage }),
    };
  });
}

function packagesOf(tree: Tree, entry: Entry): readonly FoundPackage[] {
  const { path } = entry;
  const name = baseName(path);
  const shown = `/${fromBytePath(path)}`;
  const text = (): string => headOf(tree, entry, MAX_METADATA).toString('utf8');
  if (name === 'package.json' && /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path)) return npmPackage(text(), shown);
  if (/\.dist-info\/METADATA$|\.egg-info\/PKG-INFO$|\.egg-info$/.test(path)) return pythonPackage(text(), shown);
  if (name === 'Cargo.lock') return cargoPackages(text(), shown);
  if (/\.(jar|war|ear)$/.test(name)) return mavenPackages(tree, entry, shown);
  if ((entry.mode & 0o111) !== 0 && entry.size > 100_000 && headOf(tree, entry, 4).toString('latin1') === '\x7fELF')
    return [...goModules(tree, entry, shown), ...rustCrates(tree, entry, shown)];
  return [];
}

function goModules(tree: Tree, entry: Entry, path: string): readonly FoundPackage[] {
  const build = withFile(tree, entry, (read, size) => readGoBuild(read, size));
  if (build === undefined) return [];
  const modules = [...(build.main === undefined ? [] : [build.main]), ...build.dependencies];
  const version = build.goVersion.replace(/^go/, '').replace(/ .*/, '');
  return [
    { name: 'stdlib', version: build.goVersion, purl: purlOf('golang', ['stdlib'], version), path },
    ...modules.map((module) => ({
      name: module.path,
      version: module.version,
      purl: purlOf('golang', module.path.split('/'), module.version),
      path,
    })),
  ];
}

function rustCrates(tree: Tree, entry: Entry, path: string): readonly FoundPackage[] {
  return withFile(tree, entry, (read, size) => auditedCrates(read, size)).map(({ name, version }) => ({
    name,
    version,
    purl: purlOf('cargo', [name], version),
    path,
  }));
}

function npmPackage(text: string, path: string): readonly FoundPackage[] {
  const document = parse(text) as { readonly name?: unknown; readonly version?: unknown; readonly license?: unknown } | undefined;
  const { name, version, license } = document ?? {};
  if (typeof name !== 'string' || typeof version !== 'string') return [];
  return [{ name, version, purl: purlOf('npm', name.split('/'), version), path, ...(typeof license === 'string' ? { license } : {}) }];
}

function pythonPackage(text: string, path: string): readonly FoundPackage[] {
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const field = (name: string): string | undefined => new RegExp(`^${name}: *(.+?)\\r?$`, 'mi').exec(head)?.[1];
  const [name, version, license] = [field('Name'), field('Version'), field('License-Expression') ?? field('License')];
  if (name === undefined || version === undefined) return [];
  const normal = name.toLowerCase().replace(/[-_.]+/g, '-');
  return [{ name, version, purl: purlOf('pypi', [normal], version), path, ...(license === undefined ? {} : { license }) }];
}

function cargoPackages(text: string, path: string): readonly FoundPackage[] {
  return text
    .split('[[package]]')
    .slice(1)
    .flatMap((block): FoundPackage[] => {
      const name = /^name = "([^"]+)"/m.exec(block)?.[1];
      const version = /^version = "([^"]+)"/m.exec(block)?.[1];
      return name === undefined || version === undefined ? [] : [{ name, version, purl: purlOf('cargo', [name], version), path }];
    });
}

/** What Maven wrote into a jar (of all it was put together of), else what its manifest says of it. */
function mavenPackages(tree: Tree, entry: Entry, path: string): readonly FoundPackage[] {
  return withFile(tree, entry, (read, size) => {
    const members = zipMembers(read, size, 100_000);
    const textOf = (member: ZipMember): string => zipData(read, member)?.toString('utf8') ?? '';
    const found = members
      .filter(({ name }) => /^META-INF\/maven\/.*\/pom\.properties$/.test(name))
      .slice(0, 1000)
      .flatMap((member): FoundPackage[] => {
        const text = textOf(member);
        const field = (name: string): string => new RegExp(`^${name}=(.*?)\\s*$`, 'm').exec(text)?.[1] ?? '';
        return mavenPackage(field('groupId'), field('artifactId'), field('version'), path);
      });
    const manifest = found.length > 0 ? undefined : members.find(({ name }) => name === 'META-INF/MANIFEST.MF');
    if (manifest === undefined) return found;
    // Long values go on in lines that start with a space.
    const text = textOf(manifest).replace(/\r?\n /g, '');
    const field = (name: string): string => new RegExp(`^${name}: *(.*?)\\s*$`, 'mi').exec(text)?.[1] ?? '';
    const name = field('Bundle-SymbolicName').replace(/;.*/, '') || field('Implementation-Title');
    const version = field('Bundle-Version') || field('Implementation-Version');
    return /^[\w.-]+$/.test(name) && version !== '' ? mavenPackage(field('Implementation-Vendor-Id'), name, version, path) : [];
  });
}

function mavenPackage(group: string, artifact: string, version: string, path: string): FoundPackage[] {
  return artifact === '' ? [] : [{ name: artifact, version, purl: purlOf('maven', [group, artifact], version), path }];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `pkg:type/namespace/name@version`. */
function purlOf(type: string, path: readonly string[], version: string): string {
  const parts = path.filter((part) => part !== '').map((part) => encodeURIComponent(part).replaceAll('%3A', ':'));
  return `pkg:${type}/${parts.join('/')}${version === '' ? '' : `@${encodeURIComponent(version).replaceAll('%3A', ':')}`}`;
}
