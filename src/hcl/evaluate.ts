// Expressions to values.

import { suggest, type SourceLocation, unreachable } from '../base/index.ts';
import { elementAt, takeStep } from './access.ts';
import { callFunction } from './call.ts';
import { converted, Misfit } from './convert.ts';
import { didYouMean, fault, isFault } from './fault.ts';
import { evaluateFor, evaluateSplat, ITEM } from './loop.ts';
import type { Node, ObjectNode, VariableNode } from './node.ts';
import { OPERATORS } from './operator.ts';
import type { Scope, Step } from './scope.ts';
import type { Expression } from './tree.ts';
import { unify } from './unify.ts';
import { bool, elementsOf, number, numberOf, object, string, textOf, tuple, type Type, type Value } from './value.ts';
import { bounded, Scales } from './weight.ts';

/** The value of an expression. Throws HCL_INVALID at the part that is wrong; what the scope throws comes through. */
export function evaluate(expression: Expression, scope: Scope): Value {
  const node = expression as Node;
  switch (node.kind) {
    case 'literal':
      return node.value;
    case 'template':
      return textOfParts(node.parts, node, (part) => textIn(part, evaluate(part, scope)));
    case 'wrap':
    case 'parentheses':
      return evaluate(node.inner, scope);
    case 'variable':
      return variable(node, scope);
    case 'access':
      return node.steps.reduce(takeStep, evaluate(node.source, scope));
    case 'index':
      return elementAt(evaluate(node.source, scope), evaluate(node.key, scope), node.bracket);
    case 'splat':
      return evaluateSplat(node, scope, evaluate);
    case 'item':
      return scope.variable(ITEM, [], node.location) ?? unbound();
    case 'call':
      return callFunction(node, scope, evaluate);
    case 'conditional':
      return conditional(node, scope);
    case 'binary':
      return node.operator === '||' || node.operator === '&&' ? logical(node, scope) : binary(node, scope);
    case 'unary':
      return unary(node, scope);
    case 'tuple':
      return tuple(weighed(node.items, node, (item) => evaluate(item, scope)));
    case 'object':
      return objectOf(node, scope);
    case 'for':
      return evaluateFor(node, scope, evaluate);
    case 'join':
      return textOfParts(elementsOf(evaluateFor(node.loop, scope, evaluate)), node, (value) => textIn(node, value));
    case 'json-string':
      return evaluate(node.template(), scope);
    default:
      return unreachable(node);
  }
}

function unbound(): never {
  throw new Error('internal: an element outside of its splat');
}

type Of<Kind extends Node['kind']> = Extract<Node, { readonly kind: Kind }>;

/** Converts the value of a part, or says at that part why it can not be. */
function as(type: Type, value: Value, node: Node, what: string): Value {
  if (value.value === null && type !== 'any') throw fault(`${what} is null`, node.location);
  try {
    return converted(value, type);
  } catch (error) {
    if (error instanceof Misfit) throw fault(`${what}: ${error.describe()}`, node.location);
    throw error;
  }
}

/** What is made of each item, weighed together. */
function weighed<T>(items: readonly T[], { location }: Node, make: (item: T) => Value): readonly Value[] {
  const scales = new Scales(location);
  return items.map((item) => scales.add(make(item)));
}

function textOfParts<T>(parts: readonly T[], node: Node, make: (part: T) => string): Value {
  return new Scales(node.location).add(bounded(node.location, () => string(parts.map(make).join(''))));
}

function textIn(part: Node, value: Value): string {
  return textOf(as('string', value, part, 'what is put into this text'));
}

function variable({ name, steps, location, nameLocation }: VariableNode, scope: Scope): Value {
  const path: Step[] = steps.map((step) => {
    if (step.kind === 'attribute') return step.name;
    return step.key.type === 'number' ? numberOf(step.key).toNumber() : String(step.key.value);
  });
  const root = scope.variable(name, path, location);
  if (root === undefined)
    throw fault(`there is no variable ${name}${didYouMean(suggest(name, scope.variableNames?.() ?? []))}`, nameLocation, hintFor(name));
  return steps.reduce(takeStep, root);
}

function hintFor(name: string): string {
  return `define it (variable ${JSON.stringify(name)} { … }), or put double quotes around a text`;
}

