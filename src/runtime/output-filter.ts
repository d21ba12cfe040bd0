// What a step prints on its way to the log: secrets are blotted out, and floods are clipped as BuildKit clips them.

/** Limits of one stream; -1: none. */
export interface OutputLimits {
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

export const DEFAULT_OUTPUT_LIMITS: OutputLimits = { bytes: 2 << 20, bytesPerSecond: 200 << 10 };

/** Kept of a clipped stream so that a failure still shows its end. */
const TAIL_BYTES = 256 << 10;

/**
 * Passes a stream's bytes on up to a limit. In each second of its life a stream may have used `bytesPerSecond` more; in all, `bytes`.
 * Where it exceeds that, one line says so; of the rest the end is kept for `tail`.
 */
export class OutputClip {
  readonly #limits: OutputLimits;
  readonly #now: () => number;
  readonly #start: number;
  #seen = 0;
  #clipping = false;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  /** `now` in milliseconds. */
  constructor(limits: OutputLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#start = now();
  }

  /** The part of `chunk` to show now, perhaps with the line that says it was clipped; undefined: nothing. */
  pass(chunk: Uint8Array): Uint8Array | undefined {
    const { allowed, limit } = this.#allow(chunk.length);
    if (allowed === chunk.length) {
      this.#clipping = false;
      return chunk;
    }
    this.#keep(chunk.subarray(allowed));
    const shown = chunk.subarray(0, allowed);
    if (this.#clipping) return shown.length === 0 ? undefined : shown;
    this.#clipping = true;
    return Buffer.concat([shown, Buffer.from(`\n[output clipped, log limit ${limit} reached]\n`)]);
  }

  /** The end of what was not shown; undefined when all was. */
  tail(): Uint8Array | undefined {
    return this.#keptBytes === 0 ? undefined : Buffer.concat(this.#kept).subarray(-TAIL_BYTES);
  }

  #allow(length: number): { readonly allowed: number; readonly limit: string } {
    const before = this.#seen;
    this.#seen += length;
    const { bytes, bytesPerSecond } = this.#limits;
    const seconds = Math.max(1, Math.ceil((this.#now() - this.#start) / 1000));
    const bySpeed = bytesPerSecond < 0 ? Infinity : seconds * bytesPerSecond;
    const bySize = bytes < 0 ? Infinity : bytes;
    const limit = bySpeed <= bySize ? `${sizeText(bytesPerSecond)}/s` : sizeText(bytes);
    return { allowed: Math.max(0, Math.min(length, Math.min(bySpeed, bySize) - before)), limit };
  }

  #keep(bytes: Uint8Array): void {
    this.#kept.push(Uint8Array.from(bytes));
    this.#keptBytes += bytes.length;
    while (this.#keptBytes - (this.#kept[0]?.length ?? 0) >= TAIL_BYTES) this.#keptBytes -= this.#kept.shift()?.length ?? 0;
  }
}

function sizeText(bytes: number): string {
  if (bytes >= 1 << 20) return `${+(bytes / (1 << 20)).toFixed(2)}MiB`;
  if (bytes >= 1 << 10) return `${+(bytes / (1 << 10)).toFixed(2)}KiB`;
  return `${bytes}B`;
}

/** Shorter values are too common to be blotted out: they would make any log unreadable. */
const SHORTEST_SECRET = 4;
const BLOT = Buffer.from('****');

/** Replaces secret values in a stream, also where one is cut in two by the chunks. Longer values win over shorter ones inside them. */
export class Redactor {
  readonly #secrets: readonly Buffer[];
  readonly #longest: number;
  #held: Buffer = Buffer.alloc(0);

  constructor(secrets: readonly Uint8Array[]) {
    this.#secrets = secretForms(secrets);
    this.#longest = this.#secrets[0]?.length ?? 0;
  }

  /** What of the stream so far can be shown. Bytes that may be the start of a secret wait for the next chunk. */
  pass(chunk: Uint8Array): Uint8Array {
    if (this.#longest === 0) return chunk;
    return this.#replace(Buffer.concat([this.#held, chunk]), false);
  }

  /** What was still waiting. */
  end(): Uint8Array {
    return this.#replace(this.#held, true);
  }

  #replace(bytes: Buffer, last: boolean): Uint8Array {
    const parts: Buffer[] = [];
    let from = 0;
    for (let found = this.#next(bytes, from); found !== undefined; found = this.#next(bytes, from)) {
      parts.push(bytes.subarray(from, found.at), BLOT);
      from = found.at + found.length;
    }
    const keep = last ? bytes.length : this.#safeEnd(bytes, from);
    parts.push(bytes.subarray(from, keep));
    this.#held = Buffer.from(bytes.subarray(keep));
    return Buffer.concat(parts);
  }

  #next(bytes: Buffer, from: number): { readonly at: number; readonly length: number } | undefined {
    let best: { readonly at: number; readonly length: number } | undefined;
    for (const secret of this.#secrets) {
      const at = bytes.indexOf(secret, from);
      if (at >= 0 && (best === undefined || at < best.at)) best = { at, length: secret.length };
    }
    return best;
  }

  /** Where the earliest suffix that could still become a secret begins. */
  #safeEnd(bytes: Buffer, from: number): number {
    for (let at = Math.max(from, bytes.length - this.#longest + 1); at < bytes.length; at += 1) {
      const rest = bytes.subarray(at);
      if (this.#secrets.some((secret) => secret.length > rest.length && secret.subarray(0, rest.length).equals(rest))) return at;
    }
    return bytes.length;
  }
}

/** Each value as it is, without its final newline, and each line of it: programs print parts of keys. Longest first. */
function secretForms(secrets: readonly Uint8Array[]): readonly Buffer[] {
  const forms = new Map<string, Buffer>();
  for (const secret of secrets) {
    const text = Buffer.from(secret).toString('latin1').trim();
    for (const form of [text, ...text.split(/\r?\n/)]) {
      if (form.trim().length >= SHORTEST_SECRET) forms.set(form, Buffer.from(form, 'latin1'));
    }
  }
  return [...forms.values()].sort((a, b) => b.length - a.length);
}
