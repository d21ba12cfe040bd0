// What is evaluated for each element of a value: for expressions and splats.

import type { SourceLocation } from '../base/index.ts';
import { converted, Misfit } from './convert.ts';
import { fault } from './fault.ts';
import type { ForNode, Node } from './node.ts';
import type { Scope } from './scope.ts';
import { elementType, isSequence, kindOf, sameType, typeName } from './type.ts';
import { elementsOf, entriesOf, list, number, object, string, textOf, tuple, type Type, type Value } from './value.ts';
import { Scales } from './weight.ts';

type Evaluate = (node: Node, scope: Scope) => Value;

/** The name that the element of a splat goes by: no text can contain it. */
export const ITEM = '[*]';

function withLocals(scope: Scope, locals: ReadonlyMap<string, Value>): Scope {
  const names = scope.variableNames?.bind(scope);
  const functionNames = scope.functionNames?.bind(scope);
  return {
    variable: (name, path, at) => locals.get(name) ?? scope.variable(name, path, at),
    function: (name) => scope.function(name),
    variableNames: () => [...locals.keys(), ...(names?.() ?? [])].filter((name) => name !== ITEM),
    functionNames: () => functionNames?.() ?? [],
  };
}

export function evaluateFor(node: ForNode, scope: Scope, evaluate: Evaluate): Value {
  /** By key, in the order in which keys came up; all under one where there are none. */
  const results = new Map<string, Value[]>();
  const scales = new Scales(node.location);
  for (const [key, value] of pairs(evaluate(node.collection, scope), node.collection.location)) {
    const locals = new Map([[node.valueName, value]]);
    if (node.keyName !== undefined && node.keyName !== node.valueName) locals.set(node.keyName, key);
    const inner = withLocals(scope, locals);
    if (node.condition !== undefined && !holds(node.condition, inner, evaluate)) continue;
    const name = node.key === undefined ? '' : keyText(evaluate(node.key, inner), node.key);
    const one = scales.add(evaluate(node.value, inner));
    const before = results.get(name);
    if (before === undefined) results.set(name, [one]);
    else if (node.key === undefined || node.grouped) before.push(one);
    else
      throw fault(
        `two elements have the key ${JSON.stringify(name)}`,
        node.key.location,
        'write ... behind the value to gather values of equal keys',
      );
  }
  if (node.key === undefined) return tuple(results.get('') ?? []);
  return object([...results].map(([name, values]) => [name, node.grouped ? tuple(values) : (values[0] as Value)]));
}

function pairs(value: Value, at: SourceLocation): readonly (readonly [Value, Value])[] {
  if (value.value === null) throw fault('there is nothing to go through: the value is null', at);
  const kind = kindOf(value.type);
  if (kind === 'map' || kind === 'object') return [...entriesOf(value)].map(([name, one]) => [string(name), one]);
  if (!isSequence(value.type)) throw fault(`${typeName(value.type)} has no elements to go through`, at, 'a list, set, map or object has');
  return elementsOf(value).map((one, index) => [kind === 'set' ? one : number(index), one]);
}

function holds(condition: Node, scope: Scope, evaluate: Evaluate): boolean {
  return as('bool', evaluate(condition, scope), condition, 'the condition').value === true;
}

function keyText(key: Value, node: Node): string {
  return textOf(as('string', key, node, 'the key'));
}

function as(type: Type, value: Value, node: Node, what: string): Value {
  if (value.value === null) throw fault(`${what} is null`, node.location);
  try {
    return converted(value, type);
  } catch (error) {
    if (error instanceof Misfit) throw fault(`${what}: ${error.describe()}`, node.location);
    throw error;
  }
}

/** `source[*].name`: for each element. What is no row counts as a row of one; null as an empty one. */
export function evaluateSplat({ source, each }: Extract<Node, { readonly kind: 'splat' }>, scope: Scope, evaluate: Evaluate): Value {
  const value = evaluate(source, scope);
  if (!isSequence(value.type)) return value.value === null ? tuple([]) : tuple([forItem(value, each, scope, evaluate)]);
  if (value.value === null) throw fault('null has no elements', source.location);
  const scales = new Scales(each.location);
  const results = elementsOf(value).map((one) => scales.add(forItem(one, each, scope, evaluate)));
  if (kindOf(value.type) === 'tuple') return tuple(results);
  const [first] = results;
  if (first === undefined) return list(typeBehind(elementType(value.type), each), []);
  if (!results.every(({ type }) => sameType(type, first.type))) {
    throw fault('the results have different types', each.location, 'use a for expression: [for one in … : …]');
  }
  return list(first.type, results);
}

function forItem(item: Value, each: Node, scope: Scope, evaluate: Evaluate): Value {
  return evaluate(each, withLocals(scope, new Map([[ITEM, item]])));
}

/** The element type of a splat of no elements, as far as it can be told. */
function typeBehind(item: Type, each: Node): Type {
  if (each.kind === 'item') return item;
  if (each.kind !== 'access' || each.source.kind !== 'item') return 'any';
  let type = item;
  for (const step of each.steps) {
    if (typeof type === 'string') return 'any';
    if (type.kind === 'object') type = type.attributes.get(step.kind === 'attribute' ? step.name : String(step.key.value)) ?? 'any';
    else type = elementType(type);
  }
  return type;
}
