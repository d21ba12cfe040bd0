// The rules that need nothing but the tree. Those that need the evaluated file are reported by the graph.

import type { Diagnostic } from '../base/index.ts';
import type { Comment, Dockerfile, FromInstruction, Instruction, InstructionBase, InvalidInstruction } from './ast.ts';
import { quote } from './go-text.ts';
import { LINT_RULES } from './lint-rules.ts';
import type { Linter, LintPlace } from './linter.ts';

/**
 * Reports what the tree alone shows. Of a file with errors only what stands in front of the first, and nothing at all
 * when its lines could not be taken apart: a finding must not depend on how the parser recovers.
 */
export function lintDockerfile(file: Dockerfile, linter: Linter): void {
  if (file.malformed) return;
  const failed = file.diagnostics[0];
  file.interrupted.forEach((instruction) => emptyContinuation(instruction, linter));
  file.instructions.every((instruction) => lintInstruction(instruction, failed, linter));
  if (failed !== undefined) return;
  stageNames(file, linter);
  instructionCasing(file, linter);
}

function emptyContinuation(instruction: Instruction | InvalidInstruction, linter: Linter): void {
  const blanks = instruction.emptyContinuations;
  // BuildKit names the last line of the instruction, wherever the blank one is.
  const end = { line: instruction.lastLine, column: 0 };
  const edits = blanks.map(({ start }) => ({
    range: { start: { line: start.line, column: 0 }, end: { line: start.line + 1, column: 0 } },
    text: '',
  }));
  linter.report(LINT_RULES.NoEmptyContinuation, { range: { start: end, end }, comments: [] }, [], {
    hint: 'remove the blank line, or begin it with #',
    fix: { title: 'remove the blank lines', edits },
    related: blanks.map((range) => ({ range, message: 'this line is empty' })),
  });
}

/** False: the instruction is the first with an error, or behind it. */
function lintInstruction(instruction: Instruction | InvalidInstruction, failed: Diagnostic | undefined, linter: Linter): boolean {
  const keyword = instruction.kind === 'invalid' ? instruction.keyword.text.toUpperCase() : instruction.kind;
  // BuildKit looks at these before it reads an instruction: also of the one that has the error.
  if (keyword === 'FROM') {
    stageNameCasing(instruction, linter);
    fromAsCasing(instruction, linter);
  } else if (keyword === 'MAINTAINER') maintainer(instruction, linter);
  if (failed !== undefined && instruction.range.end.line >= failed.range.start.line) return false;
  if (instruction.kind !== 'FROM' && instruction.kind !== 'ARG') return true;
  const { comments } = instruction;
  if (comments.length === 0) return true;
  const { range } = instruction;
  if (instruction.kind === 'ARG') {
    const names = instruction.args.map((arg) => arg.name.text);
    definition('ARG', names, { range, comments }, linter);
  } else if (instruction.name !== undefined) {
    definition('FROM', [instruction.name.text.toLowerCase()], { range, comments }, linter);
  }
  return true;
}

function maintainer({ keyword, words, range, comments }: InstructionBase, linter: Linter): void {
  const label = keyword.text === 'maintainer' ? 'label' : 'LABEL';
  const text = `${label} org.opencontainers.image.authors=${quoteWord(words[0]?.text ?? '')}`;
  linter.report(LINT_RULES.MaintainerDeprecated, { range, comments, exact: keyword.range }, [], {
    fix: { title: `replace by ${label}`, edits: [{ range, text }] },
  });
}

/** A value as one word of LABEL. The escape character of the file may be either: neither is left alone. */
function quoteWord(text: string): string {
  return /[$`\\"]/.test(text) ? `'${text.replaceAll("'", `'"'"'`)}'` : quote(text);
}

function stageNameCasing(instruction: InstructionBase, linter: Linter): void {
  const { words } = instruction;
  const name = words.length === 3 ? words[2] : undefined;
  if (name === undefined || name.text === name.text.toLowerCase()) return;
  const { range, comments } = instruction;
  linter.report(LINT_RULES.StageNameCasing, { range, comments, exact: name.range }, [name.text], {
    fix: { title: 'write it in lower case', edits: [{ range: name.range, text: name.text.toLowerCase() }] },
  });
}

function fromAsCasing(instruction: InstructionBase, linter: Linter): void {
  const { words, casing } = instruction;
  const as = words.length < 3 ? undefined : words[1];
  // A keyword of mixed casing is another rule's affair.
  if (as === undefined || casing === 'mixed') return;
  const wanted = casing === 'lower' ? as.text.toLowerCase() : as.text.toUpperCase();
  if (as.text === wanted) return;
  const { keyword, range, comments } = instruction;
  linter.report(LINT_RULES.FromAsCasing, { range, comments, exact: as.range }, [keyword.text, as.text], {
    fix: { title: `write ${wanted}`, edits: [{ range: as.range, text: wanted }] },
  });
}

function definition(command: 'FROM' | 'ARG', names: readonly string[], place: LintPlace, linter: Linter): void {
  const last: Comment | undefined = place.comments.at(-1);
  const first = names[0];
  if (last === undefined || first === undefined || names.includes(last.text.split(' ', 1)[0] ?? '')) return;
  linter.report(LINT_RULES.InvalidDefinitionDescription, place, [command, names.length > 1 ? '<arg_key>' : first], {
    hint: 'or put a line with nothing but # behind the comment',
    related: [{ range: last.range, message: 'this comment' }],
  });
}

const RESERVED = ['context', 'scratch'];

function stageNames(file: Dockerfile, linter: Linter): void {
  const first = new Map<string, FromInstruction>();
  file.stages.forEach(({ name, from }) => {
    if (name === undefined) return;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, from);
    if (earlier === undefined && !RESERVED.includes(name)) return;
    const place = { range: from.range, comments: [], exact: from.name?.range };
    if (RESERVED.includes(name)) linter.report(LINT_RULES.ReservedStageName, place, [name]);
    if (earlier === undefined) return;
    const range = earlier.name?.range ?? earlier.range;
    linter.report(LINT_RULES.DuplicateStageName, place, [name], { related: [{ range, message: 'the first one is here' }] });
  });
}

function instructionCasing(file: Dockerfile, linter: Linter): void {
  let lower = 0;
  let upper = 0;
  let mixed = 0;
  const count = ({ casing }: Instruction): void => {
    if (casing === 'upper') upper += 1;
    else if (casing === 'lower') lower += 1;
    else mixed += 1;
  };
  file.stages.forEach(({ from, instructions }) => {
    count(from);
    instructions.forEach(count);
  });
  if (mixed === 0 && (lower === 0 || upper === 0)) return;
  const wantLower = lower > upper;
  const instructions = file.stages.flatMap((stage): readonly Instruction[] => [stage.from, ...stage.instructions]);
  for (const instruction of instructions) {
    if (instruction.casing === (wantLower ? 'lower' : 'upper')) continue;
    const { keyword, kind, range } = instruction;
    const wanted = wantLower ? kind.toLowerCase() : kind;
    const place = { range, comments: [], exact: keyword.range };
    linter.report(LINT_RULES.ConsistentInstructionCasing, place, [keyword.text, wantLower ? 'lowercase' : 'uppercase'], {
      fix: { title: `write ${wanted}`, edits: [{ range: keyword.range, text: wanted }] },
    });
  }
}
