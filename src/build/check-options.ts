// Whether options have the shapes that their types promise. Programs in plain JavaScript, and those that read options from a file, have
// no compiler that says it, and what is ignored in silence costs more than what is refused.

import { SlipwayError, suggest } from '../base/index.ts';
import type { BuildOptions, BuildRequest, Settings } from './options.ts';
import type { TogetherOptions } from './together.ts';

/** What a value must be, in words, and whether it is that. */
interface Shape {
  readonly is: string;
  readonly fits: (value: unknown) => boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === 'string';
/** Not `instanceof`: a signal may come from another realm. */
const isSignal = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'aborted' in value && 'throwIfAborted' in value;
const isAbsentOrText = (value: unknown): boolean => value === undefined || isText(value);
const hasTexts = (value: unknown): boolean => isFields(value) && Object.values(value).every(isAbsentOrText);

const TEXT: Shape = { is: 'a string', fits: isText };
const NUMBER: Shape = { is: 'a number', fits: (value) => typeof value === 'number' };
const FLAG: Shape = { is: 'true or false', fits: (value) => typeof value === 'boolean' };
const CALL: Shape = { is: 'a function', fits: (value) => typeof value === 'function' };
const FIELDS: Shape = { is: 'an object', fits: isFields };
const TEXT_BY_NAME: Shape = { is: 'an object of strings', fits: hasTexts };
const TEXTS: Shape = { is: 'an array of strings', fits: (value) => Array.isArray(value) && value.every(isText) };

/** An array of objects that have these fields. */
function listOf(is: string, fields: Readonly<Record<string, (value: unknown) => boolean>>): Shape {
  const fits = (value: unknown): boolean => isFields(value) && Object.entries(fields).every(([name, good]) => good(value[name]));
  return { is: `an array of ${is}`, fits: (value) => Array.isArray(value) && value.every(fits) };
}

/** An object whose `kind` decides which strings it has. */
function oneOf(kinds: Readonly<Record<string, readonly string[]>>): Shape {
  const words = Object.entries(kinds).map(([kind, names]) => `{ ${[`kind: '${kind}'`, ...names].join(', ')} }`);
  return {
    is: words.join(' or '),
    fits: (value) =>
      isFields(value) &&
      typeof value['kind'] === 'string' &&
      Object.hasOwn(kinds, value['kind']) &&
      (kinds[value['kind']] ?? []).every((name) => isText(value[name])),
  };
}

const CACHES = listOf('{ type, attributes }', { type: isText, attributes: hasTexts });

const REQUEST: Readonly<Record<keyof BuildRequest, Shape>> = {
  context: oneOf({ folder: ['path'], url: ['url'], archive: ['path'], empty: [] }),
  dockerfile: oneOf({ path: ['path'], text: ['text', 'filename'], url: ['url'] }),
  target: TEXT,
  buildArgs: TEXT_BY_NAME,
  platforms: TEXTS,
  labels: TEXT_BY_NAME,
  annotations: TEXTS,
  namedContexts: TEXT_BY_NAME,
  noCache: { is: 'true, false or an array of stages', fits: (value) => FLAG.fits(value) || TEXTS.fits(value) },
  pull: FLAG,
  tags: TEXTS,
  outputs: CACHES,
  cacheFrom: CACHES,
  cacheTo: CACHES,
  attests: CACHES,
  secrets: listOf("{ id, kind: 'file', path }, { id, kind: 'env', variable, value } or { id, kind: 'value', value }", {
    id: isText,
    kind: (kind) => kind === 'file' || kind === 'env' || kind === 'value',
  }),
  ssh: listOf('{ id, paths }', { id: isText, paths: TEXTS.fits }),
  network: { is: "'default', 'none' or 'host'", fits: (value) => value === 'default' || value === 'none' || value === 'host' },
  extraHosts: listOf('{ host, ip }', { host: isText, ip: isText }),
  devices: listOf('{ name, optional }', { name: isText, optional: FLAG.fits }),
  shmSize: NUMBER,
  ulimits: listOf('{ name, soft, hard }', { name: isText, soft: NUMBER.fits, hard: NUMBER.fits }),
  cgroupParent: TEXT,
  hostname: TEXT,
  resources: FIELDS,
  limits: FIELDS,
  entitlements: TEXTS,
  allStages: FLAG,
  gates: TEXTS,
  sourceDateEpoch: NUMBER,
  proxyEnv: TEXT_BY_NAME,
  stdoutIsTerminal: FLAG,
  name: TEXT,
  report: FLAG,
};

const SETTINGS: Readonly<Record<keyof Settings, Shape>> = {
  registries: { is: 'an object of objects', fits: (value) => isFields(value) && Object.values(value).every(isFields) },
  dockerConfig: FIELDS,
  certificateFiles: TEXTS,
  proxies: TEXT_BY_NAME,
  rung: TEXT,
  maxProcesses: NUMBER,
  maxDownloads: NUMBER,
  maxUploads: NUMBER,
  programEnv: TEXT_BY_NAME,
  trust: FIELDS,
  noNewPrivileges: FLAG,
  gc: FIELDS,
  userAgent: TEXT,
};

/** Beside a request, or several. */
const BESIDE = {
  root: TEXT,
  settings: FIELDS,
  signal: { is: 'an AbortSignal', fits: isSignal },
  onProgress: CALL,
  onFailure: CALL,
};
const OPTIONS: Readonly<Record<keyof BuildOptions, Shape>> = { ...REQUEST, ...BESIDE };
const TOGETHER: Readonly<Record<keyof TogetherOptions, Shape>> = {
  ...BESIDE,
  builds: { is: 'an object of builds by name', fits: (value) => isFields(value) && Object.values(value).every(isFields) },
};

/** Throws `OPTION_INVALID` for the first option that there is none of, or that is something else than its type says. Undefined is absent. */
export function checkOptions(options: unknown): void {
  if (!isFields(options))
    throw wrong(`the options must be an object, not ${said(options)}`, "build({ context: { kind: 'folder', path: '.' } })");
  checkFields(options, OPTIONS, '');
  if (options['settings'] !== undefined) checkFields(options['settings'] as Fields, SETTINGS, 'settings.');
}

/** The same for several builds. */
export function checkTogether(options: unknown): void {
  if (!isFields(options) || options['builds'] === undefined)
    throw wrong('there must be builds by name', "buildTogether({ builds: { app: { context: { kind: 'folder', path: '.' } } } })");
  checkFields(options, TOGETHER, '');
  for (const [name, request] of Object.entries(options['builds'] as Readonly<Record<string, Fields>>))
    checkFields(request, REQUEST, `builds.${name}.`);
  if (options['settings'] !== undefined) checkFields(options['settings'] as Fields, SETTINGS, 'settings.');
}

function checkFields(given: Fields, shapes: Readonly<Record<string, Shape>>, before: string): void {
  for (const [name, value] of Object.entries(given)) {
    const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
    if (shape === undefined) {
      const near = suggest(name, Object.keys(shapes));
      throw wrong(`there is no option ${before}${name}`, near === undefined ? undefined : `did you mean ${before}${near}?`);
    }
    if (value !== undefined && !shape.fits(value)) throw wrong(`the option ${before}${name} must be ${shape.is}, not ${said(value)}`);
  }
}

/** What kind of value it is: what it says may be a secret. */
function said(value: unknown): string {
  if (Array.isArray(value)) return value.every(isText) ? 'an array of strings' : `an array with ${said(value.find((one) => !isText(one)))}`;
  if (isFields(value)) return `an object with ${Object.keys(value).join(', ') || 'nothing'}`;
  return value === null || value === undefined ? String(value) : `a ${typeof value}`;
}

function wrong(message: string, hint?: string): SlipwayError {
  return new SlipwayError('OPTION_INVALID', message, hint === undefined ? {} : { hint });
}
