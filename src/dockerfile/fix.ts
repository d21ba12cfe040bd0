// Applying the fixes that diagnostics offer.

import type { Diagnostic, Position } from '../base/index.ts';

/** The text with the fixes applied, and what they cured. A fix that overlaps or touches an earlier one is left for another round. */
export function applyFixes(
  text: string,
  diagnostics: readonly Diagnostic[],
): { readonly text: string; readonly cured: readonly Diagnostic[] } {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const offset = ({ line, column }: Position): number => Math.min((starts[line - 1] ?? text.length) + column, text.length);
  const edits: { start: number; end: number; text: string }[] = [];
  const cured: Diagnostic[] = [];
  for (const diagnostic of diagnostics) {
    const { fix } = diagnostic;
    if (fix === undefined) continue;
    const own = fix.edits.map(({ range, text: replacement }) => ({
      start: offset(range.start),
      end: offset(range.end),
      text: replacement,
    }));
    // What only touches another may have been written with the text in mind that goes there.
    if (own.some((edit) => edits.some((other) => edit.start <= other.end && other.start <= edit.end))) continue;
    edits.push(...own);
    cured.push(diagnostic);
  }
  let out = text;
  for (const edit of edits.toSorted((a, b) => b.start - a.start)) {
    out = out.slice(0, edit.start) + edit.text + out.slice(edit.end);
  }
  return { text: out, cured };
}
