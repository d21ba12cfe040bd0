// A failed call as gRPC carries it: code, message, typed details.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { type Status, StatusSchema } from '../gen/status_pb.ts';

/** gRPC status codes by name (grpc/doc/statuscodes.md). */
export const CODES = {
  ok: 0,
  canceled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

export type CodeName = keyof typeof CODES;

const NAMES = new Map<number, CodeName>(Object.entries(CODES).map(([name, code]) => [code, name as CodeName]));

/** A failed call, ours or one that the other side failed. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: CodeName;
  readonly details: readonly Any[];

  constructor(code: CodeName, message: string, details: readonly Any[] = [], options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** Whether `error` is a failed call with that code. */
export function isRpcError(error: unknown, code?: CodeName): error is RpcError {
  return error instanceof RpcError && (code === undefined || error.code === code);
}

const DETAIL_PREFIX = 'github.com/moby/buildkit/';

/** A typed detail. BuildKit's own (`errdefs.Vertex`, `errdefs.Source`, `stack.Stack`, …) travel as JSON under this kind of URL. */
export function detail(type: string, value: object): Any {
  return create(AnySchema, { typeUrl: `${DETAIL_PREFIX}${type}+json`, value: Buffer.from(JSON.stringify(value)) });
}

/** Whether the error carries a detail of that type. */
export function hasDetail(error: RpcError, type: string): boolean {
  return error.details.some((any) => any.typeUrl === `${DETAIL_PREFIX}${type}+json`);
}

/** The error's detail of that type; undefined when it has none that can be read. */
export function detailOf(error: RpcError, type: string): unknown {
  const found = error.details.find((any) => any.typeUrl === `${DETAIL_PREFIX}${type}+json`);
  try {
    return found === undefined ? undefined : JSON.parse(Buffer.from(found.value).toString());
  } catch {
    return undefined;
  }
}

/**
 * Longest message that is told, characters. It travels in trailers, twice and escaped: HTTP/2 libraries take about 128 KiB of them, and some
 * fall silent over more.
 */
const MAX_TOLD = 16 << 10;

/** The message as it is told: the middle of a very long one is left out. */
export function toldMessage({ message }: RpcError): string {
  if (message.length <= MAX_TOLD) return message;
  const half = MAX_TOLD / 2;
  return `${message.slice(0, half)} … ${message.slice(-half)}`;
}

/** The error as a `google.rpc.Status`. */
export function errorToStatus(error: RpcError): Status {
  return create(StatusSchema, { code: CODES[error.code], message: toldMessage(error), details: [...error.details] });
}

/** A `google.rpc.Status` as an error. An unknown code reads as `unknown`. */
export function statusToError(status: Status): RpcError {
  return new RpcError(NAMES.get(status.code) ?? 'unknown', status.message, status.details);
}

/** Reads what trailers say: undefined for success. `details` is `grpc-status-details-bin`, decoded. */
export function errorFromTrailers(code: number, message: string, details: Uint8Array | undefined): RpcError | undefined {
  if (code === 0) return undefined;
  const name = NAMES.get(code) ?? 'unknown';
  if (details === undefined) return new RpcError(name, message);
  return new RpcError(name, message, fromBinary(StatusSchema, details).details);
}

/** What goes into `grpc-status-details-bin`; undefined when there are no details. */
export function detailsBytes(error: RpcError): Uint8Array | undefined {
  return error.details.length === 0 ? undefined : toBinary(StatusSchema, errorToStatus(error));
}
