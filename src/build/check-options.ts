// The shapes of options of builds.

import { checkFields, isFields, listShape, oneOfShape, said, type Shape, SHAPES, wrongOption } from '../base/index.ts';
import type { BuildOptions, BuildRequest, Settings } from './options.ts';
import type { RunOptions } from './run-image.ts';
import type { TogetherOptions } from './together.ts';
import type { CheckStoreOptions, PruneOptions, StoreOptions, UsageOptions } from './upkeep.ts';

type Fields = Readonly<Record<string, unknown>>;

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
  attests: CACHES,
  secrets: listShape("{ id, kind: 'file', path }, { id, kind: 'env', variable, value } or { id, kind: 'value', value }", {
    id: SHAPES.text.fits,
    kind: (kind) => kind === 'file' || kind === 'env' || kind === 'value',
  }),
  ssh: listShape('{ id, paths }', { id: SHAPES.text.fits, paths: SHAPES.texts.fits }),
  network: { is: "'default', 'none' or 'host'", fits: (value) => value === 'default' || value === 'none' || value === 'host' },
  extraHosts: listShape('{ host, ip }', { host: SHAPES.text.fits, ip: SHAPES.text.fits }),
  devices: listShape('{ name, optional }', { name: SHAPES.text.fits, optional: SHAPES.flag.fits }),
  shmSize: SHAPES.number,
  ulimits: listShape('{ name, soft, hard }', { name: SHAPES.text.fits, soft: SHAPES.number.fits, hard: SHAPES.number.fits }),
  cgroupParent: SHAPES.text,
  hostname: SHAPES.text,
  resources: SHAPES.fields,
  limits: SHAPES.fields,
  entitlements: SHAPES.texts,
  allStages: SHAPES.flag,
  gates: SHAPES.texts,
  sourceDateEpoch: SHAPES.number,
  proxyEnv: SHAPES.textByName,
  stdoutIsTerminal: SHAPES.flag,
  name: SHAPES.text,
  report: SHAPES.flag,
};

const SETTINGS: Readonly<Record<keyof Settings, Shape>> = {
  registries: { is: 'an object of objects', fits: (value) => isFields(value) && Object.values(value).every(isFields) },
  dockerConfig: SHAPES.fields,
  certificateFiles: SHAPES.texts,
  proxies: SHAPES.textByName,
  rung: SHAPES.text,
  maxProcesses: SHAPES.number,
  maxDownloads: SHAPES.number,
  maxUploads: SHAPES.number,
  programEnv: SHAPES.textByName,
  trust: SHAPES.fields,
  noNewPrivileges: SHAPES.flag,
  gc: SHAPES.fields,
  userAgent: SHAPES.text,
};

/** Beside a request, or several. */
const BESIDE = {
  root: SHAPES.text,
  settings: SHAPES.fields,
  signal: SHAPES.signal,
  onProgress: SHAPES.call,
  onFailure: SHAPES.call,
};
const OPTIONS: Readonly<Record<keyof BuildOptions, Shape>> = { ...REQUEST, ...BESIDE };
const TOGETHER: Readonly<Record<keyof TogetherOptions, Shape>> = {
  ...BESIDE,
  builds: { is: 'an object of builds by name', fits: (value) => isFields(value) && Object.values(value).every(isFields) },
};

/** Throws `OPTION_INVALID` for the first option that there is none of, or that is something else than its type says. Undefined is absent. */
export function checkOptions(options: unknown): void {
  if (!isFields(options))
    throw wrongOption(`the options must be an object, not ${said(options)}`, "build({ context: { kind: 'folder', path: '.' } })");
  checkFields(options, OPTIONS, '');
  checkSettings(options['settings']);
}

/** The same for several builds. */
export function checkTogether(options: unknown): void {
  if (!isFields(options) || options['builds'] === undefined)
    throw wrongOption('there must be builds by name', "buildTogether({ builds: { app: { context: { kind: 'folder', path: '.' } } } })");
  checkFields(options, TOGETHER, '');
  for (const [name, request] of Object.entries(options['builds'] as Readonly<Record<string, Fields>>))
    checkFields(request, REQUEST, `builds.${name}.`);
  checkSettings(options['settings']);
}

const STORE: Readonly<Record<keyof StoreOptions, Shape>> = { root: SHAPES.text, settings: SHAPES.fields, signal: SHAPES.signal };
const USAGE: Readonly<Record<keyof UsageOptions, Shape>> = { ...STORE, filter: SHAPES.texts };
const PRUNE: Readonly<Record<keyof PruneOptions, Shape>> = {
  ...USAGE,
  all: SHAPES.flag,
  keepDurationMs: SHAPES.number,
  maxUsedBytes: SHAPES.number,
  minFreeBytes: SHAPES.number,
  reservedBytes: SHAPES.number,
};
const CHECK: Readonly<Record<keyof CheckStoreOptions, Shape>> = { ...STORE, repair: SHAPES.flag };
const RUN: Readonly<Record<keyof RunOptions, Shape>> = {
  ...STORE,
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
  checkSettings(options['settings']);
}

/** Settings, where there are any, of which is known that they are an object. */
export function checkSettings(settings: unknown): void {
  if (isFields(settings)) checkFields(settings, SETTINGS, 'settings.');
}
