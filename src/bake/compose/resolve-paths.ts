// Relative paths of a project, seen from the working directory.

import { cleanPath } from '../paths.ts';
import type { ComposeWorld, Project } from './sections.ts';
import { type Mapping, type Node, textNode } from './tree.ts';

/** As Go joins: cleaned, and nothing for nothing. */
export function joinPath(folder: string, path: string): string {
  if (path.startsWith('/')) return path;
  return folder === '' && path === '' ? '' : cleanPath(folder === '' ? path : `${folder}/${path}`);
}

interface Base extends Pick<ComposeWorld, 'homeFolder'> {
  readonly folder: string;
}

/** Folders and files of services and secrets, from where `folder` is. */
export function resolvePaths({ services, secrets }: Project, base: Base): Project {
  return {
    services: mapEntries(services, (service) => resolveService(service, base)),
    secrets: mapEntries(secrets, (secret) => mapMember(secret, 'file', (file) => mapText(file, (path) => fromBase(path, base)))),
  };
}

/** One service; those that others extend from another folder are resolved there. */
export function resolveService(service: Node, base: Base): Node {
  const built = mapMember(service, 'build', (build) => {
    const placed = mapMember(build, 'context', (context) => mapText(context, (path) => contextPath(path, base)));
    const keyed = mapMember(placed, 'ssh', (ssh) => mapEntries(ssh, (key) => mapText(key, (path) => fromBase(path, base))));
    return mapMember(keyed, 'additional_contexts', (contexts) =>
      mapEntries(contexts, (context) => mapText(context, (path) => contextPath(path, base))),
    );
  });
  return mapMember(built, 'env_file', (files) => {
    const resolve = (file: Node): Node =>
      file.kind === 'map' ? mapMember(file, 'path', resolve) : mapText(file, (path) => fromBase(path, base));
    return files.kind === 'list' ? { ...files, items: files.items.map(resolve) } : resolve(files);
  });
}

/** Addresses and other services stay. */
function contextPath(path: string, base: Base): string {
  if (path.includes('://') || path.startsWith('service:') || /^(?:github\.com\/|git@)/.test(path)) return path;
  return fromBase(path, base);
}

function fromBase(path: string, { folder, homeFolder }: Base): string {
  if (path === '') return path;
  return path.startsWith('~') ? joinPath(homeFolder, path.slice(1).replace(/^\/+/, '')) : joinPath(folder, path);
}

function mapText(node: Node, change: (text: string) => string): Node {
  return node.kind === 'scalar' && typeof node.value === 'string' ? { ...node, ...textNode(change(node.value), node.at) } : node;
}

function mapMember(node: Node, name: string, change: (node: Node) => Node): Node {
  const value = node.kind === 'map' ? node.entries.get(name) : undefined;
  if (node.kind !== 'map' || value === undefined) return node;
  return { ...node, entries: new Map([...node.entries, [name, change(value)]]) };
}

function mapEntries(node: Mapping, change: (node: Node) => Node): Mapping;
function mapEntries(node: Node, change: (node: Node) => Node): Node;
function mapEntries(node: Node, change: (node: Node) => Node): Node {
  if (node.kind === 'map') return { ...node, entries: new Map([...node.entries].map(([name, value]) => [name, change(value)])) };
  return node.kind === 'list' ? { ...node, items: node.items.map(change) } : node;
}
