// Which packages an image has and which files are theirs: the databases of dpkg and apk, read as text, and those of rpm.

import type { BytePath } from '../base/index.ts';
import type { Tree } from '../layer/index.ts';
import type { InstalledPackage } from './installed-package.ts';
import { readRpmDatabase } from './rpm-database.ts';
import { fileAt, headOf, textAt, whereReadable } from './tree-files.ts';

/** The system's packages of one tree. Files are looked up when the first one is asked for. */
export class PackageDatabase {
  readonly packages: readonly InstalledPackage[];
  /** How the image's own tool adds packages; undefined: it has none. */
  readonly installer: 'apt-get' | 'apk' | 'dnf' | undefined;
  readonly #load: () => ReadonlyMap<BytePath, string>;
  #owners: ReadonlyMap<BytePath, string> | undefined;

  /** The file that says so, as people read it. */
  readonly path: string;

  constructor(
    packages: readonly InstalledPackage[],
    installer: PackageDatabase['installer'],
    load: () => ReadonlyMap<BytePath, string>,
    path = '',
  ) {
    this.path = path;
    this.packages = packages;
    this.installer = installer;
    this.#load = load;
  }

  /** Name of the package that has a path (without leading `/`); `/lib` and `/usr/lib` are one where images merge them. */
  ownerOf(path: BytePath): string | undefined {
    this.#owners ??= this.#load();
    return this.#owners.get(path) ?? this.#owners.get(path.startsWith('usr/') ? path.slice(4) : `usr/${path}`);
  }
}

const LIMIT = 64 << 20;

/** Reads the databases of a tree. Never throws for what is in them. */
export function readPackages(tree: Tree): PackageDatabase {
  const status = textAt(tree, 'var/lib/dpkg/status', LIMIT);
  const parts = tree.list('var/lib/dpkg/status.d').filter((name) => !name.endsWith('.md5sums'));
  if (status !== undefined || parts.length > 0) {
    const texts = [status ?? '', ...parts.map((name) => textAt(tree, `var/lib/dpkg/status.d/${name}`) ?? '')];
    return new PackageDatabase(
      texts.flatMap(readDpkgStatus),
      fileAt(tree, 'usr/bin/apt-get') === undefined ? undefined : 'apt-get',
      () => readDpkgFiles(tree),
      '/var/lib/dpkg/status',
    );
  }
  const database = ['lib/apk/db/installed', 'usr/lib/apk/db/installed'].find((path) => fileAt(tree, path) !== undefined);
  if (database !== undefined) {
    const { packages, files } = readApkDatabase(textAt(tree, database, LIMIT) ?? '');
    return new PackageDatabase(
      packages,
      (fileAt(tree, 'sbin/apk') ?? fileAt(tree, 'usr/sbin/apk')) ? 'apk' : undefined,
      () => files,
      `/${database}`,
    );
  }
  const hasDnf = ['usr/bin/dnf', 'usr/bin/microdnf', 'usr/bin/yum'].some((path) => fileAt(tree, path) !== undefined);
  const rpm = whereReadable(() => readRpmDatabase(tree));
  return new PackageDatabase(rpm?.packages ?? [], hasDnf ? 'dnf' : undefined, () => rpm?.files ?? new Map(), rpm?.path);
}

/** Paragraphs of `Name: value` with continuation lines (deb822). Packages that are not installed are left out. */
export function readDpkgStatus(text: string): InstalledPackage[] {
  return text.split(/\n\s*\n/).flatMap((paragraph): InstalledPackage[] => {
    const fields = new Map<string, string>();
    for (const line of paragraph.split('\n')) {
      const match = /^([A-Za-z][\w-]*):\s*(.*)$/s.exec(line);
      if (match !== null) fields.set((match[1] as string).toLowerCase(), match[2] as string);
    }
    const name = fields.get('package');
    const version = fields.get('version');
    const state = fields.get('status');
    if (name === undefined || version === undefined || (state !== undefined && !/ installed$/.test(state.trim()))) return [];
    const source = fields.get('source')?.replace(/ .*/, '');
    return [
      {
        kind: 'deb',
        name,
        version,
        ...optional('architecture', fields.get('architecture')),
        ...optional('source', source === name ? undefined : source),
        ...optional('maintainer', fields.get('maintainer')),
        ...optional('homepage', fields.get('homepage')),
        ...(fields.get('essential') === 'yes' ? { essential: true } : {}),
      },
    ];
  });
}

function readDpkgFiles(tree: Tree): ReadonlyMap<BytePath, string> {
  const owners = new Map<BytePath, string>();
  for (const folder of ['var/lib/dpkg/info', 'var/lib/dpkg/status.d']) {
    for (const file of tree.list(folder)) {
      const listed = file.endsWith('.list');
      if (!listed && !file.endsWith('.md5sums')) continue;
      const name = file.replace(/\.(list|md5sums)$/, '').replace(/:[a-z0-9-]+$/, '');
      const entry = tree.lookup(`${folder}/${file}`);
      if (entry?.kind !== 'file') continue;
      for (const line of headOf(tree, entry, LIMIT).toString('latin1').split('\n')) {
        const path = listed ? line.slice(1) : line.replace(/^[0-9a-f]{32} {2}/, '');
        if (path !== '' && path !== '.' && (listed || path !== line)) owners.set(path, name);
      }
    }
  }
  return owners;
}

/** apk's database: blocks of `X:value`; F is a folder, R a file in it. */
export function readApkDatabase(text: string): {
  readonly packages: readonly InstalledPackage[];
  readonly files: ReadonlyMap<BytePath, string>;
} {
  const packages: InstalledPackage[] = [];
  const files = new Map<BytePath, string>();
  for (const block of text.split('\n\n')) {
    const fields = new Map<string, string>();
    const owned: BytePath[] = [];
    let folder = '';
    for (const line of block.split('\n')) {
      const [key, value] = [line.slice(0, 1), line.slice(2)];
      if (line[1] !== ':') continue;
      if (key === 'F') folder = value;
      else if (key === 'R') owned.push(Buffer.from(folder === '' ? value : `${folder}/${value}`, 'utf8').toString('latin1'));
      else fields.set(key, value);
    }
    const name = fields.get('P');
    if (name === undefined) continue;
    const source = fields.get('o');
    packages.push({
      kind: 'apk',
      name,
      version: fields.get('V') ?? '',
      ...optional('architecture', fields.get('A')),
      ...optional('source', source === name ? undefined : source),
      ...optional('license', fields.get('L')),
      ...optional('maintainer', fields.get('m')),
      ...optional('homepage', fields.get('U')),
    });
    for (const path of owned) files.set(path, name);
  }
  return { packages, files };
}

/** A member that is there only when it has a value. */
function optional<K extends string>(name: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined || value === '' ? {} : ({ [name]: value } as { readonly [P in K]?: string });
}
