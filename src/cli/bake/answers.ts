// `slipway bake --call`: what is asked of the Dockerfile of each target, one after the other, as `docker buildx bake` prints it.

import { type BakePlan, printPlan } from '../../bake/index.ts';
import { type BuildOptions, callDockerfile } from '../../build/index.ts';
import type { BakeCall } from '../../request/bake.ts';
import { protocol } from '../protocol.ts';
import { printLine, type World } from '../world.ts';

/** Answers them in the order of their names. Returns the first exit code that is not 0. */
export async function answerCalls(
  calls: Readonly<Record<string, BakeCall>>,
  plan: BakePlan,
  options: Pick<BuildOptions, 'root' | 'settings' | 'signal'>,
  world: World,
): Promise<number> {
  const documents: Record<string, unknown> = {};
  const parts: string[] = [];
  let code = 0;
  for (const [name, { request, call }] of Object.entries(calls).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const answer = await callDockerfile({ ...request, ...options }, call, protocol);
    if (!call.ignoreStatus && code === 0) code = answer.status;
    const description = plan.targets.get(name)?.description;
    parts.push([name, ...(description === undefined ? [] : [description]), '', answer.text.replace(/\n$/, '')].join('\n'));
    documents[name] = answer.document;
  }
  const asked = Object.values(calls);
  if (asked.every(({ call }) => call.format === 'json')) {
    const printed = JSON.parse(printPlan(plan)) as { readonly group?: object; readonly target: Readonly<Record<string, unknown>> };
    const target = Object.fromEntries(
      Object.entries(printed.target).map(([name, build]) => [
        name,
        { build, ...(name in documents ? { [asked[0]?.call.method ?? 'check']: documents[name] } : {}) },
      ]),
    );
    printLine(world, JSON.stringify({ ...printed, target }, null, 2));
  } else printLine(world, parts.join('\n\n'));
  return code;
}
