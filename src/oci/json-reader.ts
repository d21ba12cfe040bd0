// Reads untrusted JSON field by field: every value is checked where it is taken out, and an error names its path.

import { type Digest, isDigest, SlipwayError } from '../base/index.ts';

/** One value of a document and the way to it (`config.Env[2]`). */
export class JsonReader {
  readonly #value: unknown;
  readonly #path: string;
  readonly #what: string;

  private constructor(value: unknown, path: string, what: string) {
    this.#value = value;
    this.#path = path;
    this.#what = what;
  }

  /** Parses bytes of at most `limit`. `what` names the document in errors (`image config`). */
  static parse(bytes: Uint8Array, what: string, limit: number): JsonReader {
    if (bytes.length > limit) {
      throw new SlipwayError('OCI_DOCUMENT_TOO_LARGE', `${what} has ${bytes.length} bytes, more than the ${limit} that are read`);
    }
    try {
      return new JsonReader(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)), '', what);
    } catch (cause) {
      throw new SlipwayError('OCI_DOCUMENT_INVALID', `${what} is not JSON: ${(cause as Error).message}`, { cause });
    }
  }

  /** Whether there is a value; JSON's null counts as none, as Go's encoders write it for empty fields. */
  get present(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  /** A member of an object; absent members can be asked further. */
  field(name: string): JsonReader {
    const value = this.present && Object.hasOwn(this.#object(), name) ? this.#object()[name] : undefined;
    return new JsonReader(value, this.#path === '' ? name : `${this.#path}.${name}`, this.#what);
  }

  /** Whether an object has the member, be it null. */
  has(name: string): boolean {
    return this.present && Object.hasOwn(this.#object(), name);
  }

  items(): readonly JsonReader[] {
    if (!this.present) return [];
    if (!Array.isArray(this.#value)) throw this.invalid('a list');
    return this.#value.map((item, index) => new JsonReader(item, `${this.#path}[${index}]`, this.#what));
  }

  members(): readonly (readonly [string, JsonReader])[] {
    if (!this.present) return [];
    return Object.keys(this.#object()).map((name) => [name, this.field(name)] as const);
  }

  string(): string {
    if (typeof this.#value !== 'string') throw this.invalid('a text');
    return this.#value;
  }

  /** The text, or undefined when absent or empty. */
  optionalString(): string | undefined {
    return this.present && this.#value !== '' ? this.string() : undefined;
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') throw this.invalid('true or false');
    return this.#value;
  }

  integer(): number {
    if (typeof this.#value !== 'number' || !Number.isSafeInteger(this.#value)) throw this.invalid('a whole number');
    return this.#value;
  }

  digest(): Digest {
    const text = this.string();
    if (!isDigest(text)) throw this.invalid('a sha256 or sha512 digest');
    return text;
  }

  strings(): readonly string[] {
    return this.items().map((item) => item.string());
  }

  /** A map of texts; null values are empty texts, as in Go. */
  stringMap(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.members().map(([name, value]) => [name, value.present ? value.string() : '']));
  }

  /** A set written as an object of empty objects. */
  keySet(): Readonly<Record<string, object>> {
    return Object.fromEntries(this.members().map(([name]) => [name, {}]));
  }

  /** The failure of this value not being `expected`. */
  invalid(expected: string): SlipwayError {
    const where = this.#path === '' ? this.#what : `${this.#what}: ${this.#path}`;
    return new SlipwayError('OCI_DOCUMENT_INVALID', `${where} should be ${expected}, but is ${show(this.#value)}`, {
      facts: { path: this.#path },
    });
  }

  #object(): Readonly<Record<string, unknown>> {
    if (typeof this.#value !== 'object' || this.#value === null || Array.isArray(this.#value)) throw this.invalid('an object');
    return this.#value as Readonly<Record<string, unknown>>;
  }
}

/** Never what is inside: it may be nested deeper than a stack. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** `{ name: value }`, or nothing when the value is undefined: for building objects with exact optional members. */
export function optional<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [P in K]?: V };
}
