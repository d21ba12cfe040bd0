// What the Compose specification says of the keys that are looked at: which there are, and what each may be.

import { mistake, nearHint } from '../mistake.ts';
import type { Project } from './sections.ts';
import { type Mapping, member, type Node } from './tree.ts';

type Shape = 'text' | 'flag' | 'number' | 'texts' | 'textOrTexts' | 'pairs' | 'hosts' | 'limits' | 'secrets' | 'files' | 'any';

const BUILD: Readonly<Record<string, Shape>> = {
  context: 'text',
  dockerfile: 'text',
  dockerfile_inline: 'text',
  entitlements: 'texts',
  args: 'pairs',
  ssh: 'pairs',
  labels: 'pairs',
  cache_from: 'texts',
  cache_to: 'texts',
  no_cache: 'flag',
  no_cache_filter: 'textOrTexts',
  additional_contexts: 'pairs',
  network: 'text',
  provenance: 'flag',
  sbom: 'flag',
  pull: 'flag',
  target: 'text',
  shm_size: 'number',
  extra_hosts: 'hosts',
  isolation: 'text',
  privileged: 'flag',
  secrets: 'secrets',
  tags: 'texts',
  ulimits: 'limits',
  platforms: 'texts',
};
const SECRET: Readonly<Record<string, Shape>> = {
  name: 'text',
  environment: 'text',
  file: 'text',
  external: 'any',
  labels: 'pairs',
  driver: 'text',
  driver_opts: 'any',
  template_driver: 'text',
};
const MOUNTED: Readonly<Record<string, Shape>> = { source: 'text', target: 'text', uid: 'text', gid: 'text', mode: 'number' };

const WORDS: Readonly<Record<Shape, string>> = {
  text: 'a text',
  flag: 'true or false',
  number: 'a number, or a text',
  texts: 'a list of texts',
  textOrTexts: 'a text or a list of texts',
  pairs: 'a mapping, or a list of NAME=value',
  hosts: 'a mapping of names to addresses, or a list of NAME=address',
  limits: 'a mapping of names to numbers',
  secrets: 'a list of names of secrets',
  files: 'a path, or a list of paths',
  any: 'something',
};

/** Throws at the first part of a project that is not as the specification has it. */
export function checkProject({ services, secrets }: Project): void {
  for (const [name, service] of services.entries) {
    checkName(name, 'services', service);
    checkShape(member(service, 'image'), 'text', `services.${name}.image`);
    checkShape(member(service, 'environment'), 'pairs', `services.${name}.environment`);
    checkShape(member(service, 'env_file'), 'files', `services.${name}.env_file`);
    const build = member(service, 'build');
    if (build?.kind === 'map') checkKeys(build, BUILD, `services.${name}.build`);
  }
  for (const [name, secret] of secrets.entries) {
    checkName(name, 'secrets', secret);
    if (secret.kind === 'map') checkKeys(secret, SECRET, `secrets.${name}`);
    else throw mistake(`secrets.${name} must be a mapping`, { hint: 'write file: or environment: below the name', location: secret.at });
  }
}

function checkName(name: string, section: string, { at }: Node): void {
  if (/^[a-zA-Z0-9._-]+$/.test(name)) return;
  throw mistake(`${section} additional properties ${JSON.stringify(name)} not allowed`, {
    hint: 'names have letters, digits, dots, _ and -',
    location: at,
  });
}

function checkKeys(node: Mapping, keys: Readonly<Record<string, Shape>>, path: string): void {
  for (const [key, value] of node.entries) {
    if (key.startsWith('x-')) continue;
    const shape = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (shape === undefined) {
      throw mistake(`${path} additional properties ${JSON.stringify(key)} not allowed`, {
        hint: nearHint(key, Object.keys(keys)),
        location: value.at,
      });
    }
    checkShape(value, shape, `${path}.${key}`);
  }
}

function checkShape(node: Node | undefined, shape: Shape, path: string): void {
  if (node === undefined || hasShape(node, shape)) return;
  throw mistake(`${path} must be ${WORDS[shape]}`, { hint: hintFor(node, shape), location: node.at });
}

function hintFor(node: Node, shape: Shape): string {
  if (node.kind === 'scalar' && node.value !== null && shape === 'text') return `quote it: "${String(node.value)}"`;
  return `write ${WORDS[shape]}`;
}

function hasShape(node: Node, shape: Shape): boolean {
  const value = node.kind === 'scalar' ? node.value : undefined;
  switch (shape) {
    case 'text':
      return typeof value === 'string';
    case 'flag':
      return typeof value === 'boolean' || typeof value === 'string';
    case 'number':
      return typeof value === 'number' || typeof value === 'string';
    case 'texts':
      return node.kind === 'list' && node.items.every((item) => hasShape(item, 'text'));
    case 'textOrTexts':
      return typeof value === 'string' || hasShape(node, 'texts');
    case 'pairs':
      return hasShape(node, 'texts') || (node.kind === 'map' && [...node.entries.values()].every((one) => one.kind === 'scalar'));
    case 'hosts':
      return hasShape(node, 'texts') || (node.kind === 'map' && [...node.entries.values()].every((one) => hasShape(one, 'textOrTexts')));
    case 'limits':
      return node.kind === 'map' && [...node.entries].every(([name, one]) => /^[a-z]+$/.test(name) && isLimit(one));
    case 'secrets':
      return node.kind === 'list' && node.items.every(isMountedSecret);
    case 'files':
      return typeof value === 'string' || (node.kind === 'list' && node.items.every(isEnvFile));
    case 'any':
      return true;
  }
}

function isLimit(node: Node): boolean {
  if (node.kind !== 'map') return hasShape(node, 'number');
  const names = [...node.entries.keys()].filter((name) => !name.startsWith('x-'));
  return names.length === 2 && ['soft', 'hard'].every((name) => hasShape(member(node, name) ?? node, 'number'));
}

function isMountedSecret(node: Node): boolean {
  if (node.kind !== 'map') return hasShape(node, 'text');
  return [...node.entries].every(
    ([key, value]) => key.startsWith('x-') || (Object.hasOwn(MOUNTED, key) && hasShape(value, MOUNTED[key] as Shape)),
  );
}

function isEnvFile(node: Node): boolean {
  if (node.kind !== 'map') return hasShape(node, 'text');
  const known = [...node.entries].every(([key, value]) =>
    key === 'path' || key === 'format' ? hasShape(value, 'text') : key === 'required' && hasShape(value, 'flag'),
  );
  return known && node.entries.has('path');
}
