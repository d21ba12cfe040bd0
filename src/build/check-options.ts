// The shapes of options of builds.

import {
  byNameShape,
  checkFields,
  fieldsShape,
  isFields,
  listShape,
  oneOfShape,
  type ResourceLimits,
  said,
  type Shape,
  SHAPES,
  wordShape,
  wrongOption,
} from '../base/index.ts';
import type { BuildOptions, BuildRequest, RegistrySettings, SecretInput, Settings, StepLimits } from './options.ts';
import type { RunOptions } from './run-image.ts';
import type { TogetherOptions } from './together.ts';
import type { CheckStoreOptions, PruneOptions, StoreOptions, UsageOptions } from './upkeep.ts';

type Fields = Readonly<Record<string, unknown>>;

const isText = SHAPES.text.fits;
const SECRETS: Readonly<Record<SecretInput['kind'], (secret: Fields) => boolean>> = {
  file: ({ path }) => isText(path),
  env: ({ variable, value }) => isText(variable) && (value === undefined || isText(value)),
  value: ({ value }) => ArrayBuffer.isView(value),
};
const isSecret = (secret: unknown): boolean =>
  isFields(secret) && isText(secret['id']) && Object.entries(SECRETS).some(([kind, fits]) => secret['kind'] === kind && fits(secret));

const CACHES = listShape('{ type, attributes }', { type: SHAPES.text.fits, attributes: SHAPES.textByName.fits });

const REQUEST: Readonly<Record<keyof BuildRequest, Shape>> = {
  context: oneOfShape({ folder: ['path'], url: ['url'], archive: ['path'], empty: [] }),
  dockerfile: oneOfShape({ path: ['path'], text: ['text', 'filename'], url: ['url'] }),
  target: SHAPES.text,
  buildArgs: SHAPES.textByName,
  platforms: SHAPES.texts,
  labels: SHAPES.textByName,
  annotations: SHAPES.texts,
  namedContexts: SHAPES.textByName,
  noCache: { is: 'true, false or an array of stages', fits: (value) => SHAPES.flag.fits(value) || SHAPES.texts.fits(value) },
  pull: SHAPES.flag,
  tags: SHAPES.texts,
  outputs: CACHES,
  cacheFrom: CACHES,
  cacheTo: CACHES,
  attests: listShape("{ type: 'sbom' or 'provenance', attributes }", {
    type: wordShape('sbom', 'provenance').fits,
    attributes: SHAPES.textByName.fits,
  }),
  secrets: {
    is: "an array of { id, kind: 'file', path }, { id, kind: 'env', variable, value } or { id, kind: 'value', value }",
    fits: (value) => Array.isArray(value) && value.every(isSecret),
  },
  ssh: listShape('{ id, paths }', { id: SHAPES.text.fits, paths: SHAPES.texts.fits }),
  network: wordShape('default', 'none', 'host'),
  extraHosts: listShape('{ host, ip }', { host: SHAPES.text.fits, ip: SHAPES.text.fits }),
  devices: listShape('{ name, optional }', { name: SHAPES.text.fits, optional: SHAPES.flag.fits }),
  shmSize: SHAPES.number,
  ulimits: listShape('{ name, soft, hard }', { name: SHAPES.text.fits, soft: SHAPES.number.fits, hard: SHAPES.number.fits }),
  cgroupParent: SHAPES.text,
  hostname: SHAPES.text,
  resources: fieldsShape<ResourceLimits>({
    memory: SHAPES.number,
    memorySwap: SHAPES.number,
    cpuShares: SHAPES.number,
    cpuPeriod: SHAPES.number,
    cpuQuota: SHAPES.number,
    cpusetCpus: SHAPES.text,
    cpusetMems: SHAPES.text,
    pids: SHAPES.number,
  }),
  limits: fieldsShape<StepLimits>({ timeoutMs: SHAPES.number, logBytes: SHAPES.number, logBytesPerSecond: SHAPES.number }),
  entitlements: SHAPES.texts,
  allStages: SHAPES.flag,
  gates: SHAPES.texts,
  sourceDateEpoch: SHAPES.number,
  proxyEnv: SHAPES.textByName,
  stdoutIsTerminal: SHAPES.flag,
  name: SHAPES.text,
  report: SHAPES.flag,
};

const TRUST_RULES = listShape('{ name, require, keys }', {
  name: isText,
  require: wordShape('digest', 'signature', 'refuse', 'allow').fits,
  keys: SHAPES.texts.fits,
});

