// The tree of an HCL file: bodies of attributes and blocks, expressions with the place of every part.

import type { SourceLocation, SourceRange } from '../base/index.ts';

/** What is between the braces of a block, or a whole file. */
export interface Body {
  /** In the order of the text; names are distinct. */
  readonly attributes: readonly Attribute[];
  readonly blocks: readonly Block[];
  readonly location: SourceLocation;
}

export interface Attribute {
  readonly name: string;
  readonly expression: Expression;
  /** Of the name. */
  readonly location: SourceLocation;
}

export interface Block {
  readonly type: string;
  readonly labels: readonly { readonly text: string; readonly range: SourceRange }[];
  readonly body: Body;
  /** Of its first line: type and labels. */
  readonly location: SourceLocation;
}

/** An expression, not yet evaluated. What is in it is the room's own business; `location` is its whole text. */
export interface Expression {
  readonly location: SourceLocation;
}
