// The tree of an expression. Of no concern outside this room, where an Expression is known by its place alone.

import type { SourceLocation } from '../base/index.ts';
import type { Value } from './value.ts';

interface Placed {
  readonly location: SourceLocation;
}

/** A step of a traversal that is known without evaluating anything: `.name`, `["name"]`, `[0]`. */
export type StepNode = Placed & ({ readonly kind: 'attribute'; readonly name: string } | { readonly kind: 'index'; readonly key: Value });

export type Node =
  | LiteralNode
  | TemplateNode
  | VariableNode
  | ForNode
  | CallNode
  | ObjectNode
  | JsonStringNode
  | (Placed & { readonly kind: 'parentheses'; readonly inner: Node })
  /** `"${x}"`: x as it is, not as a string. */
  | (Placed & { readonly kind: 'wrap'; readonly inner: Node })
  | (Placed & { readonly kind: 'access'; readonly source: Node; readonly steps: readonly StepNode[] })
  | (Placed & { readonly kind: 'index'; readonly source: Node; readonly key: Node; readonly bracket: SourceLocation })
  /** `source[*].each`; in `each` an `item` stands for the element. */
  | (Placed & { readonly kind: 'splat'; readonly source: Node; readonly each: Node })
  | (Placed & { readonly kind: 'item' })
  | (Placed & { readonly kind: 'conditional'; readonly condition: Node; readonly then: Node; readonly otherwise: Node })
  | (Placed & { readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node })
  | (Placed & { readonly kind: 'unary'; readonly operator: '-' | '!'; readonly operand: Node })
  | (Placed & { readonly kind: 'tuple'; readonly items: readonly Node[] })
  /** A `for` of a template: its results in one string. */
  | (Placed & { readonly kind: 'join'; readonly loop: ForNode });

export interface LiteralNode extends Placed {
  readonly kind: 'literal';
  readonly value: Value;
  /** `true`, `false`, `null`: words too, where a word is asked for. */
  readonly word?: string;
}

export interface TemplateNode extends Placed {
  readonly kind: 'template';
  readonly parts: readonly Node[];
}

/** A name and the constant steps behind it. */
export interface VariableNode extends Placed {
  readonly kind: 'variable';
  readonly name: string;
  readonly steps: readonly StepNode[];
  readonly nameLocation: SourceLocation;
}

export interface CallNode extends Placed {
  readonly kind: 'call';
  readonly name: string;
  readonly nameLocation: SourceLocation;
  readonly parameters: readonly Node[];
  /** `f(list...)`: the last parameter is many. */
  readonly expands: boolean;
  /** The closing parenthesis. */
  readonly closing: SourceLocation;
}

export interface ObjectNode extends Placed {
  readonly kind: 'object';
  readonly items: readonly { readonly key: Node; readonly value: Node }[];
  /** In JSON a name may stand once only; in the native syntax the last one counts. */
  readonly distinct: boolean;
}

export interface ForNode extends Placed {
  readonly kind: 'for';
  readonly keyName: string | undefined;
  readonly valueName: string;
  readonly collection: Node;
  /** Of an object; a tuple has none. */
  readonly key: Node | undefined;
  readonly value: Node;
  readonly condition: Node | undefined;
  /** `...`: values of equal keys in one tuple. */
  readonly grouped: boolean;
}

/** A string of a JSON file: a template when it is evaluated, an expression where a keyword or a type is asked for. */
export interface JsonStringNode extends Placed {
  readonly kind: 'json-string';
  readonly text: string;
  template(): Node;
  expression(): Node;
}
