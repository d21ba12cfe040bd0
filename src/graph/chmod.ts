// `--chmod` and `--chown` values.

import type { Owner } from './op-spec.ts';

const CLAUSE = '[augo]*(?:[-+=][rwxXstugo]*)+';
const SYMBOLIC = new RegExp(`^${CLAUSE}(?:,${CLAUSE})*$`);

/** Octal permission bits, or the symbolic form as written (chmod(1) of BSD). `wrong` says why it is neither. */
export function parseChmod(text: string): { readonly mode: number | string } | { readonly wrong: string } {
  if (/^[0-7]+$/.test(text) && parseInt(text, 8) <= 0o7777) return { mode: parseInt(text, 8) };
  if (/^[0-9]/.test(text)) {
    return { wrong: `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777` };
  }
  return SYMBOLIC.test(text) ? { mode: text } : { wrong: `invalid chmod parameter: '${text}'. invalid syntax` };
}

/** `user[:group]`, numbers or names. `input`: whose /etc/passwd and /etc/group names are looked up in (-1: none). */
export function parseOwner(text: string, input: number): Owner {
  const colon = text.indexOf(':');
  const user = ownerPart(colon < 0 ? text : text.slice(0, colon), input);
  return colon < 0 ? { user } : { user, group: ownerPart(text.slice(colon + 1), input) };
}

function ownerPart(text: string, input: number): NonNullable<Owner['user']> {
  if (text === '' || text === 'root') return { id: 0 };
  // -1 is the kernel's "leave the owner as it is": what comes from a context is root's.
  if (text === '-1') return { id: 0 };
  if (/^[+-]?[0-9]+$/.test(text) && Math.abs(Number(text)) <= 0x7fffffff) return { id: Number(text) >>> 0 };
  return { name: text, input };
}
