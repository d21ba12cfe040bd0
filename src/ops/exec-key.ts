// The key of a RUN: everything that can change what the process does. What only limits it or tells it apart (cache ids, sharing,
// cgroups, proxies, values of secrets) is not in it. Field names: src/cache/README.md.

import { canonicalJson, digestOf } from '../base/index.ts';
import type { ExecSpec, GraphVertex, MountSpec } from '../graph/index.ts';
import { formatPlatform } from '../oci/index.ts';
import type { CacheMap, KeyField } from '../solver/index.ts';

/** One input as a mount uses it: its whole identity, or the content of what is selected. */
export interface KeyedInput {
  readonly mount: MountSpec;
  readonly value: string;
  /** `content`: the digest of the selected paths; `identity`: the whole tree. */
  readonly by: 'content' | 'identity';
  readonly list?: KeyField['list'];
}

/** Builds key and fields. `argNames`: variables that ARG declared. `step`: see CacheMap. */
export function execKey(
  vertex: GraphVertex,
  spec: ExecSpec,
  inputs: readonly KeyedInput[],
  step: string,
  notes: readonly KeyField[],
): CacheMap {
  const argNames = new Set(vertex.about.args ?? []);
  const fields: KeyField[] = [{ name: 'command', value: JSON.stringify(spec.args) }];
  for (const variable of spec.env) {
    const equals = variable.indexOf('=');
    const name = equals < 0 ? variable : variable.slice(0, equals);
    fields.push({ name: `${argNames.has(name) ? 'arg' : 'env'} ${name}`, value: equals < 0 ? '' : variable.slice(equals + 1) });
  }
  fields.push({ name: 'order', value: spec.env.map((variable) => variable.split('=', 1)[0]).join(' ') });
  fields.push(
    { name: 'user', value: spec.user },
    { name: 'workdir', value: spec.cwd },
    { name: 'platform', value: formatPlatform(vertex.platform) },
  );
  for (const [name, value] of options(spec)) fields.push({ name: `option ${name}`, value });
  for (const mount of spec.mounts.slice(1)) fields.push({ name: `mount ${mount.dest}`, value: canonicalJson(mountFacts(mount)) });
  for (const { mount, value, by, list } of inputs) {
    const name = by === 'identity' ? `input ${mount.input}` : `bind ${mount.dest}`;
    fields.push(list === undefined ? { name, value } : { name, value, list });
  }
  const counted = fields.map(({ name, value }) => [name.replace(/^arg /, 'env '), value]);
  return { key: digestOf(canonicalJson({ op: 'exec', fields: counted })), step, fields, notes };
}

function options(spec: ExecSpec): readonly (readonly [string, string])[] {
  return [
    ['network', spec.network],
    ['security', spec.security],
    ...(spec.hostname === undefined ? [] : [['hostname', spec.hostname] as const]),
    // Whether a name is given counts, not its address: machines give it others, as BuildKit has it.
    ...(spec.extraHosts ?? []).map(({ host }) => [`extra-host ${host}`, ''] as const),
    ...(spec.cgroupParent === undefined ? [] : [['cgroup-parent', spec.cgroupParent] as const]),
    ...(spec.ulimits ?? []).map(({ name, soft, hard }) => [`ulimit ${name}`, `${soft}:${hard}`] as const),
    ...(spec.devices ?? []).map(({ name, optional }) => [`device ${name}`, String(optional)] as const),
    ...(spec.secretEnv ?? []).map(({ id, name, optional }) => [`secret-env ${name}`, `${id} ${optional}`] as const),
    ...(spec.validExitCodes === undefined ? [] : [['exit-codes', spec.validExitCodes.join(',')] as const]),
  ];
}

/** Options of a mount that count. */
function mountFacts(mount: MountSpec): object {
  const { type, selector, readonly, output, tmpfs, secret, ssh } = mount;
  return { type, selector: mount.type === 'bind' ? '' : selector, readonly, output, tmpfs, secret, ssh, cache: plainCache(mount) };
}

/** The id of a cache mount that leaves id and sharing to be as they are: only whether it does so counts, as BuildKit has it. */
function plainCache({ cache, dest }: MountSpec): string | undefined {
  if (cache === undefined || cache.sharing !== 'shared') return undefined;
  return cache.id.slice(cache.id.indexOf('/') + 1) === dest ? cache.id : undefined;
}
