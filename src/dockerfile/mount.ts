// RUN --mount: `type=cache,target=/root/.cache,sharing=locked`.

import { suggest } from '../base/index.ts';
import { parseCsvFields } from './csv.ts';
import { parseGoBool, quote } from './go-text.ts';
import { bad, good, type Outcome, type Problem } from './outcome.ts';
import { parseMemorySize } from './size.ts';

export type MountType = 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';

/** One mount's options as written, checked for themselves. What an absent one means is decided in the graph. */
export interface Mount {
  readonly type: MountType;
  /** Stage, image or named context; `''` when not said. */
  readonly from: string;
  readonly source: string;
  readonly target: string;
  /** The type's default when not said: cache and tmpfs are writable. */
  readonly readonly: boolean;
  /** tmpfs: bytes. */
  readonly size: number | undefined;
  readonly id: string;
  /** cache only. */
  readonly sharing: 'shared' | 'private' | 'locked' | undefined;
  readonly required: boolean;
  /** secret: name of the environment variable; `''` was written as `env=`. */
  readonly env: string | undefined;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

const TYPES: readonly string[] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'];
const SHARINGS: readonly string[] = ['shared', 'private', 'locked'];
const KEYS = 'type from source target readonly id sharing required size mode uid gid src dst destination ro rw readwrite env'.split(' ');
const ALIASES: Readonly<Record<string, string>> = { src: 'source', dst: 'target', destination: 'target', ro: 'readonly', rw: 'readwrite' };

/** Keys that people expect, by what other programs call them. */
const MEANT: Readonly<Record<string, string>> = {
  dest: 'target',
  file: 'source',
  from_image: 'from',
  image: 'from',
  name: 'id',
  path: 'target',
  user: 'uid',
  group: 'gid',
};

/** Undefined: not said. */
type Draft = { -readonly [Key in keyof Mount]: Key extends 'readonly' ? boolean | undefined : Mount[Key] };

/** Thrown and caught in this file only: the first thing that is wrong ends the reading. */
class MountError extends Error {
  readonly problem: Problem;

