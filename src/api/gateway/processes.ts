// The conversation of `ExecProcess`: Init starts a process, which is answered by Started, then File messages of its output, Exit, and
// Done once everything was said. The client sends its input, signals, and sizes of terminals.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Readable } from 'node:stream';
import { waitAtMost } from '../../base/index.ts';
import type { ContainerProcess, ContainerProcessSpec, SignalName } from '../engine.ts';
import { toRpcError } from '../failure.ts';
import type { ExecMessage, ExecMessageSchema, InitMessage } from '../gen/gateway_pb.ts';
import { decodeSecurity } from '../llb/decode-exec.ts';
import { errorToStatus, isRpcError, RpcError } from '../wire/rpc-error.ts';

type Answer = MessageInitShape<typeof ExecMessageSchema>;

/** Exit code of what has none (BuildKit's `UnknownExitStatus`). */
const UNKNOWN_EXIT = 255;
/** For how long, in milliseconds, what is typed waits for a terminal whose size cannot be set: it may be hidden. */
const SIZED_WITHIN_MS = 1000;
/** Answers that wait for a slow client before processes have to wait too. */
const MAX_WAITING = 32;
const SIGNALS: ReadonlySet<string> = new Set(['HUP', 'INT', 'QUIT', 'KILL', 'USR1', 'USR2', 'TERM', 'CONT', 'STOP', 'WINCH']);

/** Starts a process in the container of that id. */
export type StartProcess = (container: string, process: ContainerProcessSpec) => Promise<ContainerProcess>;

/** Answers one call. Processes that run when it ends are ended. */
export async function* runProcesses(
  requests: AsyncIterable<ExecMessage>,
  start: StartProcess,
  signal: AbortSignal,
): AsyncGenerator<Answer> {
  const processes = new Map<string, ContainerProcess>();
  /** Those that did not start: what is meant for them may be under way. */
  const failed = new Set<string>();
  const sizes = new Map<string, Promise<void>>();
  const talks = new Set<Promise<void>>();
  const answers = new AnswerQueue(signal);
  const read = async (): Promise<void> => {
    for await (const { processId: id, input } of requests) {
      if (id === '') throw new RpcError('invalidArgument', 'ProcessID required');
      const known = processes.get(id);
      if (input.case === 'init') {
        if (known !== undefined) throw new RpcError('alreadyExists', `Process ${id} already exists`);
        const { value } = input;
        const begin = async (): Promise<ContainerProcess> => start(value.containerId, processSpec(value));
        const process = await begin().catch((error: unknown) => tellFailed(id, error, answers));
        if (process === undefined) {
          failed.add(id);
          continue;
        }
        process.ended.catch(() => {});
        processes.set(id, process);
        const talk = tell(id, process, input.value.fds, answers);
        talks.add(talk);
        talk.catch(() => {});
        continue;
      }
      if (failed.has(id)) continue;
      if (known === undefined) throw new RpcError('notFound', `IO for process "${id}" not found`);
      if (input.case === 'file') {
        // Whoever types sees the terminal as large as it was said to be before.
        const size = sizes.get(id);
        if (size !== undefined) await waitAtMost(size, SIZED_WITHIN_MS);
        sizes.delete(id);
        await feed(known, input.value);
      } else if (input.case === 'signal') await known.signal(signalName(input.value.name));
      else if (input.case === 'resize') sizes.set(id, resize(known, input.value));
      else throw new RpcError('invalidArgument', `unexpected message ${input.case ?? 'without content'}`);
    }
    await Promise.all(talks);
  };
  read().then(
    () => answers.end(),
    (error: unknown) => answers.fail(error),
  );
  try {
    yield* answers.read();
  } finally {
    for (const process of processes.values()) void process.signal('KILL');
    await Promise.allSettled([...processes.values()].map(({ ended }) => ended));
  }
}

function processSpec({ meta, security, secretenv, tty }: InitMessage): ContainerProcessSpec {
  if (meta === undefined || meta.args.length === 0) throw new RpcError('invalidArgument', 'a process without arguments');
  return {
    args: meta.args,
    env: meta.env,
    cwd: meta.cwd === '' ? '/' : meta.cwd,
    user: meta.user,
    security: decodeSecurity(security),
    ...(tty && { terminal: true }),
    ...(secretenv.length > 0 && { secretEnv: secretenv.map(({ id, name, optional }) => ({ id, name, optional })) }),
  };
}

