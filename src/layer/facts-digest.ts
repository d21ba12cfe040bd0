// Hashes one line of facts for each entry of a layer or a selection. Fields end with NUL, which no path has; xattr values are counted. Lines
// of files and directories are written as bytes: most entries come from columns and never become objects.

import { createHash } from 'node:crypto';
import { type BytePath, type Digest, putBytes, putHex, putNumber, sha256Digest } from '../base/index.ts';
import type { Entry } from './entry.ts';

const SIZE = 1 << 17;
/** A line without its path is not longer. */
const LINE = 256;
const FILE = Buffer.from('file\0');
const DIR = Buffer.from('dir\0');
const SHA256 = Buffer.from('sha256:');

export class FactsDigest {
  readonly #hash = createHash('sha256').update('slipway.content.v1\0');
  readonly #bytes = Buffer.allocUnsafe(SIZE);
  readonly #owners = new Map<string, Buffer>();
  #length = 0;
  /** The owner and mode that were asked for last. */
  #lastOwner: Buffer | undefined;
  #lastMode = 0;
  #lastUid = 0;
  #lastGid = 0;

  add(entry: Entry, path: BytePath, digest: Digest | undefined, opaque: boolean): void {
    const { kind, xattrs } = entry;
    let line = `${kind}\0${path}\0${entry.mode.toString(8)}\0${entry.uid}\0${entry.gid}\0`;
    if (kind === 'file') line += `${entry.size}\0${digest ?? ''}\0`;
    else if (entry.link !== undefined) line += `${entry.link}\0`;
    else if (kind === 'char' || kind === 'block') line += `${entry.devMajor ?? 0}\0${entry.devMinor ?? 0}\0`;
    else if (opaque) line += 'opaque\0';
    if (xattrs !== undefined) {
      for (const name of Object.keys(xattrs).sort()) {
        const value = xattrs[name] ?? '';
        line += `${name}\0${value.length}\0${value}`;
      }
    }
    line += '\n';
    if (this.#length + line.length > SIZE) this.#flush();
    if (line.length > SIZE) this.#hash.update(line, 'latin1');
    else this.#length += this.#bytes.write(line, this.#length, 'latin1');
  }

  /**
   * Adds a plain file without attributes: its path is `prefix` and the bytes of `from` up to `end`, its sha256 stands at `digestAt` of
   * `digests`.
   */
  addFile(
    prefix: Buffer,
    from: Buffer,
    start: number,
    end: number,
    mode: number,
    uid: number,
    gid: number,
    size: number,
    digests: Uint8Array,
    digestAt: number,
  ): void {
    this.#begin(FILE, prefix, from, start, end, mode, uid, gid);
    const bytes = this.#bytes;
    let at = putNumber(bytes, this.#length, size);
    bytes[at++] = 0;
    at = putBytes(bytes, at, SHA256, 0, SHA256.length);
    at = putHex(bytes, at, digests, digestAt);
    bytes[at++] = 0;
    bytes[at++] = NEWLINE;
    this.#length = at;
  }

  /** Adds a directory without attributes that hides nothing. */
  addDirectory(prefix: Buffer, from: Buffer, start: number, end: number, mode: number, uid: number, gid: number): void {
    this.#begin(DIR, prefix, from, start, end, mode, uid, gid);
    this.#bytes[this.#length++] = NEWLINE;
  }

  digest(): Digest {
    this.#flush();
    return sha256Digest(this.#hash.digest('hex'));
  }

  #begin(kind: Buffer, prefix: Buffer, from: Buffer, start: number, end: number, mode: number, uid: number, gid: number): void {
    const need = prefix.length + end - start + LINE;
    if (this.#length + need > SIZE) this.#flush();
    const owner = this.#owner(mode, uid, gid);
    // An archive's paths may be longer than what is gathered.
    if (need > SIZE) {
      for (const part of [kind, prefix, from.subarray(start, end), owner]) this.#hash.update(part);
      return;
    }
    const bytes = this.#bytes;
    let at = putBytes(bytes, this.#length, kind, 0, kind.length);
    at = putBytes(bytes, at, prefix, 0, prefix.length);
    at = putBytes(bytes, at, from, start, end);
    this.#length = putBytes(bytes, at, owner, 0, owner.length);
  }

  /** Few owners and modes are in a tree. */
  #owner(mode: number, uid: number, gid: number): Buffer {
    if (this.#lastOwner !== undefined && this.#lastMode === mode && this.#lastUid === uid && this.#lastGid === gid) return this.#lastOwner;
    const text = `\0${mode.toString(8)}\0${uid}\0${gid}\0`;
    let owner = this.#owners.get(text);
    if (owner === undefined) this.#owners.set(text, (owner = Buffer.from(text, 'latin1')));
    this.#lastMode = mode;
    this.#lastUid = uid;
    this.#lastGid = gid;
    return (this.#lastOwner = owner);
  }

  #flush(): void {
    this.#hash.update(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
  }
}

const NEWLINE = 10;
