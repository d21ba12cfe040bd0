// Whether a version meets a constraint: `>= 1.2, < 2`, `~1.4`, `^0.3`, `1.x || 2.x`, `1.2 - 1.5`.

import { Refusal } from '../scope.ts';
import { bool, textOf } from '../value.ts';
import { define, type Table } from './define.ts';

interface Version {
  readonly parts: readonly [major: bigint, minor: bigint, patch: bigint];
  /** What stands behind `-`. */
  readonly pre: string;
}

/** `known`: how many of the three parts are written; `1.x` has one. */
interface Constraint {
  readonly operator: string;
  readonly version: Version;
  readonly known: number;
}

const TAIL = String.raw`(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?`;
const VERSION = new RegExp(String.raw`^v?(\d{1,19})(?:\.(\d{1,19}))?(?:\.(\d{1,19}))?${TAIL}$`);
const PART = String.raw`(\d+|[xX*])`;
const LOOSE = String.raw`v?${PART}(?:\.${PART})?(?:\.${PART})?${TAIL}`;
const CONSTRAINT = new RegExp(String.raw`(!=|>=|=>|<=|=<|~>|=|>|<|~|\^)?\s*${LOOSE}(?![^\s,])`, 'y');
const RANGE = new RegExp(String.raw`${LOOSE.replaceAll('(', '(?:').replaceAll('(?:?:', '(?:')}`, 'g').source;

export const VERSIONS: Table = {
  semvercmp: define({ version: 'string', contraint: 'string' }, ({ version, contraint }) => {
    const found = versionOf(textOf(version));
    if (found === undefined) throw new Refusal(`${JSON.stringify(textOf(version))} is no version like 1.2.3`, 0);
    return bool(alternatives(textOf(contraint)).some((all) => meetsAll(found, all)));
  }),
};

function versionOf(text: string): Version | undefined {
  const [whole, major = '0', minor = '0', patch = '0', pre = ''] = VERSION.exec(text) ?? [];
  if (whole === undefined || !soundPre(pre)) return undefined;
  return { parts: [BigInt(major), BigInt(minor), BigInt(patch)], pre };
}

/** A number in what stands behind `-` has no zero in front. */
function soundPre(pre: string): boolean {
  return !pre.split('.').some((part) => /^0\d+$/.test(part));
}

/** Of each alternative, everything that has to hold. */
function alternatives(text: string): readonly (readonly Constraint[])[] {
  const ranges = new RegExp(`(${RANGE})\\s+-\\s+(${RANGE})`, 'g');
  return text
    .replace(ranges, '>= $1, <= $2 ')
    .split('||')
    .map((one) => constraints(one, text));
}

function constraints(text: string, whole: string): readonly Constraint[] {
  const found: Constraint[] = [];
  const body = text.trim();
  for (CONSTRAINT.lastIndex = 0; CONSTRAINT.lastIndex < body.length || found.length === 0;) {
    const match = CONSTRAINT.exec(body);
    const constraint = match === null ? undefined : constraintOf(match);
    if (constraint === undefined) throw new Refusal(`${JSON.stringify(whole)} is no constraint like ">= 1.2, < 2"`, 1);
    found.push(constraint);
    const gap = /\s*,\s*|\s+|$/y;
    gap.lastIndex = CONSTRAINT.lastIndex;
    gap.exec(body);
    CONSTRAINT.lastIndex = gap.lastIndex;
  }
  return found;
}

function constraintOf([, operator = '', ...written]: RegExpExecArray): Constraint | undefined {
  const parts = written.slice(0, 3);
  const free = parts.findIndex((part) => part === undefined || /^[xX*]$/.test(part));
  const known = free < 0 ? 3 : free;
  const numbers = [0, 1, 2].map((at) => (at < known ? BigInt(parts[at] ?? '0') : 0n));
  const pre = written[3] ?? '';
  return soundPre(pre) ? { operator, version: { parts: numbers as [bigint, bigint, bigint], pre }, known } : undefined;
}

/** A version with something behind `-` is meant only where a constraint has such a thing too. */
function meetsAll(version: Version, all: readonly Constraint[]): boolean {
  const withPre = all.some((one) => one.version.pre !== '');
  return all.every((one) => (version.pre === '' || withPre) && meets(version, one));
}

function meets(version: Version, constraint: Constraint): boolean {
  const order = compare(version, constraint.version);
  const { known } = constraint;
  switch (constraint.operator) {
    case '!=':
      return known === 3 || known === 0 ? order !== 0 : differs(version, constraint);
    case '>':
      return known === 3 || known === 0 ? order > 0 : comparePartly(version, constraint, known) > 0;
    case '<':
      return order < 0;
    case '>=':
    case '=>':
      return order >= 0;
    case '<=':
    case '=<':
      return known === 3 ? order <= 0 : comparePartly(version, constraint, known === 1 ? 1 : 2) <= 0;
    case '^':
      return order >= 0 && sameParts(version, constraint, caretParts(constraint));
    case '~':
    case '~>':
      return tilde(version, constraint, order);
    default:
      return known === 3 ? order === 0 : tilde(version, constraint, order);
  }
}

function differs(version: Version, constraint: Constraint): boolean {
  if (!sameParts(version, constraint, constraint.known)) return true;
  const either = version.pre !== '' || constraint.version.pre !== '';
  return constraint.known === 2 && either && version.pre !== constraint.version.pre;
}

/** By so many parts. */
function comparePartly(version: Version, { version: other }: Constraint, count: number): number {
  for (let at = 0; at < count; at += 1) {
    const difference = (version.parts[at] ?? 0n) - (other.parts[at] ?? 0n);
    if (difference !== 0n) return difference < 0n ? -1 : 1;
  }
  return 0;
}

/** The last part that is written may grow: the minor version at most. All versions meet `*`. */
function tilde(version: Version, constraint: Constraint, order: number): boolean {
  if (order < 0) return false;
  const { known } = constraint;
  if ((known === 0 || known === 3) && constraint.version.parts.every((part) => part === 0n)) return true;
  return sameParts(version, constraint, known === 1 ? 1 : 2);
}

/** What may not change: everything up to the first part that is not zero. */
function caretParts({ version, known }: Constraint): number {
  const [major, minor] = version.parts;
  if (major > 0n || known === 1) return 1;
  return minor > 0n || known === 2 ? 2 : 3;
}

function sameParts(version: Version, { version: other }: Constraint, count: number): boolean {
  return version.parts.slice(0, count).every((part, at) => part === other.parts[at]);
}

function compare(a: Version, b: Version): number {
  for (const at of [0, 1, 2] as const) if (a.parts[at] !== b.parts[at]) return a.parts[at] < b.parts[at] ? -1 : 1;
  if (a.pre === b.pre) return 0;
  if (a.pre === '' || b.pre === '') return a.pre === '' ? 1 : -1;
  return comparePre(a.pre.split('.'), b.pre.split('.'));
}

/** Numbers by size and before words, words by letters, fewer before more. */
function comparePre(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const [x, y] = [a[at], b[at]];
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    if (x === y) continue;
    const [isX, isY] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (isX && isY) return BigInt(x) < BigInt(y) ? -1 : 1;
    if (isX !== isY) return isX ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}
