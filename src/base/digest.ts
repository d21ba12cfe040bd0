// Content addresses. A Digest is made only by hashing bytes or by `parseDigest`, so holding one means it is well formed.

import crypto from 'node:crypto'; // by its default: older Nodes have no `hash` to import by name
import { SlipwayError } from './errors.ts';

/** Content address, `sha256:<hex>` (OCI image spec, descriptor: digests). Made only by hashing or `parseDigest`. */
export type Digest = string & { readonly __brand: 'Digest' };
/** Digest of a layer's uncompressed tar: what `rootfs.diff_ids` lists. */
export type DiffID = Digest & { readonly __kind: 'DiffID' };

const DIGEST = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

/** Whether `text` is a digest of an algorithm that we can verify (sha256, sha512). */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Reads a digest. Throws `DIGEST_INVALID` for anything that `isDigest` refuses. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new SlipwayError('DIGEST_INVALID', `not a sha256 or sha512 digest: ${JSON.stringify(text)}`);
  return text;
}

/** The sha256 digest of bytes, or of a text's UTF-8. */
export function digestOf(content: Uint8Array | string): Digest {
  return `sha256:${sha256Hex(content)}` as Digest;
}

/** Node 20.12 and later hash at once, which costs half of what a hash object does for short texts. */
const sha256Hex: (content: Uint8Array | string) => string =
  'hash' in crypto
    ? (content) => crypto.hash('sha256', content, 'hex')
    : (content) => crypto.createHash('sha256').update(content).digest('hex');

/** The hex part: a file name for the content. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The algorithm part: `sha256` or `sha512`. */
export function digestAlgorithm(digest: Digest): 'sha256' | 'sha512' {
  return digest.slice(0, digest.indexOf(':')) as 'sha256' | 'sha512';
}

/** Wraps 64 hex characters that a hash just produced. */
export function sha256Digest(hex: string): Digest {
  return `sha256:${hex}` as Digest;
}

/** JSON with sorted keys and no undefined members: equal values give equal text on every machine. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
    return `{${fields.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
