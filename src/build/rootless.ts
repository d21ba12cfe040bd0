// An ordinary user's command starts itself anew inside a user namespace, where it may mount and own files of many ids.

import { chooseRung, needsReexec, planReexec, reexec, viewHost } from '../runtime/index.ts';
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
export async function enterRootless({ command, env, rung }: CommandStart): Promise<number | undefined> {
  if (process.getuid?.() === 0) return undefined;
  const host = viewHost(env['PATH'] ?? '');
  let chosen;
  try {
    chosen = chooseRung(host, rung);
  } catch (error) {
    if (rung !== undefined || !(error instanceof SlipwayError)) throw error;
    return undefined;
  }
  if (!needsReexec(chosen, host)) return undefined;
  return await reexec(planReexec(chosen, command, host), env, host);
}
