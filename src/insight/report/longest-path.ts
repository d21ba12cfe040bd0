// The chain of steps that a build cannot be faster than, however much ran beside it.

/** A step as far as time goes. */
export interface TimedStep {
  readonly milliseconds: number;
  /** Indexes of earlier steps. */
  readonly inputs: readonly number[];
}

/** Indexes of the steps on the longest path, first to last; steps that took no time are left out. */
export function longestPath(steps: readonly TimedStep[]): readonly number[] {
  const total: number[] = [];
  const before: number[] = [];
  for (const [index, { milliseconds, inputs }] of steps.entries()) {
    let longest = -1;
    for (const input of inputs) if (input < index && (longest < 0 || (total[input] ?? 0) > (total[longest] ?? 0))) longest = input;
    before.push(longest);
    total.push(milliseconds + (longest < 0 ? 0 : (total[longest] ?? 0)));
  }
  let last = -1;
  for (const [index, milliseconds] of total.entries()) if (milliseconds > (total[last] ?? 0)) last = index;
  const path: number[] = [];
  for (; last >= 0; last = before[last] ?? -1) if ((steps[last]?.milliseconds ?? 0) > 0) path.push(last);
  return path.reverse();
}
