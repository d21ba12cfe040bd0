// Configuration of the server: flags and files in BuildKit's form (`buildkitd` and `buildkitd.toml`), so that a setup written for
// it starts this server unchanged. What has no meaning here is accepted and has no effect.

import { readFileSync } from 'node:fs';
import { SlipwayError, suggest } from '../../base/index.ts';
import type { Settings } from '../../build/index.ts';
import type { ListenOptions, TlsFiles } from '../listen.ts';

/** All that the flags and the file say. */
export interface ServerConfig {
  readonly listen: readonly ListenOptions[];
  readonly debug: boolean;
  /** Entitlements that builds may ask for. */
  readonly entitlements: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  readonly gc: NonNullable<Settings['gc']>;
  readonly maxProcesses?: number;
  readonly history: { readonly maxEntries?: number; readonly maxAgeMs?: number };
  /** Folders of CDI device specifications. */
  readonly cdiFolders: readonly string[];
  readonly noProcessSandbox: boolean;
  /** Folder of JSON files that are added to every provenance. */
  readonly provenanceFolder?: string;
}

type Table = Readonly<Record<string, unknown>>;

/** Values of each flag, in order; a switch that stands alone has `true`. */
export type ServerFlags = ReadonlyMap<string, readonly string[]>;

/** What flags and the tables of the configuration file say of a server; of registries and stores they are read as for any command. Throws `CONFIG_INVALID`. */
export function readServerConfig(flags: ServerFlags, table: Table): ServerConfig {
  const grpc = tableOf(table, 'grpc');
  const worker = tableOf(tableOf(table, 'worker'), 'oci');
  const addresses = flags.get('addr') ?? textsOf(grpc, 'address');
  const tls = readTls(flags, tableOf(grpc, 'tls'));
  const group = groupOf(last(flags, 'group')) ?? numberOf(grpc, 'gid');
  const labels = Object.fromEntries((flags.get('oci-worker-labels') ?? []).map(splitLabel));
  const maxProcesses = optionalNumber(last(flags, 'oci-max-parallelism')) ?? numberOf(worker, 'max-parallelism');
  const gcDisabled = last(flags, 'oci-worker-gc') === 'false' || worker['gc'] === false;
  const keepBytes = bytesOf(worker, 'maxUsedSpace') ?? bytesOf(worker, 'gckeepstorage');
  const minFreeBytes = bytesOf(worker, 'minFreeSpace');
  const reservedBytes = bytesOf(worker, 'reservedSpace');
  const history = tableOf(table, 'history');
  const maxEntries = numberOf(history, 'maxEntries');
  const maxAgeMs = secondsOf(history, 'maxAge');
  const provenanceFolder = textOf(table, 'provenanceEnvDir');
  return {
    ...(provenanceFolder !== undefined && { provenanceFolder }),
    listen: addresses.map((address) => ({
      address: normalizeAddress(address),
      ...(tls !== undefined && { tls }),
      ...(group !== undefined && { group }),
    })),
    debug: last(flags, 'debug') === 'true' || table['debug'] === true,
    entitlements: [...(flags.get('allow-insecure-entitlement') ?? []), ...textsOf(table, 'insecure-entitlements')].map(entitlementOf),
    labels: { ...textTable(tableOf(worker, 'labels')), ...labels },
    platforms: flags.get('oci-worker-platform') ?? textsOf(worker, 'platforms'),
    gc: {
      ...(gcDisabled && { disabled: true }),
      ...(keepBytes !== undefined && { maxBytes: keepBytes }),
      ...(minFreeBytes !== undefined && { minFreeBytes }),
      ...(reservedBytes !== undefined && { reservedBytes }),
    },
    ...(maxProcesses !== undefined && { maxProcesses }),
    history: { ...(maxEntries !== undefined && { maxEntries }), ...(maxAgeMs !== undefined && { maxAgeMs }) },
    cdiFolders: flags.get('cdi-spec-dir') ?? textsOf(tableOf(table, 'cdi'), 'specDirs'),
    noProcessSandbox: last(flags, 'oci-worker-no-process-sandbox') === 'true' || worker['noProcessSandbox'] === true,
  };
}

const HELP = "see 'slipway serve --help'";

/** Flags that stand alone: the next word is not their value. */
const SWITCHES: ReadonlySet<string> = new Set([
  'debug',
  'trace',
  'rootless',
  'version',
  'help',
  'cdi-disabled',
  'oci-worker-gc',
  'oci-worker-no-process-sandbox',
  'oci-worker-rootless',
  'oci-worker-selinux',
  'save-cache-debug',
  'no-new-privileges',
]);

