// `extends`: a service on top of another one, of the same file or of another.

import type { SourceText } from '../../base/index.ts';
import { mistake, nearHint } from '../mistake.ts';
import { interpolate } from './interpolate.ts';
import { mergeService } from './merge.ts';
import { joinPath, resolveService } from './resolve-paths.ts';
import { type ComposeWorld, fileText, folderOf, type Project, sectionsOf } from './sections.ts';
import { type Mapping, member, type Node, parseYaml } from './tree.ts';

interface Round extends ComposeWorld {
  readonly folder: string;
}

/** Services of one file, looked up while they are extended. */
interface Shelf {
  readonly filename: string;
  readonly services: Mapping;
  /** Where the file's own relative paths start, seen from the folder of the project. */
  readonly folder: string;
}

/** The project with every service extended. Throws for circles, and for services and files that are not there. */
export function extendServices(project: Project, file: SourceText, round: Round): Project {
  const shelf: Shelf = { filename: file.filename, services: project.services, folder: '' };
  const entries = [...project.services.entries].map(([name, node]) => [name, extended(name, node, shelf, round, [])] as const);
  return { ...project, services: { ...project.services, entries: new Map(entries) } };
}

function extended(name: string, service: Node, shelf: Shelf, round: Round, trail: readonly string[]): Node {
  const placed = shelf.folder === '' ? service : resolveService(service, { ...round, folder: shelf.folder });
  const link = member(placed, 'extends');
  if (placed.kind !== 'map' || link === undefined) return placed;
  const place = `${shelf.filename}: ${name}`;
  if (trail.includes(place)) {
    throw mistake(`circular reference of extends: ${[...trail, place].join(' → ')}`, { hint: 'take one extends out', location: link.at });
  }
  const target = text(link) ?? text(member(link, 'service'));
  if (target === undefined)
    throw mistake(`extends of ${name} needs a service`, { hint: 'write extends: and service: below it', location: link.at });
  const file = text(member(link, 'file'));
  const other = file === undefined ? shelf : openShelf(file, link, shelf, round);
  const base = other.services.entries.get(target);
  if (base === undefined) {
    throw mistake(`cannot extend service "${name}" in ${shelf.filename}: service "${target}" not found in ${other.filename}`, {
      hint: nearHint(target, other.services.entries.keys()),
      location: link.at,
    });
  }
  const whole = extended(target, base, other, round, [...trail, place]);
  const own = { ...placed, entries: new Map([...placed.entries].filter(([key]) => key !== 'extends')) };
  return mergeService(whole, own);
}

function text(node: Node | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

function openShelf(file: string, node: Node, shelf: Shelf, round: Round): Shelf {
  const path = joinPath(shelf.folder, file);
  const filename = joinPath(round.folder, path);
  const [document] = parseYaml({ filename, text: fileText(filename, node, round) });
  if (document === undefined)
    throw mistake(`${filename} has no services section`, { hint: 'name the file that defines the service', location: node.at });
  return { filename, services: sectionsOf(interpolate(document, round.env) as Mapping).services, folder: folderOf(path) };
}
