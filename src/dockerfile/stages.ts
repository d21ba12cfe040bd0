// Instructions grouped: arguments in front of the first FROM, then one stage for each FROM.

import { type Diagnostic, type SourceRange, suggest } from '../base/index.ts';
import type {
  ArgInstruction,
  FromInstruction,
  Instruction,
  InstructionBase,
  InvalidInstruction,
  Stage,
  StageInstruction,
  Word,
} from './ast.ts';
import { descriptionOf } from './description.ts';
import { INSTRUCTION_NAMES } from './instruction-table.ts';
import { syntaxError } from './reader.ts';

/** What the instructions of a file amount to. */
export interface Gathered {
  readonly metaArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
  readonly problems: readonly Diagnostic[];
}

/** Groups instructions. `failed`: something was wrong already, so that a missing FROM may be no fault of its own. */
export function gatherStages(text: string, instructions: readonly (Instruction | InvalidInstruction)[], failed: boolean): Gathered {
  const metaArgs: ArgInstruction[] = [];
  const stages: FileStage[] = [];
  const problems: Diagnostic[] = [];
  // After a FROM that could not be read, what follows belongs to a stage that we do not have.
  let lostStage = false;
  let stage: FileStage | undefined;
  instructions.forEach((instruction) => {
    if (instruction.kind === 'FROM') {
      lostStage = false;
      stage = new FileStage(stages.length, instruction);
      stages.push(stage);
    } else if (instruction.kind === 'invalid') {
      if (isNearlyFrom(instruction.keyword.text)) lostStage = true;
      else if (stage !== undefined && !lostStage) stage.last = instruction;
    } else if (lostStage) return;
    else if (stage !== undefined) {
      stage.instructions.push(instruction);
      stage.last = instruction;
    } else if (instruction.kind === 'ARG') metaArgs.push(instruction);
    else if (problems.length === 0) {
      const hint = `only ARG may stand in front of the first FROM; move ${instruction.kind} behind it`;
      problems.push(syntaxError('no build stage in current context', instruction.range, { hint }));
    }
  });
  if (stages.length === 0 && problems.length === 0 && !failed) problems.push(nothingToBuild(text, instructions));
  return {
    metaArgs,
    problems,
    stages,
  };
}

/** What is asked for seldom is worked out then. */
class FileStage implements Stage {
  readonly index: number;
  readonly name: string | undefined;
  readonly base: Word;
  readonly from: FromInstruction;
  readonly instructions: StageInstruction[];
  /** The last that belongs to it, valid or not. */
  last: InstructionBase;

  constructor(index: number, from: FromInstruction) {
    this.index = index;
    this.name = from.name?.text.toLowerCase();
    this.base = from.base;
    this.from = from;
    this.instructions = [];
    this.last = from;
  }

  get platform(): Word | undefined {
    return this.from.platform;
  }

  get description(): string | undefined {
    return this.name === undefined ? undefined : descriptionOf(this.from.comments, this.name);
  }

  get range(): SourceRange {
    return { start: this.from.range.start, end: this.last.range.end };
  }
}

/** FROM that could not be read, or a misspelt one. */
function isNearlyFrom(keyword: string): boolean {
  return suggest(keyword, INSTRUCTION_NAMES) === 'FROM';
}

function nothingToBuild(text: string, instructions: readonly (Instruction | InvalidInstruction)[]): Diagnostic {
  const hint = 'a Dockerfile needs at least one FROM';
  const last = instructions.at(-1);
  if (last !== undefined) return syntaxError('dockerfile contains no stages to build', last.range, { hint });
  const lines = text.replace(/\r?\n$/, '').split('\n');
  const place = { line: lines.length, column: (lines.at(-1) ?? '').replace(/\r$/, '').length };
  const range = { start: place, end: place };
  return syntaxError(text === '' ? 'the Dockerfile cannot be empty' : 'file with no instructions', range, { hint });
}
