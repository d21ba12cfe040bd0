// Operators on values.

import type { Decimal } from 'decimal.js';
import { equal } from './compare.ts';
import { add, divide, modulo, multiply, subtract } from './number.ts';
import { bool, number, numberOf, type Type, type Value } from './value.ts';

interface Operator {
  /** What both sides are converted to. */
  readonly operand: Type;
  apply(left: Value, right: Value): Value;
}

/** A result that is no number (0/0) is NaN, which whoever applied the operator refuses. */
const arithmetic = (apply: (a: Decimal, b: Decimal) => Decimal): Operator => ({
  operand: 'number',
  apply: (left, right) => number(apply(numberOf(left), numberOf(right))),
});

const comparison = (holds: (order: number) => boolean): Operator => ({
  operand: 'number',
  apply: (left, right) => bool(holds(numberOf(left).cmp(numberOf(right)))),
});

export const OPERATORS: Readonly<Record<string, Operator>> = {
  '||': { operand: 'bool', apply: (left, right) => bool(left.value === true || right.value === true) },
  '&&': { operand: 'bool', apply: (left, right) => bool(left.value === true && right.value === true) },
  '==': { operand: 'any', apply: (left, right) => bool(equal(left, right)) },
  '!=': { operand: 'any', apply: (left, right) => bool(!equal(left, right)) },
  '>': comparison((order) => order > 0),
  '>=': comparison((order) => order >= 0),
  '<': comparison((order) => order < 0),
  '<=': comparison((order) => order <= 0),
  '+': arithmetic(add),
  '-': arithmetic(subtract),
  '*': arithmetic(multiply),
  '/': arithmetic(divide),
  '%': arithmetic(modulo),
};
