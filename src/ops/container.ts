// A root filesystem that a frontend runs processes in, one after the other or several at once. What they write is theirs alone and is gone
// with the container.

import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import { AsyncDisposableStack, type JobContext, toBytePath } from '../base/index.ts';
import type { ExecSpec } from '../graph/index.ts';
import type { ProcessMount, SignalName } from '../runtime/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { openPipe } from '../sys/index.ts';
import type { OpDeps } from './deps.ts';
import { prepareMount, secretVariables } from './exec-mounts.ts';
import { materialize } from './selection.ts';

/** What all processes of a container share. The first mount is the root. */
export interface ContainerSpec extends Pick<ExecSpec, 'mounts' | 'network' | 'hostname' | 'extraHosts'> {
  /** Read-only files in memory, by absolute path. */
  readonly files?: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/** One process. */
export type ContainerProcessSpec = Pick<ExecSpec, 'args' | 'env' | 'cwd' | 'user' | 'security' | 'secretEnv'>;

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
      const { secretEnv: _, ...rest } = process;
      const env = [...process.env, ...(await secretVariables(process, redact, deps))];
      const signal = AbortSignal.any([job.signal, stop.signal]);
      const streams = openStreams();
      let begun: (send: (name: SignalName) => Promise<void>) => void = () => {};
      const sending = new Promise<(name: SignalName) => Promise<void>>((resolve) => (begun = resolve));
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
              started: (send) => {
                streams.handedOver();
                begun(send);
              },
            },
          },
          { ...job, signal },
        )
        .then(({ exitCode }) => exitCode)
        .finally(() => streams.handedOver());
      running.add(ended);
      const over = ended.then(
        () => undefined,
        () => undefined,
      );
      void over.then(() => running.delete(ended));
      return { ...streams.ours, ended, signal: async (name) => (await Promise.race([sending, over]))?.(name) };
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

interface Streams {
  readonly ours: { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable };
  readonly theirs: { readonly stdin: number; readonly stdout: number; readonly stderr: number };
  /** Closes their ends here, once. */
  handedOver(): void;
}

function openStreams(): Streams {
  const input = openPipe();
  const output = openPipe();
  const errors = openPipe();
  let open = true;
  return {
    ours: {
      stdin: streamOf(input.write, { readable: false, writable: true }),
      stdout: streamOf(output.read, { readable: true, writable: false }),
      stderr: streamOf(errors.read, { readable: true, writable: false }),
    },
    theirs: { stdin: input.read, stdout: output.write, stderr: errors.write },
    handedOver: () => {
      if (open) for (const fd of [input.read, output.write, errors.write]) closeSync(fd);
      open = false;
    },
  };
}

function streamOf(fd: number, ways: { readonly readable: boolean; readonly writable: boolean }): Duplex {
  const socket = new Socket({ fd, ...ways });
  // A process may end without reading what it was given.
  socket.on('error', () => socket.destroy());
  return socket;
}