/** The other flags of BuildKit's server that are known by their names; those of its workers by how they begin. */
const VALUED: readonly string[] = [
  ...['addr', 'root', 'config', 'group', 'tlscert', 'tlskey', 'tlscacert', 'allow-insecure-entitlement', 'cdi-spec-dir'],
  ...['debugaddr', 'log-format', 'log-level', 'proxy-network', 'rung', 'trust'],
];
const WORKER_FLAG = /^(?:oci|containerd|otel)-/;

/**
 * Every flag of BuildKit's server is `--name value` or `--name=value`. Those of its workers that mean nothing here have no effect. Throws
 * `USAGE`.
 */
export function readServerFlags(args: readonly string[]): ServerFlags {
  const flags = new Map<string, string[]>();
  for (let index = 0; index < args.length; index += 1) {
    const match = /^--?([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(args[index] as string);
    if (match === null) throw new SlipwayError('USAGE', `unexpected argument ${JSON.stringify(args[index])}`, { hint: HELP });
    const name = match[1] as string;
    let value = match[2];
    if (!SWITCHES.has(name) && !VALUED.includes(name) && !WORKER_FLAG.test(name)) throw unknownFlag(name);
    if (value === undefined && !SWITCHES.has(name)) {
      value = args[index + 1];
      if (value === undefined || value.startsWith('--')) throw new SlipwayError('USAGE', `flag needs a value: --${name}`, { hint: HELP });
      index += 1;
    }
    flags.set(name, [...(flags.get(name) ?? []), value ?? 'true']);
  }
  return flags;
}

function unknownFlag(name: string): SlipwayError {
  const near = suggest(name, [...SWITCHES, ...VALUED]);
  return new SlipwayError('USAGE', `unknown flag: --${name}${near === undefined ? '' : ` (did you mean --${near}?)`}`, { hint: HELP });
}

function last(flags: ServerFlags, name: string): string | undefined {
  return flags.get(name)?.at(-1);
}

function readTls(flags: ServerFlags, table: Table): TlsFiles | undefined {
  const cert = last(flags, 'tlscert') ?? textOf(table, 'cert');
  const key = last(flags, 'tlskey') ?? textOf(table, 'key');
  const ca = last(flags, 'tlscacert') ?? textOf(table, 'ca');
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new SlipwayError('CONFIG_INVALID', 'TLS needs both a certificate and a key');
  return { cert, key, ...(ca !== undefined && { ca }) };
}

/** A group by number or name. Throws `USAGE`: a server that nobody may speak to is no answer to a misspelt name. */
function groupOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const row = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === text);
  if (row === undefined)
    throw new SlipwayError('USAGE', `there is no group ${text} for --group`, { hint: 'name one of /etc/group, or its number' });
  return Number(row[2]);
}

const ENTITLEMENTS = ['network.host', 'security.insecure', 'device'];

function entitlementOf(text: string): string {
  if (ENTITLEMENTS.includes(text)) return text;
  const near = suggest(text, ENTITLEMENTS);
  throw new SlipwayError('CONFIG_INVALID', `unknown entitlement ${text}`, {
    hint: near === undefined ? `there are ${ENTITLEMENTS.join(', ')}` : `did you mean ${near}?`,
  });
}

function normalizeAddress(address: string): string {
  return /^[a-z]+:\/\//.test(address) ? address : address.startsWith('/') ? `unix://${address}` : `tcp://${address}`;
}

function splitLabel(label: string): [string, string] {
  const equals = label.indexOf('=');
  return equals < 0 ? [label, ''] : [label.slice(0, equals), label.slice(equals + 1)];
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tableOf(table: Table, key: string): Table {
  const value = table[key];
  return isTable(value) ? value : {};
}

function textOf(table: Table, key: string): string | undefined {
  const value = table[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function textsOf(table: Table, key: string): string[] {
  const value = table[key];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function textTable(table: Table): Record<string, string> {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, String(value)]));
}

function numberOf(table: Table, key: string): number | undefined {
  const value = table[key];
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : undefined;
}

function optionalNumber(text: string | undefined): number | undefined {
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

/** Bytes as a number, or as text with a unit (`10GB`); a share of the disk (`25%`) is left to the default. */
function bytesOf(table: Table, key: string): number | undefined {
  const value = table[key];
  if (typeof value !== 'string') return numberOf(table, key);
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(value.trim());
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * 1000 ** ['', 'k', 'm', 'g', 't'].indexOf((match[2] as string).toLowerCase()));
}

/** A duration: seconds as a number, or Go's form (`48h`, `30m`). */
function secondsOf(table: Table, key: string): number | undefined {
  const value = table[key];
  if (typeof value !== 'string') {
    const seconds = numberOf(table, key);
    return seconds === undefined ? undefined : seconds * 1000;
  }
  let ms = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) {
    ms += Number(amount) * ({ h: 3600_000, m: 60_000, s: 1000, ms: 1 }[unit as 'h'] ?? 0);
  }
  return ms;
}
