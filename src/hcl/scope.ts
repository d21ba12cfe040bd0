// What an expression is evaluated in: names that are answered when they are read, functions with typed parameters.

import type { SourceLocation } from '../base/index.ts';
import type { Expression } from './tree.ts';
import type { Type, Value } from './value.ts';

/** A constant step behind a name: an attribute or a key, or an index. */
export type Step = string | number;

/** Answers names when they are read, so that what nobody reads is never evaluated. */
export interface Scope {
  /** `path`: the constant steps behind the root name. What comes back is the root's value: the steps are taken by who asked. */
  variable(name: string, path: readonly Step[], at: SourceLocation): Value | undefined;
  function(name: string): HclFunction | undefined;
  /** For "did you mean". */
  variableNames?(): Iterable<string>;
  functionNames?(): Iterable<string>;
}

export interface Parameter {
  readonly name: string;
  /** What is given is converted to it first. */
  readonly type: Type;
  /** Whether it may be null; else null is refused. */
  readonly nullable?: boolean;
}

export interface HclFunction {
  readonly parameters: readonly Parameter[];
  /** Any number of further ones. */
  readonly variadic?: Parameter;
  /** Throws Refusal for what it can not do. */
  call(values: readonly Value[]): Value;
  /** Instead of `call`, for a function that looks at its parameters before they have values: `try`, `convert`. */
  readonly special?: (parameters: readonly Expression[], evaluate: (expression: Expression) => Value) => Value;
}

/** What a function throws: why it can not do what is asked, and for which parameter (its index). */
export class Refusal extends Error {
  readonly parameter: number | undefined;

  constructor(message: string, parameter?: number) {
    super(message);
    this.parameter = parameter;
  }
}
