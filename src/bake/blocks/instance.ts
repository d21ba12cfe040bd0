// A block as a target or group: one of each for every combination of a matrix. Its attributes are evaluated when they are read.

import { type Expression, NULL, object, string, type Value } from '../../hcl/index.ts';
import { mistake } from '../mistake.ts';
import { decodeAttribute, type Decoded, unsetAttribute } from './attributes.ts';
import type { NamedBlock } from './read-blocks.ts';

export type Evaluate = (expression: Expression, locals: ReadonlyMap<string, Value>) => Value;

export class Instance {
  readonly name: string;
  readonly block: NamedBlock;
  readonly #kind: string;
  readonly #names: readonly string[];
  readonly #locals: ReadonlyMap<string, Value>;
  readonly #evaluate: Evaluate;
  readonly #decoded = new Map<string, Decoded | 'open' | Error>();

  /** `names`: attributes that there are. */
  constructor(
    name: string,
    block: NamedBlock,
    kind: string,
    names: readonly string[],
    locals: ReadonlyMap<string, Value>,
    evaluate: Evaluate,
  ) {
    this.name = name;
    this.block = block;
    this.#kind = kind;
    this.#names = names;
    this.#locals = locals;
    this.#evaluate = evaluate;
  }

  /** An attribute; undefined: the block does not say it. */
  attribute(name: string): Decoded | undefined {
    const attribute = this.block.attributes.get(name);
    if (attribute === undefined || !this.#names.includes(name)) return undefined;
    const known = this.#decoded.get(name);
    if (known === 'open') {
      const place = `${this.#kind}.${this.name}.${name}`;
      throw mistake(`reference cycle not allowed for ${place}`, { hint: 'take one of the references out', location: attribute.location });
    }
    if (known instanceof Error) throw known;
    if (known !== undefined) return known;
    this.#decoded.set(name, 'open');
    try {
      const { expression } = attribute;
      const decoded = decodeAttribute(name, this.#evaluate(expression, this.#locals), expression.location);
      this.#decoded.set(name, decoded);
      return decoded;
    } catch (error) {
      this.#decoded.set(name, error as Error); // whoever reads it fails for the same reason
      throw error;
    }
  }

  /** What is read by `target.NAME.attribute`: an object with that attribute, or one whose names tell what there is. */
  part(attribute: string): Value {
    if (attribute === 'name') return object([['name', string(this.name)]]);
    if (!this.#names.includes(attribute)) return object(['name', ...this.#names].map((name) => [name, NULL]));
    return object([[attribute, this.attribute(attribute)?.value ?? unsetAttribute(attribute)]]);
  }

  whole(): Value {
    return object([
      ['name', string(this.name)],
      ...this.#names.map((name): [string, Value] => [name, this.attribute(name)?.value ?? unsetAttribute(name)]),
    ]);
  }

  /** All that the block says. What is wrong in several attributes is told by `failed`, each once. */
  definition(failed: (error: unknown) => void): Readonly<Record<string, unknown>> {
    let definition: Record<string, unknown> = { name: this.name, location: this.block.location };
    for (const name of this.block.attributes.keys()) {
      try {
        definition = { ...definition, ...this.attribute(name)?.set };
      } catch (error) {
        failed(error);
      }
    }
    return definition;
  }
}
