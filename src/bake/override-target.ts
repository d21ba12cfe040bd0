// A target with what `--set` changes of it.

import { parseGoBool } from '../dockerfile/index.ts';
import type { TargetDefinition } from './definition.ts';
import {
  distinctEntries,
  lastOfEach,
  parseAgent,
  parseAttestation,
  parseCaches,
  parseOutput,
  parsePolicy,
  parseSecret,
  RESOURCE_NUMBERS,
  RESOURCE_TEXTS,
} from './entries.ts';
import { at, mistake, nearHint } from './mistake.ts';
import type { Override } from './overrides.ts';
import type { BakeAllowed, Fields } from './target.ts';

/** `load` and `push` change outputs, so they come after what sets outputs; `secret.ID` changes a secret that `secrets` may declare. */
const LAST = ['secret', 'load', 'push'];

/** Applies overrides in their order. What fails says which flag it was. */
export function overrideTarget(target: TargetDefinition, overrides: readonly Override[]): TargetDefinition {
  const late = (override: Override): number => LAST.indexOf(override.key);
  let changed = target;
  for (const override of [...overrides].sort((a, b) => late(a) - late(b))) {
    changed = { ...changed, ...at(undefined, () => change(changed, override)) };
  }
  return changed;
}

function change(target: TargetDefinition, override: Override): Partial<TargetDefinition> {
  const { key, name = '', value, values, append } = override;
  const before = <T>(list: readonly T[] | undefined): readonly T[] => (append ? (list ?? []) : []);
  const texts = values.filter((text) => text !== '');
  switch (key) {
    case 'context':
    case 'dockerfile':
    case 'target':
    case 'call':
    case 'network':
      return { [key]: value };
    case 'shm-size':
      return { shmSize: value };
    case 'args':
      return { args: { ...target.args, [name]: value } };
    case 'contexts':
      return { contexts: { ...target.contexts, [name]: value } };
    case 'labels':
      return { labels: { ...target.labels, [name]: value } };
    case 'extra-hosts':
      return { extraHosts: { ...target.extraHosts, [name]: value } };
    case 'resources':
      return { resources: { ...target.resources, [name]: resource(name, value) } };
    case 'tags':
      return { tags: [...before(target.tags), ...values] };
    case 'platform':
      return { platforms: [...before(target.platforms), ...values] };
    case 'no-cache-filter':
      return { noCacheFilter: [...before(target.noCacheFilter), ...values] };
    case 'ulimits':
      return { ulimits: [...before(target.ulimits), ...values] };
    case 'entitlements':
      return { entitlements: [...(target.entitlements ?? []), ...values] };
    case 'annotations':
      return { annotations: [...(target.annotations ?? []), ...values] };
    case 'attest':
      return { attest: lastOfEach([...(target.attest ?? []), ...texts.map(parseAttestation)], ({ type = '' }) => type) };
    case 'policy':
      return { policy: [...before(target.policy), ...values.map(parsePolicy)] };
    case 'cache-from':
      return { cacheFrom: distinctEntries([...before(target.cacheFrom), ...texts.flatMap(parseCaches)]) };
    case 'cache-to':
      return { cacheTo: distinctEntries([...before(target.cacheTo), ...texts.flatMap(parseCaches)]) };
    case 'output':
      return { outputs: distinctEntries([...before(target.outputs), ...texts.map(parseOutput)]) };
    case 'secrets':
      return { secrets: lastOfEach([...before(target.secrets), ...texts.map(parseSecret)], ({ id = '' }) => id) };
    case 'ssh':
      return { ssh: lastOfEach([...before(target.ssh), ...texts.map(parseAgent)], ({ id }) => id) };
    case 'secret':
      return { secrets: otherSecret(target, name, parseSecret(value)) };
    case 'no-cache':
      return { noCache: flag(key, value) };
    case 'pull':
      return { pull: flag(key, value) };
    case 'push':
      return { outputs: pushed(target.outputs ?? [], flag(key, value)) };
    case 'load':
      return flag(key, value) ? { outputs: loaded(target.outputs ?? []) } : {};
    default:
      throw new Error(`internal: no change for ${key}`);
  }
}

