// `--chmod`: octal for everything, or symbolic as BSD's chmod(1) reads it (`u=rwX,go=rX`), with umask 0.

import { SlipwayError, unreachable } from '../base/index.ts';

/** Gives the new permission bits (0o7777) of a file or directory. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

/** One clause's effect, in order. `who` are the bits that may change. */
type Step =
  | { readonly op: '+' | '-'; readonly bits: number }
  /** `X`: execute where the file already had it, and for directories. */
  | { readonly op: 'X'; readonly bits: number }
  /** `g=u`: the triple of one class onto others. */
  | { readonly op: 'copy'; readonly from: 'u' | 'g' | 'o'; readonly how: '+' | '-' | '='; readonly targets: readonly number[] };

const CLASSES: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: 0o6777 };
const SHIFT = { u: 6, g: 3, o: 0 } as const;
const STICKY = 0o1000;

/** Parses a mode. Throws `CHMOD_INVALID` with BuildKit's words. */
export function parseModeChange(mode: number | string): ModeChange {
  if (typeof mode === 'number') return () => mode & 0o7777;
  if (/^[0-9]/.test(mode)) {
    const octal = /^[0-7]+$/.test(mode) ? parseInt(mode, 8) : Infinity;
    if (octal > 0o7777) {
      throw new SlipwayError('CHMOD_INVALID', `invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777`);
    }
    return () => octal;
  }
  const steps = parseSymbolic(mode);
  return (before, isDirectory) => steps.reduce((bits, step) => applyStep(step, bits, before, isDirectory), before & 0o7777);
}

function parseSymbolic(text: string): readonly Step[] {
  const steps: Step[] = [];
  let index = 0;
  const bad = (): SlipwayError =>
    new SlipwayError('CHMOD_INVALID', `invalid chmod parameter: '${text}'. invalid syntax`, {
      hint: 'write an octal number (`644`) or clauses such as `u=rwX,go=rX`',
    });
  for (;;) {
    let who = 0;
    for (; (CLASSES[text[index] ?? ''] ?? 0) !== 0; index += 1) who |= CLASSES[text[index] as string] as number;
    if (!/[-+=]/.test(text[index] ?? '')) throw bad();
    while (/[-+=]/.test(text[index] ?? '')) {
      const op = text[index] as '+' | '-' | '=';
      index += 1;
      index = parsePermissions(text, index, op, who, steps);
    }
    if (index >= text.length) return steps;
    if (text[index] !== ',') throw bad();
    index += 1;
  }
}

/** One `op` with its letters; appends what it does and returns where it ends. */
function parsePermissions(text: string, start: number, op: '+' | '-' | '=', classes: number, steps: Step[]): number {
  const onlyOthers = classes !== 0 && (classes & ~0o7) === 0;
  let who = classes;
  let bits = 0;
  let conditional = 0;
  let cleared = op !== '=';
  const flush = (atEnd: boolean): void => {
    if (bits !== 0 || (atEnd && !cleared)) {
      if (op === '=') steps.push({ op: '-', bits: who === 0 ? 0o6777 : who });
      steps.push({ op: op === '-' ? '-' : '+', bits: who === 0 ? bits : bits & who });
      cleared = true;
    }
    if (conditional !== 0) steps.push({ op: 'X', bits: who === 0 ? conditional : conditional & who });
    bits = conditional = 0;
  };
  for (let index = start; ; index += 1) {
    const letter = text[index];
    if (letter === 'r') bits |= 0o444;
    else if (letter === 'w') bits |= 0o222;
    else if (letter === 'x' || (letter === 'X' && op === '-')) bits |= 0o111;
    else if (letter === 'X') conditional |= 0o111;
    else if (letter === 's') bits |= onlyOthers ? 0 : 0o6000;
    else if (letter === 't') {
      // As in BSD, `t` counts as a class of its own from here on: `+rt` sets only the sticky bit.
      if (onlyOthers) continue;
      who |= STICKY;
      bits |= STICKY;
    } else if (letter === 'u' || letter === 'g' || letter === 'o') {
      flush(false);
      cleared = true;
      const targets = (['u', 'g', 'o'] as const)
        .filter((name) => who === 0 || (who & (0o4 << SHIFT[name])) !== 0)
        .map((name) => SHIFT[name]);
      steps.push({ op: 'copy', from: letter, how: op, targets });
    } else {
      flush(true);
      return index;
    }
  }
}

function applyStep(step: Step, bits: number, before: number, isDirectory: boolean): number {
  switch (step.op) {
    case '+':
      return bits | step.bits;
    case '-':
      return bits & ~step.bits;
    case 'X':
      return isDirectory || (before & 0o111) !== 0 ? bits | step.bits : bits;
    case 'copy': {
      const triple = (bits >> SHIFT[step.from]) & 0o7;
      let result = bits;
      for (const shift of step.targets) {
        if (step.how === '-') result &= ~(triple << shift);
        else result = (step.how === '=' ? result & ~(0o7 << shift) : result) | (triple << shift);
      }
      return result;
    }
    default:
      return unreachable(step);
  }
}
