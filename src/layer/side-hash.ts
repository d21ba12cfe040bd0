// sha256 of a long stream beside other work on it: in a thread of Node's pool, by the OpenSSL that is part of Node.

import { createHash, type Hash } from 'node:crypto';
import { type AsyncForeignFunction, type ForeignFunction, openProcess } from '../sys/index.ts';

/** Takes the bytes of a stream in order. */
export interface SideHash {
  /** The bytes must stay as they are: they may be looked at only later. */
  update(bytes: Uint8Array): void;
  /** Waits while too much is to be looked at. */
  room(): Promise<void>;
  /** sha256 in hex, once. */
  digest(): Promise<string>;
}

/** SHA256_CTX (openssl/sha.h) has 112 bytes. */
const CONTEXT_BYTES = 256;
const DIGEST_BYTES = 32;
/** Handing over costs as much as hashing so many bytes. */
const SMALL = 1 << 16;
/** So many bytes may wait. */
const MAX_BEHIND = 8 << 20;

interface Sha256 {
  readonly init: ForeignFunction;
  readonly update: ForeignFunction;
  readonly updateAside: AsyncForeignFunction;
  readonly final: ForeignFunction;
}

let found: Sha256 | 'none' | undefined;

/** sha256 beside this thread's work; in it, where this Node does not show its OpenSSL. */
export function openSideHash(): SideHash {
  found ??= findSha256() ?? 'none';
  return found === 'none' ? new InlineHash() : new PoolHash(found);
}

function findSha256(): Sha256 | undefined {
  try {
    const own = openProcess();
    const update = 'int SHA256_Update(void *context, const void *bytes, size_t length)';
    return {
      init: own.func('int SHA256_Init(void *context)'),
      update: own.func(update),
      updateAside: own.asyncFunc(update),
      final: own.func('int SHA256_Final(void *digest, void *context)'),
    };
  } catch {
    return undefined;
  }
}

class PoolHash implements SideHash {
  readonly #sha256: Sha256;
  readonly #context = Buffer.alloc(CONTEXT_BYTES);
  /** Referred to until the other thread is done with them. */
  readonly #waiting: Uint8Array[] = [];
  #behind = 0;
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
    sha256.init(this.#context);
  }

  update(bytes: Uint8Array): void {
    if (bytes.length <= SMALL && this.#behind === 0) return void this.#sha256.update(this.#context, bytes, bytes.length);
    this.#waiting.push(bytes);
    this.#behind += bytes.length;
    this.#running ??= this.#run();
  }

  async room(): Promise<void> {
    while (this.#behind > MAX_BEHIND) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  async digest(): Promise<string> {
    await this.#running;
    const digest = Buffer.alloc(DIGEST_BYTES);
    this.#sha256.final(digest, this.#context);
    return digest.toString('hex');
  }

  async #run(): Promise<void> {
    for (let bytes = this.#waiting[0]; bytes !== undefined; bytes = this.#waiting[0]) {
      await this.#sha256.updateAside(this.#context, bytes, bytes.length);
      this.#waiting.shift();
      this.#behind -= bytes.length;
      this.#wake?.();
    }
    this.#running = undefined;
  }
}

/** The same in this thread. */
export class InlineHash implements SideHash {
  readonly #hash: Hash = createHash('sha256');

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  room(): Promise<void> {
    return Promise.resolve();
  }

  digest(): Promise<string> {
    return Promise.resolve(this.#hash.digest('hex'));
  }
}
