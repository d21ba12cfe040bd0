// Any failure as what a client shall see: a code, the message, and the details that its display draws the source frame from.

import { createHash } from 'node:crypto';
import type { Any } from '@bufbuild/protobuf/wkt';
import { BuildErrors, errnoOf, firstFailure, isSlipwayError, type SourceLocation } from '../base/index.ts';
import { clientMessage } from '../build/parts.ts';
import { sourceDetails } from './llb/told-sources.ts';
import { type CodeName, detail, detailOf, hasDetail, RpcError } from './wire/rpc-error.ts';

const CODE_BY_ERROR: Readonly<Record<string, CodeName>> = {
  API_MESSAGE: 'invalidArgument',
  BLOB_UNKNOWN: 'notFound',
  ENTITLEMENT_DENIED: 'permissionDenied',
  FILTER_INVALID: 'invalidArgument',
  REGISTRY_UNAUTHORIZED: 'unauthenticated',
};

/** Vertices that errors belong to: who sees a vertex fail notes it here. */
const vertices = new WeakMap<Error, string>();

/** Notes that `error` is the failure of a vertex. */
export function noteVertex(error: Error, vertex: string): void {
  if (!vertices.has(error)) vertices.set(error, vertex);
}

/** Any failure as a failed call. */
export function toRpcError(failure: unknown): RpcError {
  const error = firstFailure(failure);
  if (!(error instanceof Error)) return new RpcError('internal', `internal: ${String(error)}`);
  const details: Any[] = error instanceof RpcError ? [...error.details] : [];
  const location = locationOf(error);
  if (location !== undefined && !(error instanceof RpcError && hasDetail(error, 'errdefs.Source')))
    details.push(...sourceDetails(location));
  const vertex = vertexOf(error);
  if (vertex !== undefined && !(error instanceof RpcError && hasDetail(error, 'errdefs.Vertex')))
    details.push(detail('errdefs.Vertex', { digest: vertex }));
  if (!(error instanceof RpcError && hasDetail(error, 'stack.Stack'))) details.push(stackDetail(error));
  return new RpcError(codeOf(error), messageOf(error), details, { cause: error });
}

function messageOf(error: Error): string {
  if (error.name === 'AbortError' || errnoOf(error) === 'ABORT_ERR') return 'context canceled';
  if (error instanceof BuildErrors && error.errors[0] !== undefined) return error.errors.map(messageOf).join('\n');
  return isSlipwayError(error) ? `${keyFailure(error)}${clientMessage(error)}` : error.message;
}

/** A missing file of a COPY shows while its key is made; clients know the failure by these words. */
function keyFailure(error: Error): string {
  if (!isSlipwayError(error) || !/^"[^"]*": not found$/.test(error.message)) return '';
  const ref = createHash('sha256')
    .update(vertexOf(error) ?? '')
    .digest('hex')
    .slice(0, 25);
  return `failed to compute cache key: failed to calculate checksum of ref ${ref}::${ref}: `;
}

function codeOf(error: Error): CodeName {
  if (error instanceof RpcError) return error.code;
  if (error.name === 'AbortError') return 'canceled';
  if (error.name === 'TimeoutError') return 'deadlineExceeded';
  return isSlipwayError(error) ? (CODE_BY_ERROR[error.code] ?? 'unknown') : 'unknown';
}

function* chain(error: Error): Generator<Error> {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 20; one = one.cause, depth += 1) {
    yield one;
    if (one instanceof BuildErrors && one.errors[0] !== undefined) yield* chain(one.errors[0]);
  }
}

/** Exit code of the process that failed the build; undefined when it failed for something else. */
export function exitCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  for (const one of chain(error)) {
    const code = isSlipwayError(one, 'EXEC_EXIT') ? one.facts['exitCode'] : undefined;
    if (typeof code === 'number') return code;
  }
  return undefined;
}

function locationOf(error: Error): SourceLocation | undefined {
  for (const one of chain(error)) if (isSlipwayError(one) && one.location !== undefined) return one.location;
  return undefined;
}

/** Digest of the vertex whose failure `error` is, or is caused by. */
export function vertexOf(error: Error): string | undefined {
  for (const one of chain(error)) {
    const vertex = vertices.get(one);
    if (vertex !== undefined) return vertex;
  }
  return undefined;
}

/** Vertex that a failed call says it was: what `toRpcError` told a frontend comes back by it. */
export function failedVertexOf(error: RpcError): string | undefined {
  const { digest } = (detailOf(error, 'errdefs.Vertex') ?? {}) as { readonly digest?: unknown };
  return typeof digest === 'string' ? digest : vertexOf(error);
}

/** The place in a text that a failed call tells; undefined when it tells none that can be shown. */
export function sourceOf(error: RpcError): SourceLocation | undefined {
  const told = (detailOf(error, 'errdefs.Source') ?? {}) as {
    readonly info?: { readonly filename?: unknown; readonly data?: unknown };
    readonly ranges?: readonly { readonly start?: TextPlace; readonly end?: TextPlace }[];
  };
  const first = Array.isArray(told.ranges) ? told.ranges[0] : undefined;
  const last = Array.isArray(told.ranges) ? told.ranges.at(-1) : undefined;
  if (typeof told.info?.data !== 'string' || typeof first?.start?.line !== 'number') return undefined;
  const { filename } = told.info;
  const start = { line: first.start.line, column: first.start.character ?? 0 };
  return {
    source: {
      filename: typeof filename === 'string' && filename !== '' ? filename : 'Dockerfile',
      text: Buffer.from(told.info.data, 'base64').toString(),
    },
    range: { start, end: { line: last?.end?.line ?? start.line, column: last?.end?.character ?? start.column } },
  };
}

interface TextPlace {
  readonly line?: number;
  readonly character?: number;
}

/** A failure that says where in the text it belongs, when nothing said so yet. */
export function withPlace(error: unknown, location: SourceLocation | undefined): unknown {
  if (location === undefined || !(error instanceof RpcError) || hasDetail(error, 'errdefs.Source')) return error;
  return new RpcError(error.code, error.message, [...error.details, ...sourceDetails(location)], { cause: error });
}

/** Where in this program it went wrong: clients show it with `--debug`. Without paths of this machine. */
function stackDetail(error: Error): Any {
  const frames = (error.stack ?? '')
    .split('\n')
    .flatMap((line) => {
      const match = /^\s+at (?:(.+?) \()?(?:.*\/)?([^/]+?):(\d+):\d+\)?$/.exec(line);
      return match === null ? [] : [{ Name: match[1] ?? '', File: match[2] ?? '', Line: Number(match[3]) }];
    })
    .slice(0, 32);
  return detail('stack.Stack', {
    frames: frames.length === 0 ? [{ Name: 'slipway', File: 'slipway', Line: 1 }] : frames,
    cmdline: ['slipway'],
  });
}
