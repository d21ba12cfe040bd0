// What cures a finding: changes of the Dockerfile, each a line that is added, or one that stands in place of another.

import { baseName, type BytePath, fromBytePath, parentPath, toBytePath } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import type { Edit, Finding, FoundAt } from './finding.ts';
import type { InstalledPackage } from './installed-package.ts';

import { javaDemand, pythonDemands } from './language-demands.ts';
import { copyLine, installLine, type RuntimeContext, type Stage, whereReadable } from './runtime-context.ts';
import { fileAt, textAt, treePath } from './tree-files.ts';
import { usualPackage } from './usual-packages.ts';

/** The members of a finding that say how it is cured. */
export type Cure = Pick<Finding, 'cure' | 'edits' | 'found'>;

/** Programs that are nothing without their library: copying the program alone does not bring them. */
const LANGUAGES = /^(python[\d.]*|node|nodejs|perl|ruby|php[\d.]*|java|lua[\d.]*|guile|tclsh|Rscript)$/;

/** A cure of these edits; nothing when there are none. */
export function cureOf(edits: readonly (Edit | undefined)[], found: readonly FoundAt[] = []): Cure {
  const real = edits.filter((edit) => edit !== undefined);
  return {
    ...(found.length === 0 ? {} : { found }),
    ...(real.length === 0 ? {} : { cure: real.map(({ line }) => line).join('; '), edits: real }),
  };
}

/** A new line, when there is one. */
export function added(line: string | undefined): Edit | undefined {
  return line === undefined ? undefined : { line };
}

/** Brings a program that the image lacks: by its package manager, from a stage, or by taking another base. */
export function programCure(context: RuntimeContext, name: string, to?: string): Cure {
  const found = context.programInStages(name);
  const place = context.stages
    .map((stage) => ({ stage, program: context.programPath(name, stage.tree) }))
    .find(({ program }) => program !== undefined);
  const base = baseName(name);
  const { installer } = context.packages;
  if (place?.program === undefined) return cureOf([added(context.install(usualPackage(base, installer)))], found);
  const { stage, program } = place;
  const owner = packageOf(stage, base, program);
  if (LANGUAGES.test(base) || LANGUAGES.test(baseName(program.entry.path))) {
    if (installer !== undefined && !needsSameRelease(context, base, stage))
      return cureOf([added(context.install(usualPackage(base, installer) ?? owner))], found);
    return cureOf(otherBase(context, stage, program.path, owner), found);
  }
  if (installer !== undefined && owner !== undefined)
    return cureOf([added(context.install(usualPackage(base, installer) ?? owner))], found);
  const target = to ?? (name.includes('/') ? `/${treePath(toBytePath(name), context.workdir)}` : `/usr/local/bin/${name}`);
  return cureOf(bring(context, stage, program.path, target), found);
}

/** The package that brought a program: the one that people ask for where the stage has that, not a part of it. */
function packageOf(stage: Stage, base: string, { path, entry }: { readonly path: BytePath; readonly entry: Entry }): string | undefined {
  const owner = stage.packages.ownerOf(entry.path) ?? stage.packages.ownerOf(path);
  const usual = usualPackage(base, stage.packages.installer);
  return owner !== undefined && stage.packages.packages.some(({ name }) => name === usual) ? usual : owner;
}

/** Copies a program of a stage, its loader and the libraries that the image's loader would not find. */
export function bring(context: RuntimeContext, stage: Stage, path: BytePath, to: string): readonly Edit[] {
  const lines = [copyLine(stage.name, `/${fromBytePath(path)}`, to)];
  whereReadable(() => {
    const entry = fileAt(stage.tree, path);
    const elf = entry === undefined ? undefined : stage.search.elf(entry);
    if (entry === undefined || elf === undefined) return;
    if (elf.interpreter !== undefined && fileAt(context.tree, elf.interpreter) === undefined)
      lines.push(copyLine(stage.name, `/${treePath(elf.interpreter)}`, `/${treePath(elf.interpreter)}`));
    const { loaded, defaults } = stage.search.load({ entry, elf });
    for (const object of loaded) {
      for (const name of object.elf.needed) {
        if (name.includes('/') || context.search.locate(name, { entry, elf }) !== undefined) continue;
        if (elf.interpreter !== undefined && baseName(elf.interpreter) === name) continue;
        const from = stage.search.locate(name, object)?.path;
        if (from !== undefined) lines.push(copyLine(stage.name, `/${treePath(from)}`, `${defaults[0] ?? '/lib'}/${name}`));
      }
    }
  });
  return [...new Set(lines)].map((line) => ({ line }));
}