  constructor(message: string, hint?: string) {
    super(message);
    this.problem = hint === undefined ? { message } : { message, hint };
  }
}

/**
 * Reads a mount's options; `expand` gives values their variables. Fields are read in order: `size` is for a tmpfs only
 * when `type=tmpfs` stands before it.
 */
export function parseMount(text: string, expand: (value: string) => Outcome<string>): Outcome<Mount> {
  const fields = parseCsvFields(text);
  if (!fields.ok) return bad(`failed to parse csv mounts: ${fields.problem.message}`, fields.problem.hint, fields.problem.span);
  const draft = newDraft();
  let reading: string | undefined;
  try {
    for (const field of fields.value) {
      reading = field;
      const equals = field.indexOf('=');
      if (equals < 0) {
        setBare(draft, field);
        continue;
      }
      const value = expand(field.slice(equals + 1));
      if (!value.ok) return value;
      setField(draft, field.slice(0, equals).toLowerCase(), value.value, field);
    }
    reading = undefined;
    return good(finish(draft));
  } catch (error) {
    if (error instanceof MountError) return { ok: false, problem: { ...error.problem, ...spanOf(text, reading) } };
    throw error;
  }
}

/** Where a field stands; nowhere in particular when it is quoted, or there twice. */
function spanOf(text: string, field: string | undefined): Pick<Problem, 'span'> {
  const at = field === undefined || field === '' ? -1 : `,${text},`.indexOf(`,${field},`);
  return at < 0 ? {} : { span: { start: at, end: at + (field?.length ?? 0) } };
}

/** What can be said before variables are known: `from` takes none. */
export function checkMountEarly(text: string): Problem | undefined {
  if (text !== '' && !/["$]/.test(text)) return undefined; // as most
  const fields = parseCsvFields(text);
  if (!fields.ok) return { ...fields.problem, message: `failed to parse csv mounts: ${fields.problem.message}` };
  for (const field of fields.value) {
    const [, key, value = ''] = /^(from)=(.*)$/is.exec(field) ?? [];
    const dollar = value.indexOf('$');
    if (key === undefined || dollar < 0 || dollar === value.length - 1) continue;
    const message = `'${key.toLowerCase()}' doesn't support variable expansion, define alias stage instead`;
    return { message, hint: `add a stage "FROM ${value} AS name" and mount from=name` };
  }
  return undefined;
}

function newDraft(): Draft {
  return {
    type: 'bind',
    from: '',
    source: '',
    target: '',
    readonly: undefined,
    size: undefined,
    id: '',
    sharing: undefined,
    required: false,
    env: undefined,
    mode: undefined,
    uid: undefined,
    gid: undefined,
  };
}

function setBare(draft: Draft, field: string): void {
  const key = field.toLowerCase();
  switch (ALIASES[key] ?? key) {
    case 'readonly':
    case 'readwrite':
    case 'required':
      setField(draft, key, 'true', field);
      return;
    default: {
      const near = TYPES.includes(key) ? `type=${key}` : suggest(key, ['readonly', 'readwrite', 'required', 'ro', 'rw']);
      throw new MountError(
        `invalid field '${field}' must be a key=value pair`,
        near === undefined ? 'only readonly, readwrite and required may stand without a value' : `did you mean ${near}?`,
      );
    }
  }
}

function setField(draft: Draft, key: string, value: string, field: string): void {
  switch (ALIASES[key] ?? key) {
    case 'type':
      draft.type = oneOf(value, TYPES, (word) => `unsupported mount type ${word}`) as MountType;
      return;
    case 'from':
      draft.from = value;
      return;
    case 'source':
      draft.source = value;
      return;
    case 'target':
      draft.target = value;
      return;
    case 'readonly':
      draft.readonly = bool(key, value);
      return;
    case 'readwrite':
      draft.readonly = !bool(key, value);
      return;
    case 'required':
      if (draft.type !== 'secret' && draft.type !== 'ssh') throw wrongType(key, draft.type, 'type=secret or type=ssh');
      draft.required = bool(key, value);
      return;
    case 'size': {
      if (draft.type !== 'tmpfs') throw wrongType(key, draft.type, 'type=tmpfs');
      const size = parseMemorySize(value);
      if (!size.ok) throw new MountError(`invalid value for ${key}: ${value}`, size.problem.hint);
      draft.size = size.value;
      return;
    }
    case 'id':
      draft.id = value;
      return;
    case 'sharing':
      draft.sharing = oneOf(value, SHARINGS, (word) => `unsupported sharing value ${word}`) as Mount['sharing'];
      return;
    case 'mode':
      draft.mode = number(key, value, 8);
      return;
    case 'uid':
      draft.uid = number(key, value, 10);
      return;
    case 'gid':
      draft.gid = number(key, value, 10);
      return;
    case 'env':
      draft.env = value;
      return;
    default: {
      const near = MEANT[key] ?? suggest(key, KEYS);
      throw new MountError(
        `unexpected key '${key}' in '${field}'`,
        near === undefined ? `known keys are ${KEYS.join(', ')}` : `did you mean ${near}?`,
      );
    }
  }
}

const OWNERSHIP = ['mode', 'uid', 'gid'] as const;

function finish(mount: Draft): Mount {
  const { type, readonly = type !== 'cache' && type !== 'tmpfs' } = mount;
  if (type === 'bind' || type === 'tmpfs') {
    for (const key of OWNERSHIP) {
      if (mount[key] !== undefined) throw new MountError(`${key} not allowed for ${quote(type)} type mounts`);
    }
  }
  if (type === 'secret') {
    if (mount.from !== '') throw new MountError('secret mount should not have a from');
    if (mount.sharing !== undefined) throw new MountError('secret mount should not define sharing');
    if (mount.source === '' && mount.target === '' && mount.id === '') {
      throw new MountError('invalid secret mount. one of source, target required', 'name the secret: id=mysecret');
    }
    if (mount.source !== '' && mount.id !== '') throw new MountError("both source and id can't be set");
  }
  if (mount.sharing !== undefined && type !== 'cache') {
    throw new MountError(`invalid cache sharing set for ${type} mount`, 'sharing goes with type=cache');
  }
  mount.readonly = readonly;
  return mount as Mount;
}

function wrongType(key: string, type: MountType, wanted: string): MountError {
  return new MountError(`unexpected key '${key}' for mount type '${type}'`, `${key} goes with ${wanted}, which must stand before it`);
}

function oneOf(value: string, known: readonly string[], message: (quoted: string) => string): string {
  const word = value.toLowerCase();
  if (known.includes(word)) return word;
  const near = suggest(word, known);
  throw new MountError(message(quote(value)), near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`);
}

function bool(key: string, value: string): boolean {
  const flag = parseGoBool(value);
  if (flag === undefined) throw new MountError(`invalid value for ${key}: ${value}`, `write ${key}=true or ${key}=false`);
  return flag;
}

function number(key: string, value: string, base: 8 | 10): number {
  const digits = base === 8 ? /^[0-7]+$/ : /^\d+$/;
  const read = digits.test(value) ? parseInt(value, base) : Infinity;
  if (read > 0xffffffff) {
    throw new MountError(`invalid value ${value} for ${key}`, base === 8 ? 'write octal digits, such as 0400' : 'write a number');
  }
  return read;
}
