// Of a document, the sections that building has to do with: services and secrets.

import { mistake } from '../mistake.ts';
import type { Lookup } from './interpolate.ts';
import { asBuild } from './merge.ts';
import { type Mapping, mappingOf, type Node } from './tree.ts';

/** Sections of a project, or of one of its documents. */
export interface Project {
  readonly services: Mapping;
  readonly secrets: Mapping;
}

/** Everything a project asks of what is around it. */
export interface ComposeWorld {
  readonly env: Lookup;
  readonly homeFolder: string;
  readonly readFile: (path: string) => string | undefined;
}

/** Of a service, what is looked at. The rest is Compose's own business. */
const SERVICE_KEYS = ['image', 'build', 'environment', 'env_file', 'extends'];

export function sectionsOf(document: Mapping): Project {
  const section = (name: string): Mapping => {
    const node = document.entries.get(name);
    if (node === undefined || (node.kind === 'scalar' && node.value === null)) return mappingOf([], document.at);
    if (node.kind !== 'map') throw mistake(`${name} must be a mapping`, { hint: `write ${name}: and names below it`, location: node.at });
    return node;
  };
  const services = section('services');
  return {
    services: { ...services, entries: new Map([...services.entries].map(([name, node]) => [name, serviceOf(name, node)])) },
    secrets: section('secrets'),
  };
}

function serviceOf(name: string, node: Node): Node {
  if (node.tag !== undefined && node.kind !== 'map') return node;
  if (node.kind === 'scalar' && node.value === null) return mappingOf([], node.at);
  if (node.kind !== 'map')
    throw mistake(`services.${name} must be a mapping`, { hint: 'write image: or build: below the name', location: node.at });
  const kept = [...node.entries].filter(([key]) => SERVICE_KEYS.includes(key));
  return {
    ...node,
    entries: new Map(kept.map(([key, value]) => [key, key === 'build' && value.tag === undefined ? asBuildSection(name, value) : value])),
  };
}

function asBuildSection(service: string, node: Node): Node {
  if (node.kind === 'map' || (node.kind === 'scalar' && typeof node.value === 'string')) return asBuild(node);
  throw mistake(`services.${service}.build must be a folder or a mapping`, {
    hint: 'write build: . or build: and context: below it',
    location: node.at,
  });
}

export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash) || '/';
}

export function fileText(path: string, node: Node, { readFile }: ComposeWorld): string {
  const text = readFile(path);
  if (text === undefined)
    throw mistake(`there is no file ${path}`, { hint: 'check the path: it starts at the folder of the project', location: node.at });
  return text;
}
