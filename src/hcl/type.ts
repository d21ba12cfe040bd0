// Types: whether two are the same, what they are called.

import type { Type } from './value.ts';

export type Kind = 'string' | 'number' | 'bool' | 'any' | 'list' | 'set' | 'map' | 'tuple' | 'object';

export function kindOf(type: Type): Kind {
  return typeof type === 'string' ? type : type.kind;
}

export function isPrimitive(type: Type): boolean {
  return type === 'string' || type === 'number' || type === 'bool';
}

/** Lists, sets and tuples: what has elements in a row. */
export function isSequence(type: Type): boolean {
  const kind = kindOf(type);
  return kind === 'list' || kind === 'set' || kind === 'tuple';
}

/** The element type of a list, set or map. */
export function elementType(type: Type): Type {
  return typeof type !== 'string' && 'element' in type ? type.element : 'any';
}

export function sameType(a: Type, b: Type): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  if (a.kind === 'tuple') return b.kind === 'tuple' && sameTypes(a.elements, b.elements);
  if (a.kind !== 'object') return a.kind === b.kind && 'element' in b && sameType(a.element, b.element);
  if (b.kind !== 'object' || a.attributes.size !== b.attributes.size) return false;
  for (const [name, type] of a.attributes) {
    const other = b.attributes.get(name);
    if (other === undefined || !sameType(type, other)) return false;
    if ((a.optional?.has(name) ?? false) !== (b.optional?.has(name) ?? false)) return false;
  }
  return true;
}

function sameTypes(a: readonly Type[], b: readonly Type[]): boolean {
  return a.length === b.length && a.every((type, index) => sameType(type, b[index] as Type));
}

/** What people call it: `list of string`. */
export function typeName(type: Type): string {
  if (type === 'any') return 'any type';
  if (typeof type === 'string' || type.kind === 'tuple' || type.kind === 'object') return kindOf(type);
  return `${type.kind} of ${typeName(type.element)}`;
}

/** Whether there is an `any` anywhere in it. */
export function isOpen(type: Type): boolean {
  if (typeof type === 'string') return type === 'any';
  if (type.kind === 'tuple') return type.elements.some(isOpen);
  return type.kind === 'object' ? [...type.attributes.values()].some(isOpen) : isOpen(type.element);
}

/** The type of values that meet a constraint: `optional` is a matter of the constraint alone. */
export function withoutOptional(type: Type): Type {
  if (typeof type === 'string') return type;
  if (type.kind === 'tuple') return { kind: 'tuple', elements: type.elements.map(withoutOptional) };
  if (type.kind !== 'object') return { kind: type.kind, element: withoutOptional(type.element) };
  return { kind: 'object', attributes: new Map([...type.attributes].map(([name, one]) => [name, withoutOptional(one)])) };
}
