// Calls of functions: parameters are converted, what a function refuses is told at the parameter that it refuses.

import { type SourceLocation, suggest } from '../base/index.ts';
import { converted, Misfit } from './convert.ts';
import { didYouMean, fault } from './fault.ts';
import type { CallNode, Node } from './node.ts';
import { type HclFunction, Refusal, type Scope } from './scope.ts';
import type { Expression } from './tree.ts';
import { isSequence, typeName } from './type.ts';
import { elementsOf, type Value } from './value.ts';
import { bounded, Scales } from './weight.ts';

type Evaluate = (node: Node, scope: Scope) => Value;

export function callFunction(node: CallNode, scope: Scope, evaluate: Evaluate): Value {
  const called = scope.function(node.name);
  if (called === undefined) {
    const near = suggest(node.name, scope.functionNames?.() ?? []);
    throw fault(`there is no function ${node.name}${didYouMean(near)}`, node.nameLocation);
  }
  const parameters = node.expands ? expanded(node, scope, evaluate) : node.parameters;
  checkCount(node, called, parameters);
  try {
    if (called.special !== undefined) return called.special(parameters, (one: Expression) => evaluate(one as Node, scope));
    const scales = new Scales(node.location);
    const values = parameters.map((one, at) => scales.add(given(called, at, one, evaluate(one, scope))));
    return new Scales(node.location).add(bounded(node.location, () => called.call(values)));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const refused = error.parameter === undefined ? undefined : parameters[error.parameter];
    throw fault(`${node.name}: ${error.message}`, refused?.location ?? node.location);
  }
}

/** With the elements of the last parameter instead of it; each stands where that stood. */
function expanded(node: CallNode, scope: Scope, evaluate: Evaluate): readonly Node[] {
  const last = node.parameters[node.parameters.length - 1] as Node;
  const many = evaluate(last, scope);
  if (many.value === null) throw fault('what stands before ... is null', last.location);
  if (!isSequence(many.type))
    throw fault(`what stands before ... is ${typeName(many.type)}`, last.location, 'a list, set or tuple can be spread');
  const spread = elementsOf(many).map((value): Node => ({ kind: 'literal', value, location: last.location }));
  return [...node.parameters.slice(0, -1), ...spread];
}

function checkCount(node: CallNode, { parameters, variadic }: HclFunction, given: readonly Node[]): void {
  const wanted = `${node.name} takes ${variadic === undefined ? '' : 'at least '}${counted(parameters.length)}`;
  const signature = `${node.name}(${[...parameters.map(({ name }) => name), ...(variadic === undefined ? [] : [`${variadic.name}...`])].join(', ')})`;
  const missing = parameters[given.length];
  if (missing !== undefined) throw fault(`${wanted}: ${missing.name} is missing`, node.closing, `write ${signature}`);
  const extra = variadic === undefined ? given[parameters.length] : undefined;
  if (extra !== undefined) throw fault(`${wanted}, there are ${given.length}`, extra.location, `write ${signature}`);
}

function counted(count: number): string {
  if (count === 0) return 'no parameters';
  return count === 1 ? '1 parameter' : `${count} parameters`;
}

function given(called: HclFunction, at: number, node: Node, value: Value): Value {
  const parameter = called.parameters[at] ?? called.variadic;
  if (parameter === undefined) throw new Error('internal: a parameter too many');
  if (value.value === null && parameter.nullable !== true) throw fault(`${parameter.name} is null`, node.location);
  return fitted(value, parameter.type, parameter.name, node.location);
}

function fitted(value: Value, type: Value['type'], name: string, at: SourceLocation): Value {
  try {
    return converted(value, type);
  } catch (error) {
    if (error instanceof Misfit) throw fault(`${name}: ${error.describe()}`, at);
    throw error;
  }
}
