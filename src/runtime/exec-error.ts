// How a process fails, in words.

import { constants } from 'node:os';
import { SlipwayError } from '../base/index.ts';

/** Facts of an `EXEC_EXIT`. */
export interface ExecFacts {
  readonly argv: readonly string[];
  readonly exitCode: number;
  /** Name of the signal that ended it, when one did (`SIGKILL`). */
  readonly signal?: string;
  readonly outOfMemory?: boolean;
  /** The last 8 KiB of what it printed. */
  readonly outputTail: string;
}

/** The error for an exit code that is not valid. */
export function exitError(facts: ExecFacts): SlipwayError {
  const hint = exitHint(facts);
  return new SlipwayError('EXEC_EXIT', `process "${facts.argv.join(' ')}" did not complete successfully: exit code: ${facts.exitCode}`, {
    facts: { ...facts },
    ...(hint === undefined ? {} : { hint }),
  });
}

function exitHint({ exitCode, signal, outOfMemory }: ExecFacts): string | undefined {
  if (outOfMemory === true) return 'killed for want of memory: it needs more than its limit';
  if (signal === 'SIGKILL') return 'killed by SIGKILL; perhaps out of memory';
  if (signal === 'SIGILL') return 'killed by SIGILL: the program uses instructions that this processor lacks';
  if (signal === 'SIGSYS') return 'killed by SIGSYS: a system call that the sandbox does not allow';
  if (signal !== undefined) return `killed by ${signal}`;
  if (exitCode === 126) return 'the command was found but cannot be executed: check its mode and that it is of this platform';
  if (exitCode === 127) return 'command not found in this stage';
  return undefined;
}

/** The signal that an exit code of 128 and more stands for. */
export function signalOfExit(exitCode: number): string | undefined {
  const number = exitCode - 128;
  if (number <= 0) return undefined;
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
