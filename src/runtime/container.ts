// One container: the runtime's process from its start to its end, with cancellation and time-out.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, SlipwayError } from '../base/index.ts';
import type { Enclosure } from './enclosure.ts';
import { resizeInnerTerminal, setNewest } from './inner-terminal.ts';
import type { ProcessControl } from './process-spec.ts';
import type { OciRuntime } from './programs.ts';
import type { StartedProcess } from './started-process.ts';
import type { SpawnRequest } from '../sys/index.ts';

/** What is needed to start a container whose bundle is written. */
export interface ContainerStart {
  readonly enclosure: Enclosure;
  readonly runtime: OciRuntime;
  /** A copy of the runtime's program that starts faster; undefined: there is none. */
  readonly sealed: () => string | undefined;
  /** The `unshare` program, for runc. */
  readonly unshare: string;
  /** Folder of config.json. */
  readonly bundle: string;
  readonly id: string;
  /** stdin, stdout and stderr of the process. */
  readonly stdio: readonly ('ignore' | 'inherit' | number)[];
  /** cgroup.procs files that the runtime joins before it starts. */
  readonly joinFiles: readonly string[];
  /** Environment of the runtime itself. */
  readonly env: Readonly<Record<string, string>>;
}

/** How a container ended. */
export type ContainerEnd =
  | { readonly state: 'exited'; readonly code: number }
  /** The runtime could not start the process. */
  | { readonly state: 'failed'; readonly message: string };

/** A started container. */
export interface Container extends ProcessControl {
  /** The process has its output; what we hold of it can be closed. */
  readonly started: Promise<void>;
  readonly ended: Promise<ContainerEnd>;
}

/** Starts the container. `bundle` must be private: it has the runtime's log too. */
export function startContainer(start: ContainerStart): Container {
  const { enclosure, runtime, bundle, id } = start;
  const log = join(bundle, 'log');
  // crun's text is for people: once the program takes its place it has no log, and tells them what is wrong with the program.
  // Without the kind of log it would take what is in front of a colon in our path for one.
  const format = runtime.name === 'crun' ? 'text' : 'json';
  const global = [
    '--root',
    join(enclosure.runDir, 'state'),
    '--log',
    runtime.name === 'crun' ? `file:${log}` : log,
    '--log-format',
    format,
  ];
  // Our own cgroup is made around the runtime; its manager would need rights (bpf, memlock) that root in a container lacks.
  if (runtime.name === 'crun') global.push('--cgroup-manager=disabled');
  const run = [...global, 'run', '--bundle', bundle, id];
  const child = startRuntime(start, run);
  const ended = containerEnd(child, log);
  let over = false;
  void ended.then(
    () => (over = true),
    () => (over = true),
  );
  /** Not created yet, or just gone: the next look will tell. */
  const soon = (): Promise<unknown> => Promise.race([ended.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 20))]);
  /** Asks the runtime about the container until it does it, or the container ended. */
  const command = async (...words: readonly string[]): Promise<void> => {
    while (!over) {
      const done = await new Promise<boolean>((resolve) => {
        const [asker, askArgs] = invocation(start, [...global.slice(0, 2), ...words]);
        const ask = enclosure.spawn(asker, askArgs, { stdio: 'ignore', env: start.env });
        ask.once('error', () => resolve(false));
        ask.once('exit', (code) => resolve(code === 0));
      });
      if (done) return;
      await soon();
    }
  };
  return {
    started: Promise.resolve(),
    ended,
    signal: (name) => command('kill', id, name),
    resized: setNewest((size) => over || resizeInnerTerminal(child.pid, size), soon),
  };
}

/** Throws `EXEC_START`. */
function startRuntime(start: ContainerStart, args: readonly string[]): StartedProcess {
  const { enclosure, runtime, bundle, env, stdio, joinFiles } = start;
  const [program, programArgs] = joined(invocation(start, args), joinFiles);
  const request: SpawnRequest = {
    path: program,
    argv: [program, ...programArgs],
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    cwd: bundle,
    stdio: stdio.map((end, index) => (end === 'inherit' ? index : end)),
  };
  const copy = program === runtime.path ? start.sealed() : undefined;
  if (copy !== undefined) {
    try {
      return enclosure.start({ ...request, path: copy });
    } catch (error) {
      // Something forbids programs in memory.
      if (errnoOf(error) === undefined) throw error;
    }
  }
  try {
    return enclosure.start(request);
  } catch (cause) {
    throw new SlipwayError('EXEC_START', `the OCI runtime cannot be started: ${(cause as Error).message}`, { cause });
  }
}

/** runc looks its children up in /proc, so it needs the one of the PID namespace that it is started in; crun does not. */
function invocation({ runtime, unshare }: ContainerStart, args: readonly string[]): readonly [string, readonly string[]] {
  return runtime.name === 'crun' ? [runtime.path, args] : [unshare, ['--mount-proc', '--', runtime.path, ...args]];
}

function joined([program, args]: readonly [string, readonly string[]], joinFiles: readonly string[]): readonly [string, readonly string[]] {
  if (joinFiles.length === 0) return [program, args];
  const script = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"';
  return ['/bin/sh', ['-c', script, 'sh', String(joinFiles.length), ...joinFiles, program, ...args]];
}

const SIGKILL = 9;

async function containerEnd(child: StartedProcess, log: string): Promise<ContainerEnd> {
  const status = await child.ended.catch((cause: Error) => {
    throw new SlipwayError('EXEC_START', `the OCI runtime cannot be started: ${cause.message}`, { cause });
  });
  const code = 'code' in status ? status.code : status.signal === SIGKILL ? 137 : 1;
  if (code === 0) return { state: 'exited', code };
  const message = runtimeError(log);
  return message === undefined ? { state: 'exited', code } : { state: 'failed', message };
}

/** The runtime's own last error; undefined when the exit code is the process's. */
function runtimeError(log: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(log, 'utf8');
  } catch {
    return undefined;
  }
  for (const line of text.trim().split('\n').reverse()) {
    try {
      const entry = JSON.parse(line) as { level?: string; msg?: string };
      if (entry.level === 'error' && entry.msg !== undefined) return entry.msg.trim();
    } catch {
      const message = line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z: /, '').trim();
      if (message !== '') return message;
    }
  }
  return undefined;
}
