// Looks for secrets in what a step left behind: one that is in a layer is public.

import { type BytePath, fromBytePath, SlipwayError } from '../base/index.ts';
import type { Entry } from './entry.ts';
import { readFully } from './sha256.ts';

/** Bytes from which on a secret is looked for: shorter ones stand in files by chance. */
const SHORTEST_SECRET = 8;
/** Shorter texts cannot hold one. */
const SHORTEST_INSIDE = 6;
const PIECE = 1 << 18;

/** Values to look for. Whitespace around a value does not count: `$(cat secret)` loses it. */
export class SecretSearch {
  readonly #secrets: readonly Buffer[];
  readonly #longest: number;

  constructor(secrets: readonly Uint8Array[]) {
    const trimmed = secrets.map((secret) => Buffer.from(Buffer.from(secret).toString('latin1').trim(), 'latin1'));
    this.#secrets = trimmed.filter((secret) => secret.length >= SHORTEST_SECRET);
    this.#longest = Math.max(0, ...this.#secrets.map(({ length }) => length));
  }

  get isEmpty(): boolean {
    return this.#secrets.length === 0;
  }

  /** Throws SECRET_IN_LAYER when the path, a link target or an attribute holds a secret. */
  checkEntry(entry: Entry): void {
    const texts = [entry.path, entry.link ?? '', ...Object.values(entry.xattrs ?? {})];
    if (texts.some((text) => text.length >= SHORTEST_INSIDE && this.#isIn(Buffer.from(text, 'latin1')))) throw this.#found(entry.path);
  }

  /** Throws SECRET_IN_LAYER when an open file holds one. */
  checkFile(fd: number, size: number, path: BytePath): void {
    const buffer = Buffer.allocUnsafe(Math.min(size, PIECE + this.#longest));
    // Pieces overlap by the longest secret, so that none hides on a border.
    for (let at = 0; at < size; at += PIECE) {
      const length = readFully(fd, buffer, 0, Math.min(buffer.length, size - at), at);
      const piece = buffer.subarray(0, length);
      if (this.#isIn(piece) || (length === size && this.#isAll(piece))) throw this.#found(path);
    }
  }

  /** The place is named, but not by the secret itself. */
  #found(path: BytePath): SlipwayError {
    const hidden = this.#secrets.reduce((text, secret) => text.replaceAll(secret.toString('latin1'), '****'), path);
    const place = `/${fromBytePath(hidden)}`;
    return new SlipwayError('SECRET_IN_LAYER', `the step wrote a secret into ${place}`, {
      hint: 'whoever has the image could read it: use the secret where it is mounted, and do not copy it',
      facts: { path: place },
    });
  }

  #isIn(bytes: Buffer): boolean {
    return this.#secrets.some((secret) => secret.length >= SHORTEST_INSIDE && bytes.includes(secret));
  }

  #isAll(bytes: Buffer): boolean {
    if (bytes.length > this.#longest + 16) return false;
    const text = bytes.toString('latin1').trim();
    return this.#secrets.some((secret) => secret.length >= 3 && secret.toString('latin1') === text);
  }
}
