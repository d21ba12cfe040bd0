// How a process fails, in words.

import { constants } from 'node:os';
import { SlipwayError } from '../base/index.ts';
import { outputHint, type SpokenStep } from './output-hints.ts';
import { rungHint } from './rung-hints.ts';
import type { Rung } from './rungs.ts';

/** Facts of an `EXEC_EXIT`. */
export interface ExecFacts {
  readonly argv: readonly string[];
  readonly exitCode: number;
  /** Name of the signal that ended it, when one did (`SIGKILL`). */
  readonly signal?: string;
  readonly outOfMemory?: boolean;
  readonly outOfProcesses?: boolean;
  /** The filesystem of its root had no room left when it ended. */
  readonly diskFull?: boolean;
  /** The last 8 KiB of what it printed. */
  readonly outputTail: string;
}

/** The error for an exit code that is not valid, on a rung that may be the reason. `step`: who ended so. */
export function exitError(facts: ExecFacts, rung: Rung, step: SpokenStep): SlipwayError {
  const hint = (facts.outOfMemory === true ? undefined : rungHint(rung, facts.outputTail)) ?? exitHint(facts, step);
  return new SlipwayError('EXEC_EXIT', `process "${facts.argv.join(' ')}" did not complete successfully: exit code: ${facts.exitCode}`, {
    facts: { ...facts },
    ...(hint === undefined ? {} : { hint }),
  });
}

/** What a step's limits did to it, for whoever it failed. */
export const OUT_OF_PROCESSES = 'it wanted more processes than its limit (--pids-limit) allows';

function exitHint(facts: ExecFacts, step: SpokenStep): string | undefined {
  const { exitCode, signal, outOfMemory, outOfProcesses, diskFull, outputTail } = facts;
  if (outOfMemory === true) return 'killed for want of memory: it needs more than its limit';
  if (outOfProcesses === true) return OUT_OF_PROCESSES;
  // The first process of a container is not killed by SIGXFSZ: it is told instead.
  if (signal === 'SIGXFSZ' || /file too large/i.test(outputTail)) return 'it wrote a larger file than its limit (--ulimit fsize) allows';
  if (diskFull === true || /no space left on device|ENOSPC/i.test(outputTail))
    return "the disk of slipway's store is full: slipway prune, or a store on a larger disk (--root)";
  if (signal === 'SIGKILL') return 'killed by SIGKILL; perhaps out of memory';
  if (signal === 'SIGILL') return 'killed by SIGILL: the program uses instructions that this processor lacks';
  if (signal === 'SIGSYS') return 'killed by SIGSYS: a system call that the sandbox does not allow';
  if (signal !== undefined) return `killed by ${signal}`;
  const told = outputHint(outputTail, exitCode, step);
  if (told !== undefined) return told;
  if (exitCode === 126) return 'the command was found but cannot be executed: check its mode and that it is of this platform';
  if (exitCode === 127) return notFoundHint(outputTail);
  return undefined;
}

/** Which bases have which program to install packages. */
const PACKAGE_PROGRAMS: Readonly<Record<string, string>> = {
  'apt-get': 'bases made of Debian and Ubuntu',
  apt: 'bases made of Debian and Ubuntu',
  apk: 'bases made of Alpine',
  dnf: 'bases made of Fedora and its kin',
  microdnf: 'bases made of Fedora and its kin',
  yum: 'bases made of Fedora and its kin',
  zypper: 'bases made of SUSE',
  pacman: 'bases made of Arch',
};

/** What to do about a command that the shell did not find: its last words name it (`sh: 1: make: not found`, `bash: line 1: make: command not found`). */
function notFoundHint(outputTail: string): string {
  const name = [
    ...outputTail.matchAll(/(?:^|: )([^\s:]{1,100}): (?:(?:command )?not found|cannot execute: required file not found)\s*$/gm),
  ].at(-1)?.[1];
  if (name === undefined) return 'command not found in this stage';
  if (name.includes('/'))
    return `${name} is not in this stage, or the program that its first line (#!) names is not (also if the line ends with CRLF), or a library it needs`;
  const bases = PACKAGE_PROGRAMS[name];
  if (bases !== undefined) return `${name} is not in this stage: ${bases} have it; use this base's own, or another base`;
  return `${name} is not in this stage: install it in an earlier step, or begin with an image that has it`;
}

/**
 * The code that a shell would end with where a program cannot be started: 127 when it is not there, 126 when it is there and cannot be
 * executed. Undefined: what the runtime says is not about the program.
 */
export function exitCodeOfStart(message: string): number | undefined {
  if (!/\bexecutable\b|\bexec: |\bspawn /.test(message)) return undefined;
  if (/not found|no such file|ENOENT/i.test(message)) return 127;
  return /permission denied|not permitted|is a directory|EACCES/i.test(message) ? 126 : undefined;
}

/** The signal that an exit code of 128 and more stands for. */
export function signalOfExit(exitCode: number): string | undefined {
  const number = exitCode - 128;
  if (number <= 0) return undefined;
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
