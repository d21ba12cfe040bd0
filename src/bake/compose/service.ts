// A service with a `build` section, as a target.

import { parseGoBool } from '../../dockerfile/index.ts';
import type { TargetDefinition } from '../definition.ts';
import { parseAttestation, parseCaches } from '../entries.ts';
import { targetName } from '../groups.ts';
import { at, mistake } from '../mistake.ts';
import type { BakeAgent, Fields } from '../target.ts';
import type { Lookup } from './interpolate.ts';
import { bytesText, limitText } from '../numbers.ts';
import type { Project } from './sections.ts';
import { type Mapping, member, type Node } from './tree.ts';
import { flagAt, namedContexts, pairsAt, textAt, textsAt } from './values.ts';
import { extendTarget } from './x-bake.ts';

/** The target of `service`; `env` are the variables of the service, then those of the project. */
export function targetOfService(name: string, service: Node, project: Project, env: Lookup): TargetDefinition {
  const build = member(service, 'build') as Mapping;
  const text = (key: string): string | undefined => textAt(member(build, key));
  const texts = (key: string): readonly string[] | undefined => textsAt(member(build, key));
  const image = textAt(member(service, 'image'));
  const contexts = pairsAt(member(build, 'additional_contexts'));
  const hosts = member(build, 'extra_hosts');
  const target: TargetDefinition = {
    name: targetName(name),
    location: service.at,
    context: text('context') ?? '.',
    ...given('contexts', contexts === undefined ? undefined : namedContexts(filled(contexts))),
    ...given('dockerfile', text('dockerfile')),
    ...given('dockerfileInline', text('dockerfile_inline')),
    ...given('tags', texts('tags')),
    ...given('labels', filled(pairsAt(member(build, 'labels')) ?? new Map())),
    ...given('args', resolved(pairsAt(member(build, 'args')) ?? new Map(), env)),
    ...given('cacheFrom', cachesAt(member(build, 'cache_from'))),
    ...given('cacheTo', cachesAt(member(build, 'cache_to'))),
    ...given('network', text('network')),
    ...given('platforms', texts('platforms')),
    ...given('ssh', agentsAt(member(build, 'ssh'))),
    ...given('secrets', secretsAt(member(build, 'secrets'), project)),
    ...given('shmSize', sizeAt(member(build, 'shm_size'))),
    ...given('ulimits', limitsAt(member(build, 'ulimits'))),
    ...given('extraHosts', hosts === undefined ? undefined : hostsAt(hosts)),
    ...given('attest', attestationsAt(build)),
    ...given('noCache', flagAt(member(build, 'no_cache')) === true ? true : undefined),
    ...given('pull', flagAt(member(build, 'pull')) === true ? true : undefined),
    ...given('target', text('target')),
  };
  const whole = extendTarget(target, member(build, 'x-bake'));
  return (whole.tags ?? []).length === 0 && image !== undefined && image !== '' ? { ...whole, tags: [image] } : whole;
}

/** An attribute, where there is something to say: an empty text or record is nothing. */
function given<K extends keyof TargetDefinition>(key: K, value: TargetDefinition[K] | undefined): Partial<TargetDefinition> {
  if (value === undefined || value === '') return {};
  return { [key]: value };
}

function filled(pairs: ReadonlyMap<string, string | undefined>): Record<string, string> {
  return Object.fromEntries([...pairs].map(([name, value]) => [name, value ?? '']));
}

/** Arguments that name no value have that of the variable; where there is none, they are not set. */
function resolved(pairs: ReadonlyMap<string, string | undefined>, env: Lookup): Record<string, string> {
  return Object.fromEntries(
    [...pairs].flatMap(([name, value]) => {
      const known = value ?? env(name);
      return known === undefined ? [] : [[name, known]];
    }),
  );
}