/** The release that a stage has of an interpreter, where the image has another one. */
export function releaseCure(context: RuntimeContext, name: string): Cure {
  for (const stage of context.stages) {
    const program = context.programPath(name, stage.tree);
    if (program === undefined) continue;
    const owner = packageOf(stage, baseName(name), program);
    return cureOf(otherBase(context, stage, program.path, owner), [context.foundAt(stage, program.path)]);
  }
  return {};
}

/** Takes the base of a stage, or its distribution without what was added to it, and installs what the stage had installed. */
export function otherBase(context: RuntimeContext, stage: Stage, path?: BytePath, owner?: string): readonly Edit[] {
  const base = sameDistribution(context, stage);
  // What no package has came with the image that the stage is built on: `python:3.12`.
  const from = path !== undefined && owner === undefined ? (stage.base ?? base) : (base ?? stage.base);
  if (from === undefined) return [];
  const edits: Edit[] = [{ line: `FROM ${from}`, replaces: 'FROM' }];
  const essential = owner === undefined || stage.packages.packages.some((one) => one.name === owner && isEssential(one));
  const install = essential ? undefined : installLine(stage.packages.installer, owner);
  return install === undefined ? edits : [...edits, { line: install }];
}

function isEssential({ essential }: InstalledPackage): boolean {
  return essential === true;
}

/** The image's own base in the release that a stage has, or the usual small image of the stage's distribution. */
function sameDistribution(context: RuntimeContext, stage: Stage): string | undefined {
  const theirs = releaseOf(stage.tree);
  const ours = releaseOf(context.tree);
  if (theirs.id === undefined) return undefined;
  const { base } = context;
  if (base !== undefined && ours.id === theirs.id) {
    for (const [old, next] of [
      [ours.codename, theirs.codename],
      [ours.version, theirs.version],
    ]) {
      if (old === undefined || next === undefined || old === next) continue;
      const tag = base.slice(base.lastIndexOf(':') + 1);
      if (base.includes(':') && tag.split('-').includes(old))
        return `${base.slice(0, base.lastIndexOf(':'))}:${tag
          .split('-')
          .map((part) => (part === old ? next : part))
          .join('-')}`;
    }
  }
  switch (theirs.id) {
    case 'debian':
      return theirs.codename === undefined ? undefined : `debian:${theirs.codename}-slim`;
    case 'ubuntu':
    case 'fedora':
    case 'rockylinux':
    case 'almalinux':
      return theirs.version === undefined ? undefined : `${theirs.id}:${theirs.version}`;
    case 'alpine':
      return theirs.version === undefined ? undefined : `alpine:${theirs.version.split('.').slice(0, 2).join('.')}`;
    default:
      return undefined;
  }
}

interface Release {
  readonly id: string | undefined;
  readonly codename: string | undefined;
  readonly version: string | undefined;
}

/** os-release(5). */
function releaseOf(tree: Tree): Release {
  const text = whereReadable(() => textAt(tree, 'etc/os-release', 1 << 16) ?? textAt(tree, 'usr/lib/os-release', 1 << 16)) ?? '';
  const field = (name: string): string | undefined => {
    const value = new RegExp(`^${name}=["']?([\\w.-]+)["']?\\s*$`, 'm').exec(text)?.[1];
    return value === '' ? undefined : value;
  };
  return { id: field('ID'), codename: field('VERSION_CODENAME'), version: field('VERSION_ID') };
}

/** Major versions of the interpreters in Debian's releases: what `apt-get install` would bring. */
const DEBIAN_RUNTIMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  bullseye: { python: '3.9', node: '12', java: '11' },
  bookworm: { python: '3.11', node: '18', java: '17' },
  trixie: { python: '3.13', node: '20', java: '21' },
};

/** Whether the program works only with the release of the interpreter that the stage has, as far as its files tell. */
function needsSameRelease(context: RuntimeContext, name: string, stage: Stage): boolean {
  const codename = releaseOf(context.tree).codename ?? '';
  if (codename === releaseOf(stage.tree).codename) return false;
  const there = DEBIAN_RUNTIMES[codename];
  if (there === undefined) return false;
  if (name.startsWith('python')) return pythonDemands(context).some(({ version }) => version !== there['python']);
  if (name === 'java') {
    const needed = javaDemand(context);
    return needed !== undefined && needed > Number(there['java']);
  }
  return false;
}

/** The COPY that brought a path, with a flag more; undefined: nothing is known of it. */
export function copyWithMode(context: RuntimeContext, path: BytePath, mode: string): Edit | undefined {
  const line = context.lineOf(path) ?? context.lineOf(parentPath(path));
  return line === undefined ? undefined : { line: `--chmod=${mode}`, replaces: line };
}
