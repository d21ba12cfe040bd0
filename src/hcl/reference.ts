// What an expression reads, without evaluating it.

import type { SourceLocation } from '../base/index.ts';
import { keyName } from './evaluate.ts';
import { isFault } from './fault.ts';
import type { Node } from './node.ts';
import type { Step } from './scope.ts';
import type { Expression } from './tree.ts';
import { numberOf } from './value.ts';

/** A name that is read, and the constant steps behind it: `target.app.tags` is `target` with `app`, `tags`. */
export interface Reference {
  readonly name: string;
  readonly path: readonly Step[];
  readonly location: SourceLocation;
}

export interface References {
  readonly variables: readonly Reference[];
  readonly functions: readonly { readonly name: string; readonly location: SourceLocation }[];
}

/** In the order of the text. Names that the expression itself defines (`for one in …`) are none. */
export function references(expression: Expression): References {
  const variables: Reference[] = [];
  const functions: { name: string; location: SourceLocation }[] = [];
  visit(expression as Node, new Set(), (node) => {
    if (node.kind === 'call') functions.push({ name: node.name, location: node.nameLocation });
    else variables.push({ name: node.name, path: node.steps.map(stepOf), location: node.location });
  });
  return { variables, functions };
}

type Found = Extract<Node, { readonly kind: 'call' | 'variable' }>;

function stepOf(step: Extract<Node, { readonly kind: 'variable' }>['steps'][number]): Step {
  if (step.kind === 'attribute') return step.name;
  return step.key.type === 'number' ? numberOf(step.key).toNumber() : String(step.key.value);
}

function visit(node: Node, locals: ReadonlySet<string>, found: (node: Found) => void): void {
  if (node.kind === 'variable' && !locals.has(node.name)) found(node);
  if (node.kind === 'call') found(node);
  if (node.kind === 'for') return visitFor(node, locals, found);
  for (const child of childrenOf(node)) visit(child, locals, found);
}

function visitFor(node: Extract<Node, { readonly kind: 'for' }>, locals: ReadonlySet<string>, found: (node: Found) => void): void {
  visit(node.collection, locals, found);
  const inner = new Set([...locals, node.valueName, ...(node.keyName === undefined ? [] : [node.keyName])]);
  for (const child of [node.key, node.value, node.condition]) if (child !== undefined) visit(child, inner, found);
}

function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'template':
      return node.parts;
    case 'wrap':
    case 'parentheses':
      return [node.inner];
    case 'access':
      return [node.source];
    case 'index':
      return [node.source, node.key];
    case 'splat':
      return [node.source, node.each];
    case 'call':
      return node.name === 'convert' ? node.parameters.slice(0, 1) : node.parameters; // its other one is a type: those words are no names
    case 'conditional':
      return [node.condition, node.then, node.otherwise];
    case 'binary':
      return [node.left, node.right];
    case 'unary':
      return [node.operand];
    case 'tuple':
      return node.items;
    case 'object':
      return node.items.flatMap(({ key, value }) => (isName(key) ? [value] : [key, value]));
    case 'join':
      return [node.loop];
    case 'json-string':
      return templateOf(node);
    default:
      return [];
  }
}

function isName(key: Node): boolean {
  try {
    return keyName(key) !== undefined;
  } catch (error) {
    if (isFault(error)) return true;
    throw error;
  }
}

/** A text that is no template reads nothing; what is wrong with it is told when it is evaluated. */
function templateOf(node: Extract<Node, { readonly kind: 'json-string' }>): readonly Node[] {
  try {
    return [node.template()];
  } catch (error) {
    if (isFault(error)) return [];
    throw error;
  }
}
