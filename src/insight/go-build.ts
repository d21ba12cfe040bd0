// What a Go program says about itself (debug/buildinfo): the toolchain, its modules, its settings.

import { offsetOf } from './byte-search.ts';
import type { RangeReader } from './tree-files.ts';

/** A module that was linked in. */
export interface GoModule {
  readonly path: string;
  readonly version: string;
  /** `h1:…` */
  readonly sum?: string;
}

/** Build information of a Go program. */
export interface GoBuild {
  /** `go1.22.1`. */
  readonly goVersion: string;
  /** Package path of the program. */
  readonly path?: string;
  readonly main?: GoModule;
  readonly dependencies: readonly GoModule[];
  readonly settings: Readonly<Record<string, string>>;
}

const MAGIC = Buffer.from('\xff Go buildinf:', 'latin1');
const MAX_TEXT = 16 << 20;
const FRAME = 16;

/** Reads it; undefined: no Go program, or one of before Go 1.18 (which has only pointers there). */
export function readGoBuild(read: RangeReader, size: number): GoBuild | undefined {
  const at = offsetOf(read, size, MAGIC);
  if (at < 0) return undefined;
  const head = read(at, 32);
  if (head.length < 32 || ((head[15] as number) & 2) === 0) return undefined;
  const version = readString(read, at + 32);
  if (version === undefined) return undefined;
  const modules = readString(read, version.end);
  const text =
    modules === undefined || modules.data.length < 2 * FRAME + 1 ? '' : modules.data.toString('utf8', FRAME, modules.data.length - FRAME);
  return { goVersion: version.data.toString('utf8'), ...readModules(text) };
}

function readModules(text: string): Omit<GoBuild, 'goVersion'> {
  const settings: Record<string, string> = {};
  const dependencies: GoModule[] = [];
  let path: string | undefined;
  let main: GoModule | undefined;
  for (const line of text.split('\n')) {
    const [kind, ...fields] = line.split('\t') as [string, ...string[]];
    if (kind === 'path') path = fields[0];
    else if (kind === 'mod') main = moduleOf(fields);
    else if (kind === 'dep') dependencies.push(moduleOf(fields));
    else if (kind === '=>') dependencies.splice(-1, 1, moduleOf(fields));
    else if (kind === 'build' && fields[0] !== undefined) {
      const equals = fields[0].indexOf('=');
      if (equals > 0) Object.defineProperty(settings, fields[0].slice(0, equals), { value: fields[0].slice(equals + 1), enumerable: true });
    }
  }
  return { ...(path === undefined ? {} : { path }), ...(main === undefined ? {} : { main }), dependencies, settings };
}

function moduleOf([path = '', version = '', sum]: readonly string[]): GoModule {
  return { path, version, ...(sum === undefined || sum === '' ? {} : { sum }) };
}

/** A length in LEB128 and so many bytes. */
function readString(read: RangeReader, at: number): { readonly data: Buffer; readonly end: number } | undefined {
  const head = read(at, 10);
  let length = 0;
  for (let index = 0; index < Math.min(head.length, 5); index += 1) {
    const byte = head[index] as number;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte >= 0x80) continue;
    if (length > MAX_TEXT) return undefined;
    const start = at + index + 1;
    const data = read(start, length);
    return data.length === length ? { data, end: start + length } : undefined;
  }
  return undefined;
}