/** Both results are looked at for the type that they have in common; of what is wrong in the one that is not chosen nobody hears. */
function conditional(node: Of<'conditional'>, scope: Scope): Value {
  const results = [node.then, node.otherwise].map((one) => attempt(() => evaluate(one, scope)));
  const condition = as('bool', evaluate(node.condition, scope), node.condition, 'the condition');
  const [chosen, other] = condition.value === true ? results : [...results].reverse();
  const value = (chosen as Attempt)();
  const against = valueOf(other as Attempt);
  if (against === undefined || isNothing(against)) return value;
  if (isNothing(value)) return { type: against.type, value: null };
  const type = unify([value.type, against.type]);
  if (type === undefined) {
    const at: SourceLocation = {
      source: node.location.source,
      range: { start: node.then.location.range.start, end: node.otherwise.location.range.end },
    };
    throw fault(
      'the two results of this condition have no type in common',
      at,
      'make both the same: two strings, two lists, two objects of the same attributes',
    );
  }
  return value.value === null
    ? converted(value, type)
    : as(type, value, condition.value === true ? node.then : node.otherwise, 'the result');
}

/** `null`, of no type. */
function isNothing(value: Value): boolean {
  return value.type === 'any' && value.value === null;
}

/** What came of it: a value, or what was wrong, thrown when it is asked for. */
type Attempt = () => Value;

function attempt(work: () => Value): Attempt {
  try {
    const value = work();
    return () => value;
  } catch (error) {
    if (!isFault(error)) throw error;
    return () => {
      throw error;
    };
  }
}

function valueOf(attempted: Attempt): Value | undefined {
  try {
    return attempted();
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}

/** One side may decide alone, the right one too: then nobody hears of what is wrong in the other. For `&&` null is as good as false. */
function logical(node: Of<'binary'>, scope: Scope): Value {
  const decides = node.operator === '||';
  const sides = [node.left, node.right].map((side) => ({ side, result: attempt(() => evaluate(side, scope)) }));
  const known = sides.map(({ side, result }) => truthOf(valueOf(result), side, node.operator));
  if (known.includes(decides) || (!decides && known.includes(null))) return bool(decides);
  for (const { side, result } of sides) as('bool', result(), side, `this side of ${node.operator}`);
  return bool(!decides);
}

/** Undefined: it has no value; what it is instead is told later, if anybody needs to know. */
function truthOf(value: Value | undefined, side: Node, operator: string): boolean | null | undefined {
  if (value === undefined || value.value === null) return value === undefined ? undefined : null;
  return as('bool', value, side, `this side of ${operator}`).value === true;
}

function binary(node: Of<'binary'>, scope: Scope): Value {
  const operator = OPERATORS[node.operator];
  if (operator === undefined) throw new Error(`internal: no operator ${node.operator}`);
  const [left, right] = [node.left, node.right].map((side) =>
    as(operator.operand, evaluate(side, scope), side, `this side of ${node.operator}`),
  );
  const result = operator.apply(left as Value, right as Value);
  if (result.type === 'number' && numberOf(result).isNaN())
    throw fault('this has no result: zero by zero, or too large or too small a number', node.location);
  return result;
}

function unary(node: Of<'unary'>, scope: Scope): Value {
  const what = `what stands behind ${node.operator}`;
  const value = as(node.operator === '-' ? 'number' : 'bool', evaluate(node.operand, scope), node.operand, what);
  return node.operator === '-' ? number(numberOf(value).negated()) : bool(value.value !== true);
}

function objectOf({ items, distinct, location }: ObjectNode, scope: Scope): Value {
  const entries = new Map<string, Value>();
  const scales = new Scales(location);
  for (const item of items) {
    const name = keyName(item.key) ?? textOf(as('string', evaluate(item.key, scope), item.key, 'the name of an attribute'));
    if (distinct && entries.has(name))
      throw fault(`${JSON.stringify(name)} stands twice in this object`, item.key.location, 'keep one of them');
    entries.set(name, scales.add(evaluate(item.value, scope)));
  }
  return object(entries);
}

/** The name of an attribute as it is written. A word is a name, not a variable; in parentheses it is one. */
export function keyName(key: Node): string | undefined {
  if (key.kind === 'literal' && key.word !== undefined) return key.word;
  if (key.kind !== 'variable') return undefined;
  if (key.steps.length === 0) return key.name;
  throw fault(
    'a name with dots is ambiguous here',
    key.location,
    'put it in double quotes if it is a name, in parentheses if it is a variable',
  );
}
