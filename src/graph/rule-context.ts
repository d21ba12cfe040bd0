// What our own rules work with.

import type { Linter, LintExtras, LintPlace } from '../dockerfile/index.ts';
import type { Scope } from './scope.ts';
import type { SourceEdits } from './source-edits.ts';
import type { StageCommand, StageState } from './stage-state.ts';

/** What rules look at. */
export interface RuleContext {
  readonly scope: Scope;
  readonly linter: Linter;
  readonly target: StageState;
  readonly gates: readonly StageState[];
  readonly edits: SourceEdits;
}

/** Where a command's finding is. */
export function placeOfCommand(command: StageCommand, exact?: LintPlace['exact']): LintPlace {
  return { range: command.range, comments: command.instruction.comments, exact };
}

/** Where a stage's finding is. */
export function placeOfStage(state: StageState, exact?: LintPlace['exact']): LintPlace {
  return { range: state.range, comments: state.stage?.from.comments ?? [], exact };
}

/** For spreading a fix that may not be there. */
export function withFix(fix: LintExtras['fix'], hint?: string): LintExtras {
  return { ...(fix === undefined ? {} : { fix }), ...(hint === undefined ? {} : { hint }) };
}

/** What a chain of stages starts from, as written. */
export function originOf(state: StageState): string {
  return (chainOf(state).at(-1) as StageState).writtenBase;
}

/** A stage and those it starts from, itself first. */
export function chainOf(state: StageState): readonly StageState[] {
  const chain = [state];
  for (let parent = state.parent; parent !== undefined; parent = parent.parent) chain.push(parent);
  return chain;
}
