// Expressions that are not evaluated: bare words, and type constraints like `list(string)`.

import { type SourceLocation, suggest } from '../base/index.ts';
import { keyName } from './evaluate.ts';
import { didYouMean, fault, isFault } from './fault.ts';
import type { CallNode, Node } from './node.ts';
import type { Expression } from './tree.ts';
import type { Type } from './value.ts';

const PRIMITIVE = ['string', 'number', 'bool', 'any'] as const;
const CONSTRUCTORS = ['list', 'set', 'map', 'object', 'tuple'] as const;
const EXAMPLES: Readonly<Record<string, string>> = {
  list: 'list(string)',
  set: 'set(string)',
  map: 'map(string)',
  object: 'object({ name = string })',
  tuple: 'tuple([string, number])',
};

/** The word that an expression is, if it is nothing else: `string` of `type = string`. */
export function keywordOf(expression: Expression): string | undefined {
  const node = expression as Node;
  if (node.kind === 'literal') return node.word;
  if (node.kind === 'variable' && node.steps.length === 0) return node.name;
  return node.kind === 'json-string' && /^[\p{ID_Start}_][\p{ID_Continue}-]*$/u.test(node.text) ? node.text : undefined;
}

/** The type constraint that an expression writes; throws HCL_INVALID at the part that is none. */
export function typeOf(expression: Expression): Type {
  const node = expression as Node;
  if (node.kind === 'json-string') return typeOf(node.expression());
  const word = keywordOf(node);
  if (word !== undefined) return primitive(word, node.location);
  if (node.kind !== 'call')
    throw fault('this is no type', node.location, `a type is ${PRIMITIVE.join(', ')}, or one like ${EXAMPLES['list']}`);
  return constructed(node);
}

function primitive(word: string, at: SourceLocation): Type {
  const found = PRIMITIVE.find((one) => one === word);
  if (found !== undefined) return found;
  const example = Object.hasOwn(EXAMPLES, word) ? EXAMPLES[word] : undefined;
  if (example !== undefined) throw fault(`${word} of what? The type needs to say`, at, `write ${example}`);
  const near = suggest(word, [...PRIMITIVE, ...CONSTRUCTORS]);
  throw fault(`there is no type ${word}${didYouMean(near)}`, at, `there are ${[...PRIMITIVE, ...CONSTRUCTORS].join(', ')}`);
}

function constructed(call: CallNode): Type {
  const { name, parameters, nameLocation } = call;
  if (name === 'optional')
    throw fault('optional stands for attributes of an object type only', nameLocation, 'write object({ name = optional(string) })');
  const example = Object.hasOwn(EXAMPLES, name) ? EXAMPLES[name] : undefined;
  if (example === undefined) {
    if (PRIMITIVE.some((one) => one === name)) throw fault(`the type ${name} has no parts`, call.location, `write ${name}`);
    throw fault(`there is no type ${name}${didYouMean(suggest(name, CONSTRUCTORS))}`, nameLocation, `there are ${CONSTRUCTORS.join(', ')}`);
  }
  const [only] = parameters;
  if (only === undefined || parameters.length > 1)
    throw fault(`${name} takes one parameter, there are ${parameters.length}`, call.location, `write ${example}`);
  if (name === 'object') return objectType(unwrapped(only));
  if (name === 'tuple') return tupleType(unwrapped(only));
  return { kind: name as 'list' | 'set' | 'map', element: typeOf(only) };
}

function unwrapped(node: Node): Node {
  return node.kind === 'json-string' ? node.expression() : node;
}

function tupleType(node: Node): Type {
  if (node.kind !== 'tuple') throw fault('the types of a tuple stand in a list', node.location, `write ${EXAMPLES['tuple']}`);
  return { kind: 'tuple', elements: node.items.map(typeOf) };
}

function objectType(node: Node): Type {
  if (node.kind !== 'object') throw fault('the attributes of an object type stand in braces', node.location, `write ${EXAMPLES['object']}`);
  const attributes = new Map<string, Type>();
  const optional = new Set<string>();
  for (const { key, value } of node.items) {
    const name = nameOf(key);
    if (name === undefined) throw fault('the name of an attribute is a word', key.location, `write ${EXAMPLES['object']}`);
    if (attributes.has(name)) throw fault(`${name} stands twice in this type`, key.location, 'keep one of them');
    const inner = optionalType(value);
    if (inner !== undefined) optional.add(name);
    attributes.set(name, typeOf(inner ?? value));
  }
  return { kind: 'object', attributes, optional };
}

function nameOf(key: Node): string | undefined {
  try {
    return keyName(key) ?? keywordOf(key);
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}

function optionalType(node: Node): Node | undefined {
  if (node.kind !== 'call' || node.name !== 'optional') return undefined;
  const [only] = node.parameters;
  if (only !== undefined && node.parameters.length === 1) return only;
  throw fault(`optional takes one parameter, the type; there are ${node.parameters.length}`, node.location, 'write optional(string)');
}
