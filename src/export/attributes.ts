// Reads the attributes of an output one by one, and knows which were not asked for.

import { SlipwayError, suggest } from '../base/index.ts';

/** The attributes of one output. */
export class Attributes {
  readonly #type: string;
  readonly #values: Readonly<Record<string, string>>;
  readonly #known = new Set<string>();

  constructor(type: string, values: Readonly<Record<string, string>>) {
    this.#type = type;
    this.#values = values;
  }

  text(name: string): string | undefined {
    this.#known.add(name);
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  /** True and false as Go's strconv.ParseBool reads them; an attribute without value is true, unless BuildKit wants to be told. */
  flag(name: string, empty: 'true' | 'refused' = 'true'): boolean | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (text === '' && empty === 'true') return true;
    if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
    if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
    throw new SlipwayError('OUTPUT_INVALID', `non-bool value specified for ${name}: ${JSON.stringify(text)}`, {
      hint: `write ${name}=true or ${name}=false`,
    });
  }

  integer(name: string, empty: 'absent' | 'refused' = 'absent'): number | undefined {
    const text = this.text(name);
    if (text === undefined || (text === '' && empty === 'absent')) return undefined;
    if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
    throw new SlipwayError('OUTPUT_INVALID', `non-integer value ${JSON.stringify(text)} specified for ${name}`);
  }

  one<T extends string>(name: string, values: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = values.find((value) => value === text);
    if (found !== undefined) return found;
    const near = suggest(text, values);
    throw new SlipwayError('OUTPUT_INVALID', `unsupported ${name} ${JSON.stringify(text)}`, {
      hint: near === undefined ? `there are ${values.join(', ')}` : `did you mean ${near}?`,
    });
  }

  /** Names and values for which nobody asked so far, taken as read. */
  matching<T>(read: (name: string, value: string) => T | undefined): readonly T[] {
    return Object.entries(this.#values).flatMap(([name, value]) => {
      const found = read(name, value);
      if (found === undefined) return [];
      this.#known.add(name);
      return [found];
    });
  }

  /** One sentence for each attribute that means nothing here. BuildKit is silent about them, so they do not fail a build. */
  unknown(): readonly string[] {
    return Object.keys(this.#values)
      .filter((name) => !this.#known.has(name))
      .map((name) => {
        const near = suggest(name, this.#known);
        return `output type=${this.#type} has no attribute ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${near}?`}`;
      });
  }
}
