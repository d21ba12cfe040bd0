// Steps into a value: `value.name`, `value[key]`.

import { type SourceLocation, suggest } from '../base/index.ts';
import { converted, Misfit } from './convert.ts';
import { didYouMean, fault } from './fault.ts';
import type { StepNode } from './node.ts';
import { kindOf, typeName } from './type.ts';
import { elementsOf, entriesOf, numberOf, textOf, type Type, type Value } from './value.ts';

export function takeStep(value: Value, step: StepNode): Value {
  return step.kind === 'attribute' ? attributeOf(value, step.name, step.location) : elementAt(value, step.key, step.location);
}

/** `value.name`. */
function attributeOf(value: Value, name: string, at: SourceLocation): Value {
  if (value.value === null) throw fault(`this value is null: it has no attribute ${JSON.stringify(name)}`, at);
  const kind = kindOf(value.type);
  if (kind === 'object' || kind === 'map') {
    const found = entriesOf(value).get(name);
    if (found !== undefined) return found;
    throw fault(`there is no attribute ${JSON.stringify(name)}${didYouMean(suggest(name, entriesOf(value).keys()))}`, at, known(value));
  }
  const each = kind === 'list' || kind === 'set' || kind === 'tuple';
  throw fault(
    `${typeName(value.type)} has no attribute ${JSON.stringify(name)}`,
    at,
    each ? `for the attribute of each element, write [*].${name}; for that of one, [0].${name}` : undefined,
  );
}

/** `value[key]`. */
export function elementAt(value: Value, key: Value, at: SourceLocation): Value {
  if (value.value === null) throw fault('this value is null: it has no elements', at);
  if (key.value === null) throw fault('null is no key', at);
  const kind = kindOf(value.type);
  if (kind === 'list' || kind === 'tuple') return elementByIndex(value, numberOf(keyAs(key, 'number', at)).toNumber(), at);
  if (kind === 'map' || kind === 'object') {
    const name = textOf(keyAs(key, 'string', at));
    const found = entriesOf(value).get(name);
    if (found !== undefined) return found;
    throw fault(`there is no element ${JSON.stringify(name)}${didYouMean(suggest(name, entriesOf(value).keys()))}`, at, known(value));
  }
  throw fault(
    `${typeName(value.type)} has no elements that a key could name`,
    at,
    kind === 'set' ? 'elements of a set have no order: make a list of it' : undefined,
  );
}

function elementByIndex(value: Value, index: number, at: SourceLocation): Value {
  const elements = elementsOf(value);
  const found = Number.isInteger(index) ? elements[index] : undefined;
  if (found !== undefined) return found;
  if (!Number.isInteger(index)) throw fault(`${index} is no index: it must be a whole number`, at);
  const there = elements.length === 0 ? 'there are no elements' : `the elements are [0] to [${elements.length - 1}]`;
  throw fault(`there is no element [${index}]: ${there}`, at);
}

function keyAs(key: Value, type: Type, at: SourceLocation): Value {
  try {
    return converted(key, type);
  } catch (error) {
    if (error instanceof Misfit) throw fault(`this is no key: ${error.describe()}`, at);
    throw error;
  }
}

function known(value: Value): string | undefined {
  const names = [...entriesOf(value).keys()];
  if (names.length === 0) return 'it has none at all';
  return names.length > 8 ? undefined : `there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
}
