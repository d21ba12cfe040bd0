// Whether options have the shapes that their types promise. Programs in plain JavaScript, and those that read options from a file, have
// no compiler that says it, and what is ignored in silence costs more than what is refused.

import { SlipwayError } from './errors.ts';
import { suggest } from './suggest.ts';

/** What a value must be, in words, and whether it is that. */
export interface Shape {
  readonly is: string;
  readonly fits: (value: unknown) => boolean;
  /** What its own fields must be: there are no others. */
  readonly inside?: Shapes;
  /** The same of each of its values, which have names that are not ours. */
  readonly each?: Shapes;
}

/** Shapes of an object's fields. */
export type Shapes = Readonly<Record<string, Shape>>;

/** An object, as far as that is known. */
type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === 'string';
/** Not `instanceof`: a signal may come from another realm. */
const isSignal = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'aborted' in value && 'throwIfAborted' in value;
const isAbsentOrText = (value: unknown): boolean => value === undefined || isText(value);
const hasTexts = (value: unknown): boolean => isFields(value) && Object.values(value).every(isAbsentOrText);

/** Shapes that many options have. */
export const SHAPES = {
  text: { is: 'a string', fits: isText },
  /** An empty one would be the root of all files, or the current folder. */
  path: { is: 'a path', fits: (value) => isText(value) && value !== '' },
  number: { is: 'a number', fits: (value) => typeof value === 'number' && !Number.isNaN(value) },
  flag: { is: 'true or false', fits: (value) => typeof value === 'boolean' },
  call: { is: 'a function', fits: (value) => typeof value === 'function' },
  fields: { is: 'an object', fits: isFields },
  textByName: { is: 'an object of strings', fits: hasTexts },
  texts: { is: 'an array of strings', fits: (value) => Array.isArray(value) && value.every(isText) },
  signal: { is: 'an AbortSignal', fits: isSignal },
} as const satisfies Shapes;

/** An array of objects that have these fields. */
export function listShape(is: string, fields: Readonly<Record<string, (value: unknown) => boolean>>): Shape {
  const fits = (value: unknown): boolean => isFields(value) && Object.entries(fields).every(([name, good]) => good(value[name]));
  return { is: `an array of ${is}`, fits: (value) => Array.isArray(value) && value.every(fits) };
}

/** An object whose `kind` decides which strings it has. */
export function oneOfShape(kinds: Readonly<Record<string, readonly string[]>>): Shape {
  const words = Object.entries(kinds).map(([kind, names]) => `{ ${[`kind: '${kind}'`, ...names].join(', ')} }`);
  return {
    is: words.join(' or '),
    fits: (value) =>
      isFields(value) &&
      typeof value['kind'] === 'string' &&
      Object.hasOwn(kinds, value['kind']) &&
      (kinds[value['kind']] ?? []).every((name) => isText(value[name])),
  };
}

/** One of a few words. */
export function wordShape(...words: readonly string[]): Shape {
  const quoted = words.map((word) => `'${word}'`);
  return { is: [...quoted.slice(0, -2), quoted.slice(-2).join(' or ')].join(', '), fits: (value) => words.some((word) => word === value) };
}

/** An object with these fields and no others, each of which may be absent. */
export function fieldsShape<T>(inside: Readonly<Record<keyof T, Shape>>): Shape {
  return { ...SHAPES.fields, inside };
}

/** Objects with these fields, by names that are not ours. */
export function byNameShape<T>(is: string, each: Readonly<Record<keyof T, Shape>>): Shape {
  return { is, fits: (value) => isFields(value) && Object.values(value).every(isFields), each };
}

/**
 * Throws `OPTION_INVALID` for the first option that there is none of, or that is something else than its type says. Undefined is absent.
 * `before`: where they are, `settings.`.
 */
export function checkFields(given: Fields, shapes: Shapes, before: string): void {
  for (const [name, value] of Object.entries(given)) {
    const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
    if (shape === undefined) {
      const near = suggest(name, Object.keys(shapes));
      throw wrongOption(`there is no option ${before}${name}`, near === undefined ? undefined : `did you mean ${before}${near}?`);
    }
    if (value === undefined) continue;
    if (!shape.fits(value)) throw wrongOption(`the option ${before}${name} must be ${shape.is}, not ${said(value)}`);
    if (shape.inside !== undefined) checkFields(value as Fields, shape.inside, `${before}${name}.`);
    const { each } = shape;
    if (each !== undefined)
      for (const [key, one] of Object.entries(value as Fields)) checkFields(one as Fields, each, `${before}${name}.${key}.`);
  }
}

/** What kind of value it is: what it says may be a secret. */
export function said(value: unknown): string {
  if (Array.isArray(value)) return value.every(isText) ? 'an array of strings' : `an array with ${said(value.find((one) => !isText(one)))}`;
  if (isFields(value)) return `an object with ${Object.keys(value).join(', ') || 'nothing'}`;
  if (value === '') return 'an empty string';
  return value === null || value === undefined || Number.isNaN(value) ? String(value) : `a ${typeof value}`;
}

/** A mistake in a call of the library. */
export function wrongOption(message: string, hint?: string): SlipwayError {
  return new SlipwayError('OPTION_INVALID', message, hint === undefined ? {} : { hint });
}
