// Secrets and SSH agents of one build, looked up when a step asks.

import { readFileSync } from 'node:fs';
import { SlipwayError } from '../base/index.ts';
import type { SecretInput } from './options.ts';

/** BuildKit's limit, bytes. */
const LIMIT = 500 * 1024;

/** Values by id; the last of equal ids counts. */
export class Secrets {
  readonly #inputs: ReadonlyMap<string, SecretInput>;
  readonly #more: ((id: string) => Promise<Uint8Array | undefined>) | undefined;

  /** `more` is asked for ids that `inputs` lack: a client's session. */
  constructor(inputs: readonly SecretInput[], more?: (id: string) => Promise<Uint8Array | undefined>) {
    this.#inputs = new Map(inputs.map((input) => [input.id, input]));
    this.#more = more;
  }

  /** The value, or undefined when the build was given none. Throws `SECRET_NOT_FOUND` for a file that is gone, `SECRET_TOO_BIG`. */
  async get(id: string): Promise<Uint8Array | undefined> {
    const input = this.#inputs.get(id);
    if (input === undefined) return await this.#more?.(id);
    const value = read(input);
    if (value !== undefined && value.length > LIMIT) throw new SlipwayError('SECRET_TOO_BIG', `secret ${id} is larger than 500 KiB`);
    return value;
  }
}

function read(input: SecretInput): Uint8Array | undefined {
  switch (input.kind) {
    case 'value':
      return input.value;
    case 'env':
      return input.value === undefined ? undefined : Buffer.from(input.value);
    case 'file':
      try {
        return readFileSync(input.path);
      } catch (cause) {
        throw new SlipwayError('SECRET_NOT_FOUND', `cannot read the file of secret ${input.id}: ${(cause as Error).message}`, {
          cause,
          hint: 'give it by --secret id=NAME,src=FILE or id=NAME,env=VARIABLE',
        });
      }
  }
}
