// A root filesystem that a frontend runs processes in, one after the other or several at once. What they write is theirs alone and is gone
// with the container.

import type { Readable, Writable } from 'node:stream';
import { AsyncDisposableStack, type JobContext, toBytePath } from '../base/index.ts';
import type { ExecSpec } from '../graph/index.ts';
import type { ProcessControl, ProcessMount, SignalName } from '../runtime/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { openStreams, openTerminalStreams } from './container-streams.ts';
import type { OpDeps } from './deps.ts';
import { prepareMount, secretVariables } from './exec-mounts.ts';
import { materialize } from './selection.ts';

/** What all processes of a container share. The first mount is the root. */
export interface ContainerSpec extends Pick<ExecSpec, 'mounts' | 'network' | 'hostname' | 'extraHosts'> {
  /** Read-only files in memory, by absolute path. */
  readonly files?: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/** One process. */
export interface ContainerProcessSpec extends Pick<ExecSpec, 'args' | 'env' | 'cwd' | 'user' | 'security' | 'secretEnv'> {
  /** It talks to a terminal: all that it says is on `stdout`. */
  readonly terminal?: boolean;
}

/** Disposing it ends its processes and takes the root away. */
export interface Container extends AsyncDisposable {
  /** Starts a process. Rejects when something it needs is missing. */
  start(process: ContainerProcessSpec): Promise<ContainerProcess>;
}

/** A process that was started. */
export interface ContainerProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when it is delivered, or the process is over. */
  signal(name: SignalName): Promise<void>;
  /** Sets the size of its terminal, in characters; nothing without one. Resolves as `signal` does. */
  resize(columns: number, rows: number): Promise<void>;
  /** Exit code, whichever it is. Rejects when the process could not be started or was given up. */
  readonly ended: Promise<number>;
}

const ANY_EXIT_CODE = Array.from({ length: 256 }, (_, code) => code);

/** Mounts the root and what goes into it. `inputs` have their bytes. */
export async function openContainer(
  id: string,
  spec: ContainerSpec,
  inputs: readonly RootFS[],
  deps: OpDeps,
  job: JobContext,
): Promise<Container> {
  await using stack = new AsyncDisposableStack();
  const [rootMount, ...others] = spec.mounts;
  if (rootMount === undefined) throw new Error('internal: a container without root filesystem');
  const sandbox = await deps.sandbox();
  const redact: Uint8Array[] = [];
  const mounts: ProcessMount[] = [];
  for (const mount of others) {
    const made = await prepareMount({ ...mount, output: -1 }, inputs, sandbox, [], redact, stack, deps, job);
    if (made !== undefined) mounts.push(made);
  }
  for (const { path, data } of spec.files ?? []) mounts.push({ type: 'secret', dest: toBytePath(path), data, uid: 0, gid: 0, mode: 0o444 });
  const lowers = await materialize(inputs[rootMount.input], deps, job);
  const root = stack.use(await sandbox.mounter.mount({ lowers, mountPoints: sandbox.executor.mountPoints({ mounts, cwd: '/' }) }, job));
  const stop = new AbortController();
  const running = new Set<Promise<unknown>>();
  stack.defer(async () => {
    stop.abort(new DOMException('the container is released', 'AbortError'));
    await Promise.allSettled(running);
  });
  const owned = stack.move();
  return {
    start: async (process) => {
      const { secretEnv: _, terminal = false, ...rest } = process;
      const env = [...process.env, ...(await secretVariables(process, redact, deps)), ...(terminal ? terminalEnv(process.env) : [])];
      const signal = AbortSignal.any([job.signal, stop.signal]);
      const streams = terminal ? openTerminalStreams() : openStreams();
      let begun: (control: ProcessControl) => void = () => {};
      const controlled = new Promise<ProcessControl>((resolve) => (begun = resolve));
      const ended = sandbox.executor
        .run(
          {
            ...rest,
            id,
            root: root.root,
            env,
            network: spec.network,
            mounts,
            ...(rootMount.readonly && { readonlyRoot: true }),
            ...(spec.hostname !== undefined && { hostname: spec.hostname }),
            ...(spec.extraHosts !== undefined && { extraHosts: spec.extraHosts }),
            validExitCodes: ANY_EXIT_CODE,
            stdio: {
              ...streams.theirs,
              terminal,
              started: (control) => {
                streams.handedOver();
                begun(control);
              },
            },
          },
          { ...job, signal },
        )
        .then(({ exitCode }) => exitCode)
        .finally(() => streams.over());
      running.add(ended);
      const over = ended.then(
        () => undefined,
        () => undefined,
      );
      void over.then(() => running.delete(ended));
      const control = (): Promise<ProcessControl | undefined> => Promise.race([controlled, over]);
      return {
        ...streams.ours,
        ended,
        signal: async (name) => (await control())?.signal(name),
        resize: async (columns, rows) => {
          if (!streams.resize({ columns, rows })) return;
          await (await control())?.resized({ columns, rows });
        },
      };
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function terminalEnv(env: readonly string[]): readonly string[] {
  return env.some((entry) => entry.startsWith('TERM=')) ? [] : ['TERM=xterm'];
}
