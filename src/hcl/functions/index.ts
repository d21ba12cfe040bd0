// The functions that Bake files may call.

import { converted, Misfit } from '../convert.ts';
import { isFault } from '../fault.ts';
import { type HclFunction, Refusal } from '../scope.ts';
import { typeOf } from '../type-expression.ts';
import { bool, string } from '../value.ts';
import { NETWORKS } from './cidr.ts';
import { COLLECTIONS } from './collections.ts';
import { cryptography } from './crypto.ts';
import { dates } from './dates.ts';
import { define, type Table, type World } from './define.ts';
import { ENCODINGS } from './encodings.ts';
import { FORMATS } from './format.ts';
import { NUMBERS } from './numbers.ts';
import { PATTERNS } from './patterns.ts';
import { SETS } from './sets.ts';
import { STRINGS } from './strings.ts';
import { VERSIONS } from './versions.ts';

/** All functions by name. What they need of the world is handed in. */
export function functions(world: World): ReadonlyMap<string, HclFunction> {
  return new Map(
    [
      NUMBERS,
      STRINGS,
      PATTERNS,
      FORMATS,
      COLLECTIONS,
      SETS,
      ENCODINGS,
      NETWORKS,
      VERSIONS,
      SPECIAL,
      dates(world),
      cryptography(world),
      places(world),
    ]
      .flatMap((table) => Object.entries(table))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function places({ homeFolder }: World): Table {
  return { homedir: define({}, () => string(homeFolder())) };
}

const unused = (): never => {
  throw new Error('internal: this function is not called with values');
};

/** No value of the language is a buffer of bytes, so that nothing can be handed to these two. */
const bytes = (): never => {
  throw new Refusal('a buffer of bytes is wanted, which no expression makes', 0);
};

const SPECIAL: Table = {
  byteslen: define({ buf: 'any' }, bytes),
  bytesslice: define({ buf: 'any', offset: 'number', length: 'number' }, bytes),
  can: {
    ...define({ expression: 'any' }, unused),
    special: ([expression], evaluate) => {
      if (expression === undefined) return unused();
      return bool(succeeded(() => evaluate(expression)) !== undefined);
    },
  },
  convert: {
    ...define({ value: 'any', type: 'any' }, unused),
    special: ([value, type], evaluate) => {
      if (value === undefined || type === undefined) return unused();
      const wanted = typeOf(type);
      try {
        return converted(evaluate(value), wanted);
      } catch (error) {
        if (error instanceof Misfit) throw new Refusal(error.describe(), 0);
        throw error;
      }
    },
  },
  try: {
    parameters: [],
    variadic: { name: 'expressions', type: 'any' },
    call: unused,
    special: (expressions, evaluate) => {
      if (expressions.length === 0) throw new Refusal('at least one expression is wanted');
      const mistakes: string[] = [];
      for (const expression of expressions) {
        const value = succeeded(() => evaluate(expression), mistakes);
        if (value !== undefined) return value;
      }
      throw new Refusal(`none of the expressions has a value: ${mistakes.join('; ')}`);
    },
  },
};

function succeeded<T>(work: () => T, mistakes: string[] = []): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isFault(error)) throw error;
    mistakes.push(error.message);
    return undefined;
  }
}