function cachesAt(node: Node | undefined): readonly Fields[] | undefined {
  if (node?.kind !== 'list' || node.items.length === 0) return undefined;
  return node.items.flatMap((item) => at(item.at, () => (textAt(item) ? parseCaches(textAt(item) as string) : [])));
}

/** `default` alone is the agent of the caller; other names have a path. */
function agentsAt(node: Node | undefined): readonly BakeAgent[] | undefined {
  if (node === undefined) return undefined;
  const pairs = pairsAt(node) ?? new Map<string, string | undefined>();
  const agents = [...pairs].map(([id, path]) => {
    if (node.kind === 'list' && path === undefined && id !== 'default') {
      throw mistake(`invalid ssh key ${JSON.stringify(id)}`, { hint: `write default, or ${id}=PATH`, location: node.at });
    }
    return { id, paths: path === undefined || path === '' ? [] : [path] };
  });
  return agents.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function secretsAt(node: Node | undefined, { secrets }: Project): readonly Fields[] | undefined {
  if (node?.kind !== 'list') return undefined;
  return node.items.map((item) => {
    const id = textAt(item) ?? textAt(member(item, 'source')) ?? '';
    const secret = secrets.entries.get(id);
    const external = member(secret, 'external');
    if (external?.kind === 'map' || flagAt(external) === true) {
      throw mistake(`unsupported external secret ${textAt(member(secret, 'name')) ?? id}`, {
        hint: 'give it a file or a variable',
        location: item.at,
      });
    }
    const [src, env] = [textAt(member(secret, 'file')), textAt(member(secret, 'environment'))];
    return { ...(id === '' ? {} : { id }), ...(src === undefined ? {} : { src }), ...(env === undefined ? {} : { env }) };
  });
}

function sizeAt(node: Node | undefined): string | undefined {
  const text = textAt(node);
  return node === undefined || text === undefined ? undefined : at(node.at, () => bytesText(text));
}

function limitsAt(node: Node | undefined): readonly string[] | undefined {
  if (node?.kind !== 'map') return undefined;
  return [...node.entries].map(([name, limit]) =>
    at(limit.at, () => limitText(name, textAt(member(limit, 'soft')) ?? '0', textAt(member(limit, 'hard')) ?? '0')),
  );
}

function hostsAt(node: Node): Record<string, string> {
  const hosts = new Map<string, string[]>();
  const add = (host: string, addresses: readonly string[]): void => {
    if (host === '' || /[:=]/.test(host)) throw mistake(`bad host name '${host}'`, { hint: 'write NAME=address', location: node.at });
    hosts.set(host, [...(hosts.get(host) ?? []), ...addresses.map((address) => address.replace(/^\[(.+)\]$/s, '$1'))]);
  };
  if (node.kind === 'map') for (const [host, value] of node.entries) add(host, textsAt(value) ?? [textAt(value) ?? '']);
  for (const item of node.kind === 'list' ? node.items : []) {
    const [, host, addresses = ''] = /^([^=]*)=([^]*)$/.exec(textAt(item) ?? '') ?? /^([^:]*):([^]*)$/.exec(textAt(item) ?? '') ?? [];
    if (host === undefined)
      throw mistake(`invalid additional host, missing IP: ${textAt(item) ?? ''}`, { hint: 'write NAME=address', location: item.at });
    add(host, addresses.split(','));
  }
  return Object.fromEntries([...hosts].map(([host, addresses]) => [host, addresses.join(',')]));
}

/** `sbom` and `provenance`: on, off, or attributes. */
function attestationsAt(build: Mapping): readonly Fields[] | undefined {
  const list = ['sbom', 'provenance'].flatMap((type) => {
    const node = member(build, type);
    const text = textAt(node);
    if (node === undefined || text === undefined || text === '') return [];
    const on = parseGoBool(text);
    return [at(node.at, () => parseAttestation(on === undefined ? `type=${type},${text}` : `type=${type},disabled=${String(!on)}`))];
  });
  return list.length === 0 ? undefined : list;
}
