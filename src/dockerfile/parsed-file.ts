// A parsed Dockerfile. Its pieces are put in order when somebody asks for them: builds look at instructions and stages.

import type { SourceText } from '../base/index.ts';
import type { Directive, Dockerfile, Instruction, InstructionBase, InvalidInstruction, SyntaxNode } from './ast.ts';
import type { TextLines } from './lines.ts';
import type { ParsedLine } from './parsed-line.ts';

/** A piece that is no instruction, and how many instructions stand in front of it. */
export interface OtherPiece {
  readonly node: SyntaxNode;
  readonly behind: number;
}

/** What the parser took the text apart into. */
export interface Pieces {
  readonly lines: TextLines;
  readonly instructions: readonly (Instruction | InvalidInstruction)[];
  readonly interrupted: readonly (Instruction | InvalidInstruction)[];
  readonly others: readonly OtherPiece[];
  readonly directives: readonly Directive[];
  readonly escape: '\\' | '`';
}

/** What is said of the whole. */
export type Verdict = Pick<Dockerfile, 'metaArgs' | 'stages' | 'malformed' | 'stopsAt' | 'diagnostics'>;

/** Puts together what was read. */
export function parsedFile(source: SourceText, pieces: Pieces, verdict: Verdict): Dockerfile {
  const { instructions, interrupted, directives, escape } = pieces;
  const { metaArgs, stages, malformed, stopsAt, diagnostics } = verdict;
  let nodes: readonly SyntaxNode[] | undefined;
  return {
    source,
    get nodes(): readonly SyntaxNode[] {
      return (nodes ??= inOrder(pieces));
    },
    instructions,
    interrupted,
    directives,
    escape,
    metaArgs,
    stages,
    malformed,
    stopsAt,
    diagnostics,
  };
}

function inOrder({ lines, instructions, others }: Pieces): readonly SyntaxNode[] {
  const nodes: SyntaxNode[] = [];
  let at = 0;
  for (const { node, behind } of others) {
    for (const instruction of instructions.slice(at, behind)) nodes.push(nodeOf(instruction, lines));
    nodes.push(node);
    at = behind;
  }
  for (const instruction of instructions.slice(at)) nodes.push(nodeOf(instruction, lines));
  return nodes;
}

/** An instruction with all of its lines. */
function nodeOf(instruction: Instruction | InvalidInstruction, lines: TextLines): SyntaxNode {
  const { line, endLine } = instruction as InstructionBase as ParsedLine;
  return { kind: 'instruction', text: lines.text.slice(lines.start(line.line - 1), lines.next(endLine - 1)), instruction };
}