function flag(key: string, value: string): boolean {
  const is = parseGoBool(value);
  if (is === undefined) throw mistake(`invalid value ${value} for boolean key ${key}`, { hint: `write ${key}=true or ${key}=false` });
  return is;
}

function resource(name: string, value: string): string {
  const numbers: readonly string[] = RESOURCE_NUMBERS;
  const names = [...RESOURCE_TEXTS, ...RESOURCE_NUMBERS] as readonly string[];
  if (!names.includes(name)) throw mistake(`unknown resources key ${name}`, { hint: nearHint(name, names) });
  if (numbers.includes(name) && !/^[+-]?\d+$/.test(value)) {
    throw mistake(`invalid value ${value} for int64 key resources.${name}`, { hint: 'write a whole number' });
  }
  return value;
}

/** The secret `id` from elsewhere. It keeps its name: the Dockerfile asks for that. */
function otherSecret({ secrets = [] }: TargetDefinition, id: string, { id: other = '', ...from }: Fields): readonly Fields[] {
  if (!secrets.some((secret) => (secret['id'] ?? '') === id)) {
    throw mistake(`secret ${JSON.stringify(id)} must be declared before it can be overridden`, {
      hint:
        nearHint(
          id,
          secrets.map((secret) => secret['id'] ?? ''),
        ) ?? `declare it: --set TARGET.secrets+=id=${id},…`,
    });
  }
  if (other !== '' && other !== id) {
    throw mistake(`secret override id ${JSON.stringify(other)} does not match declared secret ${JSON.stringify(id)}`, {
      hint: 'leave id= away',
    });
  }
  return secrets.map((secret) => ((secret['id'] ?? '') === id ? { id, ...from } : secret));
}

/** As `--push` changes outputs: images are pushed; where nothing but an archive for Docker is made, an image is pushed beside it. */
function pushed(outputs: readonly Fields[], push: boolean): readonly Fields[] {
  const changed = outputs.map((output) => (output['type'] === 'image' ? { ...output, push: String(push) } : output));
  if (!push) return changed.filter(({ type }) => type !== 'registry');
  return changed.every(({ type }) => type === 'docker') ? [...changed, { type: 'image', push: 'true' }] : changed;
}

/** As `--load` changes outputs: into the engine, unless files are written or it is so already. */
function loaded(outputs: readonly Fields[]): readonly Fields[] {
  for (const { type, dest = '' } of outputs) {
    if (type === 'docker' ? dest === '' : !['image', 'registry', 'oci'].includes(type ?? '')) return outputs;
  }
  return [...outputs, { type: 'docker' }];
}

/** What the overrides of a call name themselves, and so allow. */
export function allowedBy(target: TargetDefinition, overrides: readonly Override[]): BakeAllowed {
  const keys = new Set(overrides.map(({ key }) => key));
  const locals = (list: readonly Fields[] = [], path: string): readonly string[] =>
    list.filter(({ type }) => type === 'local').flatMap((fields) => fields[path] ?? []);
  const named = new Set(
    overrides.flatMap(({ key, name = '', values }) =>
      key === 'secret' ? [name] : key === 'secrets' ? values.map((text) => parseSecret(text)['id'] ?? '') : [],
    ),
  );
  const entitlements = overrides.filter(({ key }) => key === 'entitlements').flatMap(({ values }) => values);
  return {
    read: [
      ...overrides.filter(({ key }) => key === 'context' || key === 'contexts').flatMap(({ values }) => values),
      ...(keys.has('cache-from') ? locals(target.cacheFrom, 'src') : []),
      ...(keys.has('ssh') ? (target.ssh ?? []).flatMap(({ paths }) => paths) : []),
      ...(target.secrets ?? []).filter(({ id = '' }) => named.has(id)).flatMap(({ src }) => src ?? []),
    ],
    write: [
      ...(keys.has('cache-to') ? locals(target.cacheTo, 'dest') : []),
      ...(keys.has('output') ? (target.outputs ?? []).flatMap(({ dest }) => dest ?? []) : []),
    ],
    networkHost: entitlements.includes('network.host'),
    securityInsecure: entitlements.includes('security.insecure'),
  };
}
