// What changed between two small texts, line by line, as people read it.

/** Texts with more lines between the first and the last change are shown as one block. */
const MAX_CELLS = 4_000_000;

/** Changed lines behind `- ` and `+ `, with the number of the line in its own text. */
export function lineDiff(before: string, after: string): readonly string[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) [endA, endB] = [endA - 1, endB - 1];
  const kept = common(a.slice(start, endA), b.slice(start, endB));
  const out: string[] = [];
  const width = String(Math.max(endA, endB)).length;
  const show = (sign: string, number: number, line: string): number =>
    out.push(`${sign} ${String(number + 1).padStart(width)} | ${line.replace(/\r$/, '')}`);
  let [i, j] = [start, start];
  for (const line of [...kept, undefined]) {
    for (; i < endA && a[i] !== line; i += 1) show('-', i, a[i] as string);
    for (; j < endB && b[j] !== line; j += 1) show('+', j, b[j] as string);
    [i, j] = [i + 1, j + 1];
  }
  return out;
}

/** Longest common subsequence. */
function common(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a.length * b.length > MAX_CELLS) return [];
  const width = b.length + 1;
  const length = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => length[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      length[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const out: string[] = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length;) {
    if (a[i] === b[j]) {
      out.push(a[i] as string);
      [i, j] = [i + 1, j + 1];
    } else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return out;
}
