// A client that sends definitions of its own (LLB), as other frontends than Dockerfile's do.

import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Control, type SolveRequestSchema } from '../../src/api/gen/control_pb.ts';
import { LLBBridge } from '../../src/api/gen/gateway_pb.ts';
import { type DefinitionSchema, OpSchema } from '../../src/api/gen/llb_pb.ts';
import { RpcChannel } from '../../src/api/wire/channel.ts';
import { RpcError } from '../../src/api/wire/rpc-error.ts';

type OpInit = MessageInitShape<typeof OpSchema>;
type DefinitionInit = MessageInitShape<typeof DefinitionSchema>;

/** An op, and all that it stands on. */
export interface Step {
  readonly digest: string;
  readonly ops: ReadonlyMap<string, Uint8Array>;
}

/** An op on the outputs of others: each one's first, or a numbered one. */
export function step(op: NonNullable<OpInit['op']>, ...inputs: readonly (Step | readonly [Step, number])[]): Step {
  const edges = inputs.map((input) => ('digest' in input ? ([input, 0] as const) : input));
  const message = { op, inputs: edges.map(([{ digest }, index]) => ({ digest, index: BigInt(index) })) };
  const bytes = toBinary(OpSchema, create(OpSchema, message));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { digest, ops: new Map([...edges.flatMap(([{ ops }]) => [...ops]), [digest, bytes]]) };
}

/** A source, `docker-image://…` and the like. */
export function source(identifier: string, attrs: Readonly<Record<string, string>> = {}): Step {
  return step({ case: 'source', value: { identifier, attrs } });
}

/** The suite's busybox. */
export const busybox = source('docker-image://docker.io/library/busybox:latest');

/** A shell command in `root`. */
export function run(root: Step, command: string): Step {
  const meta = { args: ['/bin/sh', '-c', command], env: ['PATH=/bin:/usr/bin:/sbin'], cwd: '/' };
  return step({ case: 'exec', value: { meta, mounts: [{ input: 0n, dest: '/', output: 0n }] } }, root);
}

/** A file, in `root` or alone. */
export function file(path: string, text: string, root?: Step): Step {
  const mkfile = { path, mode: 0o644, data: Buffer.from(text), timestamp: -1n };
  const action = {
    input: root === undefined ? -1n : 0n,
    secondaryInput: -1n,
    output: 0n,
    action: { case: 'mkfile' as const, value: mkfile },
  };
  return step({ case: 'file', value: { actions: [action] } }, ...(root === undefined ? [] : [root]));
}

/** The definition whose result is an output of `result`. */
export function definition(result: Step, index = 0, more: Pick<DefinitionInit, 'source' | 'metadata'> = {}): DefinitionInit {
  const end = toBinary(OpSchema, create(OpSchema, { inputs: [{ digest: result.digest, index: BigInt(index) }] }));
  return { ...more, def: [...result.ops.values(), end] };
}

let solved = 0;

type RequestInit = MessageInitShape<typeof SolveRequestSchema>;

/** Has a definition solved by the server at `socket`. Resolves with what its exporters say; rejects with a `RpcError`. */
export function solve(
  socket: string,
  wanted: DefinitionInit,
  request: Pick<
    RequestInit,
    'exporters' | 'frontendAttrs' | 'entitlements' | 'session' | 'enableSessionExporter' | 'sourcePolicy' | 'sourcePolicySession'
  > = {},
): Promise<Readonly<Record<string, string>>> {
  return solveWith(socket, { ...request, definition: wanted });
}

/** As `solve`, with any request. */
export async function solveWith(socket: string, request: RequestInit): Promise<Readonly<Record<string, string>>> {
  const channel = new RpcChannel(connect(socket));
  try {
    const message = { ref: `definition-${process.pid}-${(solved += 1)}`, ...request };
    return (await channel.unary(Control.method.solve, message, AbortSignal.timeout(120_000))).exporterResponse;
  } finally {
    channel.close();
  }
}

/** As `solve`, by a frontend in the client: it returns the definition's result together with `metadata`. */
export async function solveByFrontend(
  socket: string,
  wanted: DefinitionInit,
  metadata: Readonly<Record<string, string>>,
  request: Parameters<typeof solve>[2] = {},
): Promise<Readonly<Record<string, string>>> {
  const channel = new RpcChannel(connect(socket));
  const signal = AbortSignal.timeout(120_000);
  const ref = `frontend-${process.pid}-${(solved += 1)}`;
  const build = { 'buildkit-controlapi-buildid': ref };
  try {
    const done = channel.unary(Control.method.solve, { ref, ...request }, signal);
    done.catch(() => {});
    const made = await channel.unary(LLBBridge.method.solve, { definition: wanted, allowResultReturn: true }, signal, build);
    const id = made.result?.result.case === 'plainRef' ? made.result.result.value : '';
    const bytes = Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value)]));
    await channel.unary(LLBBridge.method.return, { result: { result: { case: 'plainRef', value: id }, metadata: bytes } }, signal, build);
    return (await done).exporterResponse;
  } finally {
    channel.close();
  }
}

/** Streams what the server answers to one message. Each answer is the bytes of a message. */
export async function* listen(socket: string, path: string, message: Uint8Array): AsyncGenerator<Uint8Array> {
  const channel = new RpcChannel(connect(socket));
  try {
    const call = channel.stream(path, AbortSignal.timeout(120_000));
    await call.send(Buffer.from(message));
    call.closeSend();
    yield* call.messages;
  } finally {
    channel.close();
  }
}

/** The answer to a definition that must fail. */
export async function failure(socket: string, wanted: DefinitionInit, request: Parameters<typeof solve>[2] = {}): Promise<RpcError> {
  try {
    await solve(socket, wanted, request);
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error('the definition was solved');
}