const SETTINGS: Readonly<Record<keyof Settings, Shape>> = {
  registries: byNameShape<RegistrySettings>('an object of objects', {
    mirrors: SHAPES.texts,
    http: SHAPES.flag,
    insecure: SHAPES.flag,
    ca: SHAPES.texts,
    keypair: listShape('{ key, cert }', { key: isText, cert: isText }),
  }),
  dockerConfig: SHAPES.fields,
  certificateFiles: SHAPES.texts,
  proxies: fieldsShape<NonNullable<Settings['proxies']>>({ http: SHAPES.text, https: SHAPES.text, no: SHAPES.text }),
  rung: SHAPES.text,
  maxProcesses: SHAPES.number,
  maxDownloads: SHAPES.number,
  maxUploads: SHAPES.number,
  programEnv: SHAPES.textByName,
  trust: {
    is: '{ rules, otherwise }, as parseTrustPolicy gives it',
    fits: (value) => isFields(value) && wordShape('allow', 'refuse').fits(value['otherwise']) && TRUST_RULES.fits(value['rules']),
  },
  noNewPrivileges: SHAPES.flag,
  gc: fieldsShape<NonNullable<Settings['gc']>>({
    maxBytes: SHAPES.number,
    minFreeBytes: SHAPES.number,
    reservedBytes: SHAPES.number,
    maxAgeMs: SHAPES.number,
    disabled: SHAPES.flag,
  }),
  userAgent: SHAPES.text,
};

/** Where results are kept, and how the world is reached. */
export const STORE_SHAPES: Readonly<Record<keyof StoreOptions, Shape>> = {
  root: SHAPES.path,
  settings: fieldsShape<Settings>(SETTINGS),
  signal: SHAPES.signal,
};

/** Beside a request, or several. */
const BESIDE = {
  ...STORE_SHAPES,
  onProgress: SHAPES.call,
  onFailure: SHAPES.call,
};
const OPTIONS: Readonly<Record<keyof BuildOptions, Shape>> = { ...REQUEST, ...BESIDE };
const TOGETHER: Readonly<Record<keyof TogetherOptions, Shape>> = {
  ...BESIDE,
  builds: byNameShape<BuildRequest>('an object of builds by name', REQUEST),
};

/** Throws `OPTION_INVALID` for the first option that there is none of, or that is something else than its type says. Undefined is absent. */
export function checkOptions(options: unknown): void {
  if (!isFields(options))
    throw wrongOption(`the options must be an object, not ${said(options)}`, "build({ context: { kind: 'folder', path: '.' } })");
  checkFields(options, OPTIONS, '');
}

/** The same for several builds. */
export function checkTogether(options: unknown): void {
  if (!isFields(options) || options['builds'] === undefined)
    throw wrongOption('there must be builds by name', "buildTogether({ builds: { app: { context: { kind: 'folder', path: '.' } } } })");
  checkFields(options, TOGETHER, '');
}

const USAGE: Readonly<Record<keyof UsageOptions, Shape>> = { ...STORE_SHAPES, filter: SHAPES.texts };
const PRUNE: Readonly<Record<keyof PruneOptions, Shape>> = {
  ...USAGE,
  all: SHAPES.flag,
  keepDurationMs: SHAPES.number,
  maxUsedBytes: SHAPES.number,
  minFreeBytes: SHAPES.number,
  reservedBytes: SHAPES.number,
};
const CHECK: Readonly<Record<keyof CheckStoreOptions, Shape>> = { ...STORE_SHAPES, repair: SHAPES.flag };
const RUN: Readonly<Record<keyof RunOptions, Shape>> = {
  ...STORE_SHAPES,
  onProgress: SHAPES.call,
  image: SHAPES.text,
  args: SHAPES.texts,
  entrypoint: SHAPES.texts,
  env: SHAPES.textByName,
  user: SHAPES.text,
  workdir: SHAPES.text,
  network: REQUEST.network,
};

/** The same for `diskUsage()`. */
export function checkUsage(options: unknown): void {
  checkStoreWork(options, USAGE, 'diskUsage()');
}

/** The same for `pruneStore()`. */
export function checkPrune(options: unknown): void {
  checkStoreWork(options, PRUNE, 'pruneStore()');
}

/** The same for `checkStore()`. */
export function checkCheckStore(options: unknown): void {
  checkStoreWork(options, CHECK, 'checkStore()');
}

/** The same for `runImage()`, which needs an image. */
export function checkRun(options: unknown): void {
  const example = "runImage({ image: 'app:1' })";
  checkStoreWork(options, RUN, example);
  if ((options as Fields)['image'] === undefined) throw wrongOption('there must be an image', example);
}

function checkStoreWork(options: unknown, shapes: Readonly<Record<string, Shape>>, example: string): void {
  if (!isFields(options)) throw wrongOption(`the options must be an object, not ${said(options)}`, example);
  checkFields(options, shapes, '');
}
