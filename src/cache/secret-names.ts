// Names whose values are not for everyone to read.

import { digestOf, hideLogins, isDigest } from '../base/index.ts';
import type { KeyField } from '../solver/index.ts';

/** Parts of names as BuildKit's check `SecretsUsedInArgOrEnv` knows them, and a few more. */
const SECRET = /(^|[^a-z])(apikey|auth|credentials?|git_?token|key|passwd|password|pword|private|pwd|secrets?|token)s?([^a-z]|$)/i;
const PUBLIC = /(^|[^a-z])public([^a-z]|$)/i;

/** Whether a variable of this name looks as if it held a secret. */
export function isSecretName(name: string): boolean {
  return SECRET.test(name) && !PUBLIC.test(name);
}

/** A field with its value safe to keep: a digest where the name looks secret, or where there is an address with a login. */
export function safeField({ name, value }: KeyField): { readonly name: string; readonly value: string } {
  const [kind, object] = splitFieldName(name);
  const secret = (kind === 'arg' || kind === 'env') && (isSecretName(object) || hideLogins(value) !== value);
  return { name, value: secret && !isDigest(value) ? digestOf(value) : value };
}

/** `arg FOO` → kind and object; the object is empty for `command` and its like. */
export function splitFieldName(name: string): readonly [kind: string, object: string] {
  const space = name.indexOf(' ');
  return space < 0 ? [name, ''] : [name.slice(0, space), name.slice(space + 1)];
}
