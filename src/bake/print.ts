// A plan as `docker buildx bake --print` writes it: JSON whose every byte, order and escape is what programs know.

import { shownContext } from './paths.ts';
import type { BakeAgent, BakePlan, BakePolicy, BakeTarget, Fields } from './target.ts';
import { RESOURCE_NUMBERS, RESOURCE_TEXTS } from './entries.ts';

/** With the newline at its end. */
export function printPlan({ groups, targets }: BakePlan): string {
  const group = groups.map(
    ({ name, description, targets: members }) =>
      [name, { ...(description === undefined ? {} : { description }), targets: members ?? null }] as const,
  );
  const target = [...targets.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).map((one) => [one.name, printTarget(one)] as const);
  return `${goJson(group.length === 0 ? { target: ordered(target) } : { group: ordered(group), target: ordered(target) })}\n`;
}

/** Members of an object in this order, whatever they are called: JavaScript would put names that are numbers first. */
type Ordered = ReadonlyMap<string, unknown>;
const ordered = (entries: readonly (readonly [string, unknown])[]): Ordered => new Map(entries);

function byName(record: Readonly<Record<string, unknown>>): Ordered {
  return new Map(Object.entries(record).sort(([a], [b]) => compareBytes(a, b)));
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function printTarget(target: BakeTarget): Ordered {
  const { args, labels, extraHosts } = target;
  const rows: readonly (readonly [string, unknown])[] = [
    ['description', target.description],
    ['annotations', target.annotations?.map(escaped)],
    ['attest', target.attest?.map(printAttestation)],
    ['context', target.context === undefined ? undefined : shownContext(target.context)],
    ['contexts', target.contexts === undefined ? undefined : byName(target.contexts)],
    ['dockerfile', target.dockerfile],
    ['dockerfile-inline', target.dockerfileInline === undefined ? undefined : escaped(target.dockerfileInline)],
    ['args', args === undefined ? undefined : byName(escapedValues(args))],
    ['labels', labels === undefined ? undefined : byName(escapedValues(labels))],
    ['tags', target.tags],
    ['cache-from', target.cacheFrom?.map(byName)],
    ['cache-to', target.cacheTo?.map(byName)],
    ['target', target.target],
    ['secret', target.secrets?.map(printSecret)],
    ['ssh', target.ssh?.map(printAgent)],
    ['platforms', target.platforms],
    ['output', target.outputs?.map(byName)],
    ['pull', target.pull],
    ['no-cache', target.noCache],
    ['network', target.network],
    ['no-cache-filter', target.noCacheFilter],
    ['shm-size', target.shmSize],
    ['ulimits', target.ulimits],
    ['resources', target.resources === undefined ? undefined : printResources(target.resources)],
    ['call', target.call],
    ['entitlements', target.entitlements],
    ['extra-hosts', extraHosts === undefined ? undefined : byName(escapedValues(extraHosts))],
    ['policy', target.policy?.map(printPolicy)],
  ];
  return ordered(rows.filter(([name, value]) => value !== undefined && (name !== 'description' || value !== '')));
}

/** What is printed can be read again as a Bake file, so what would be a template there is escaped. */
function escaped(text: string): string {
  return text.replace(/([$%])\{/g, (_, sign: string) => `${sign}${sign}{`);
}

function escapedValues(record: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, escaped(value)]));
}

function printAttestation(fields: Fields): Ordered {
  return byName({ ...fields, ...(fields['disabled'] === undefined ? {} : { disabled: true }) });
}

function printSecret({ id, src, env }: Fields): Ordered {
  return ordered(Object.entries({ id, src, env }).filter(([, value]) => value !== undefined && value !== ''));
}

function printAgent({ id, paths }: BakeAgent): object {
  return { ...(id === '' ? {} : { id }), ...(paths.length === 0 ? {} : { paths }) };
}

function printResources(resources: Readonly<Record<string, string>>): Ordered {
  const [memory, swap, cpus, mems] = RESOURCE_TEXTS;
  const names = [memory, swap, ...RESOURCE_NUMBERS, cpus, mems];
  const numbers: readonly string[] = RESOURCE_NUMBERS;
  return ordered(
    names
      .filter((name) => Object.hasOwn(resources, name))
      .map((name) => [name, numbers.includes(name) ? Number(resources[name]) : resources[name]]),
  );
}

function printPolicy({ files, reset, disabled, strict, logLevel }: BakePolicy): object {
  const list = files.length === 0 ? null : files.map((file) => ({ Filename: file, Data: null }));
  return { Files: list, Reset: reset, Disabled: disabled, Strict: strict ?? null, LogLevel: logLevel ?? null };
}

/** JSON as Go writes it, two spaces deep: `<`, `>`, `&` and two line separators are escaped. */
export function goJson(value: unknown, indent = ''): string {
  if (Array.isArray(value))
    return block(
      '[',
      value.map((one) => goJson(one, `${indent}  `)),
      ']',
      indent,
    );
  if (typeof value !== 'object' || value === null) return goText(value);
  const entries = value instanceof Map ? [...(value as ReadonlyMap<string, unknown>)] : Object.entries(value);
  return block(
    '{',
    entries.map(([name, one]) => `${goText(name)}: ${goJson(one, `${indent}  `)}`),
    '}',
    indent,
  );
}

function block(open: string, items: readonly string[], close: string, indent: string): string {
  return items.length === 0 ? open + close : `${open}\n${items.map((item) => `${indent}  ${item}`).join(',\n')}\n${indent}${close}`;
}

export function goText(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
