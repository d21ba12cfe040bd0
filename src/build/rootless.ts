// An ordinary user's command starts itself anew inside a user namespace, where it may mount and own files of many ids; a program's builds are
// started there.

import { type ChildProcess, fork, type ForkOptions } from 'node:child_process';
import { chooseRung, type HostView, mapIds, needsReexec, planReexec, reexec, type ReexecPlan, viewHost } from '../runtime/index.ts';
import { SlipwayError } from '../base/index.ts';

/** What the command was started with. */
export interface CommandStart {
  /** Program and arguments, to be started again. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Forced rung. */
  readonly rung: string | undefined;
}

/**
 * Where this machine's rung needs it, starts the command again inside its namespaces and resolves with its exit code; else undefined, and
 * the caller goes on. A machine without any rung goes on too: what executes nothing works everywhere, and a step that must execute
 * says what is missing. Throws for a forced rung that cannot be had.
 */
export async function enterRootless(start: CommandStart): Promise<number | undefined> {
  const inside = planInside(start);
  return inside === undefined ? undefined : await reexec(inside.plan, start.env, inside.host);
}

/** A helper process of a program: inside the namespaces where this machine's rung needs them. Throws as `enterRootless`. */
export async function forkInside(module: string, { command, env, rung }: CommandStart, options: ForkOptions): Promise<ChildProcess> {
  const gate = 4;
  const inside = planInside({ command, env, rung }, gate);
  if (inside === undefined) return fork(module, options);
  const { plan, host } = inside;
  const stdio = [...(options.stdio as readonly StdioName[]), ...(plan.mapping === undefined ? [] : (['pipe'] as const))];
  const child = fork(module, { ...options, execPath: plan.program, execArgv: [...plan.args], stdio });
  if (plan.mapping !== undefined && child.pid !== undefined) {
    try {
      await mapIds(child.pid, plan.mapping, host);
    } catch (error) {
      child.kill('SIGKILL'); // else it waits at its gate, and the program for it
      throw error;
    }
    (child.stdio[gate] as NodeJS.WritableStream).end('\n');
  }
  return child;
}

type StdioName = 'ignore' | 'inherit' | 'ipc' | 'pipe';

function planInside(
  { command, env, rung }: CommandStart,
  gate?: number,
): { readonly plan: ReexecPlan; readonly host: HostView } | undefined {
  if (process.getuid?.() === 0) return undefined;
  const host = viewHost(env['PATH'] ?? '');
  let chosen;
  try {
    chosen = chooseRung(host, rung);
  } catch (error) {
    if (rung !== undefined || !(error instanceof SlipwayError)) throw error;
    return undefined;
  }
  return needsReexec(chosen, host) ? { plan: planReexec(chosen, command, host, gate), host } : undefined;
}