/** Not waited for, since it wants the process to have its terminal; a size that cannot be set is no reason to end anything. */
function resize(process: ContainerProcess, { rows, cols }: { readonly rows: number; readonly cols: number }): Promise<void> {
  return process.resize(terminalSide(cols), terminalSide(rows)).catch(() => {});
}

/** Sizes are 16 bits in the kernel. */
function terminalSide(value: number): number {
  if (value < 0 || value > 0xffff) throw new RpcError('invalidArgument', `a terminal cannot be ${value} characters wide or high`);
  return value;
}

function signalName(text: string): SignalName {
  const name = text.toUpperCase().replace(/^SIG/, '');
  if (!SIGNALS.has(name)) throw new RpcError('invalidArgument', `Unknown signal ${text}`);
  return name as SignalName;
}

/** Input for the process; one that reads no more drops it. */
async function feed({ stdin }: ContainerProcess, { fd, data, eof }: { fd: number; data: Uint8Array; eof: boolean }): Promise<void> {
  if (fd !== 0) throw new RpcError('invalidArgument', `descriptor ${fd} takes no input`);
  if (data.length > 0 && !stdin.destroyed && !stdin.write(data)) {
    await new Promise<void>((resolve) => {
      stdin.once('drain', resolve).once('close', resolve);
    });
  }
  if (eof) stdin.end();
}

/** A process that could not be started is one that ended: clients wait for its end, whatever becomes of the call. */
async function tellFailed(id: string, error: unknown, answers: AnswerQueue): Promise<undefined> {
  // There is no such container: nothing of this call can be answered.
  if (isRpcError(error, 'notFound')) throw error;
  await answers.put({ processId: id, input: { case: 'started', value: {} } });
  const exit = { code: UNKNOWN_EXIT, error: errorToStatus(toRpcError(error)) };
  await answers.put({ processId: id, input: { case: 'exit', value: exit } });
  await answers.put({ processId: id, input: { case: 'done', value: {} } });
}

async function tell(id: string, process: ContainerProcess, fds: readonly number[], answers: AnswerQueue): Promise<void> {
  if (!fds.includes(0)) process.stdin.end();
  await answers.put({ processId: id, input: { case: 'started', value: {} } });
  const outputs = [
    [1, process.stdout],
    [2, process.stderr],
  ] as const;
  const copies = outputs.map(([fd, stream]) => copy(id, fd, stream, fds.includes(fd), answers));
  const exit = await process.ended.then(
    (code) => ({ code, ...(code !== 0 && { error: errorToStatus(new RpcError('unknown', `exit code: ${code}`)) }) }),
    (error: unknown) => ({ code: UNKNOWN_EXIT, error: errorToStatus(toRpcError(error)) }),
  );
  await Promise.all(copies);
  await answers.put({ processId: id, input: { case: 'exit', value: exit } });
  await answers.put({ processId: id, input: { case: 'done', value: {} } });
}

async function copy(id: string, fd: number, stream: Readable, wanted: boolean, answers: AnswerQueue): Promise<void> {
  try {
    for await (const data of stream as AsyncIterable<Buffer>) {
      if (wanted) await answers.put({ processId: id, input: { case: 'file', value: { fd, data } } });
    }
  } catch {
    // The process was given up: its end says so.
  }
  if (wanted) await answers.put({ processId: id, input: { case: 'file', value: { fd, eof: true } } });
}

/** Answers of several processes in one stream. Who puts more than the client takes has to wait. */
class AnswerQueue {
  readonly #signal: AbortSignal;
  readonly #waiting: Answer[] = [];
  #wake: () => void = () => {};
  #room: (() => void)[] = [];
  #end: { readonly error?: unknown } | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.end(), { once: true });
  }

  async put(answer: Answer): Promise<void> {
    while (this.#waiting.length >= MAX_WAITING && this.#end === undefined) await new Promise<void>((resolve) => this.#room.push(resolve));
    if (this.#signal.aborted) return;
    this.#waiting.push(answer);
    this.#wake();
  }

  end(): void {
    this.#close({});
  }

  fail(error: unknown): void {
    this.#close({ error });
  }

  async *read(): AsyncGenerator<Answer> {
    for (;;) {
      const answer = this.#waiting.shift();
      if (answer !== undefined) {
        for (const resume of this.#room.splice(0)) resume();
        yield answer;
      } else if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error as Error;
        return;
      } else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #close(end: { readonly error?: unknown }): void {
    this.#end ??= end;
    this.#wake();
    for (const resume of this.#room.splice(0)) resume();
  }
}
