// One solve request from beginning to end: frontend, export, history.

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ExportOutcome } from '../backend.ts';
import { toRpcError } from '../failure.ts';
import { Frontends, requestsBehind } from '../frontend/runner.ts';
import { Bridge } from '../gateway/bridge.ts';
import type { FrontendOutcome } from '../gateway/ref.ts';
import {
  type BuildHistoryRecord,
  BuildHistoryRecordSchema,
  BuildResultInfoSchema,
  DescriptorSchema,
  type SolveRequest,
} from '../gen/control_pb.ts';
import { StatusSchema } from '../gen/status_pb.ts';
import { toBinary } from '@bufbuild/protobuf';
import { resultProvenance } from '../provenance/of-result.ts';
import { RequestNode } from '../provenance/request-node.ts';
import type { FolderSync } from '../session/folders.ts';
import { sessionServices } from '../session/services.ts';
import { shownAttributes } from '../shown-attributes.ts';
import { checkPolicies } from '../policy.ts';
import { errorToStatus, RpcError } from '../wire/rpc-error.ts';
import { Build, type BuildHost } from './build.ts';
import type { RunningBuilds } from './builds.ts';
import type { BuildHistory } from './history.ts';
import { finalizeExport, sessionExporters } from './session-exporters.ts';
import { normalizeRequest } from './solve-request.ts';
import { StatusSpool } from './spool.ts';
import { traceDocument } from './trace.ts';
import type { Undertakings } from './undertakings.ts';

export interface SolveHost extends BuildHost {
  readonly sync: FolderSync;
  readonly running: RunningBuilds;
  readonly undertakings: Undertakings;
  readonly history: BuildHistory;
}

/** Runs the request. Resolves with the exporters' answers; rejects with what the client shall see. */
export async function solve(request: SolveRequest, host: SolveHost, clientGone: AbortSignal): Promise<Record<string, string>> {
  if (request.ref === '') throw new RpcError('invalidArgument', 'a solve request without a ref');
  if (host.running.has(request.ref)) throw new RpcError('alreadyExists', `job ID ${request.ref} exists already`);
  normalizeRequest(request);
  const startedAt = host.backend.now();
  host.running.reuse(request.ref);
  const spool = new StatusSpool(host.history.spoolPath(request.ref));
  const record = create(BuildHistoryRecordSchema, {
    ref: request.ref,
    frontend: request.frontend,
    frontendAttrs: shownAttributes(request.frontendAttrs),
    exporters: request.exporters,
    createdAt: timestampFromDate(startedAt),
  });
  const kept = !request.internal;
  if (kept) host.history.start(record);
  let build: Build | undefined;
  let outcome: ExportOutcome | undefined;
  let failure: RpcError | undefined;
  try {
    build = new Build(request, host, spool, clientGone, sessionServices(host, request.session));
    outcome = await run(build, spool, host, startedAt);
    return { ...outcome.response };
  } catch (error) {
    failure = toRpcError(build?.signal.aborted === true && build.signal.reason !== undefined ? preferReason(error, build.signal) : error);
    throw failure;
  } finally {
    await build?.[Symbol.asyncDispose]();
    spool.finish();
    if (kept) {
      await keep(record, spool, outcome, failure, host);
      host.running.remove(request.ref);
    } else host.running.retire(request.ref, spool);
  }
}

/** What fails because the build was given up says why it was given up. */
function preferReason(error: unknown, signal: AbortSignal): unknown {
  return error instanceof Error && error.name === 'AbortError' && signal.reason instanceof Error ? signal.reason : error;
}

async function run(build: Build, spool: StatusSpool, host: SolveHost, startedAt: Date): Promise<ExportOutcome> {
  const { request } = build;
  checkPolicies(build.policies);
  const frontends = new Frontends();
  const inClient = request.frontend === '' && request.definition === undefined;
  const node = new RequestNode(undefined, {
    frontend: request.frontend,
    attributes: request.frontendAttrs,
    inputs: await requestsBehind(build, request.frontendInputs, []),
  });
  await using bridge = inClient ? new Bridge(build, frontends, request.frontendInputs, 0, node) : undefined;
  host.running.add(request.ref, { spool, ...(bridge !== undefined && { bridge }) });
  const answer = bridge !== undefined ? waitForReturn(bridge, build.signal) : frontends.solve(build, frontendRequest(request, node));
  const result = await answer;
  const outputs = await sessionExporters(build, result, request);
  const finished = await build.engine.finish(
    {
      refs: new Map([...result.refs].map(([key, ref]) => [key, ref?.edge])),
      single: result.single,
      metadata: result.metadata,
      attestations: result.attestations,
      ...(result.graph !== undefined && { graph: result.graph }),
      request: {
        ref: request.ref,
        attributes: request.frontendAttrs,
        startedAt,
        ...(result.dockerfile !== undefined && { dockerfile: result.dockerfile }),
        ...(result.dockerfileEdge !== undefined && { dockerfileEdge: result.dockerfileEdge }),
      },
      admit: (source, platform) => build.admitSpec(source, platform, []),
      provenance: (id, platforms) => {
        const ref = result.refs.get(id);
        if (ref === undefined) return undefined;
        const others = new Set([...result.refs.values()].flatMap((one) => one ?? []));
        return resultProvenance(node, ref, others, result.single ? undefined : platforms, {
          pinOf: (vertex) => build.engine.pinOf(vertex),
          nameOf: (name) => build.engine.parseReference(name.replace(/@.*$/s, '')).canonical.replace(/:[^/:]*$/, ''),
        });
      },
    },
    outputs.map(({ type, attrs }, index) => ({ type, attributes: attrs, index })),
    (request.cache?.exports ?? []).map(({ type, attrs }) => ({ type, attributes: attrs })),
  );
  const response = { ...frontendMetadata(result), ...finished.response };
  await finalizeExport(build, request, response);
  return { ...finished, response };
}

function frontendRequest(request: SolveRequest, node: RequestNode): Parameters<Frontends['solve']>[1] {
  return {
    frontend: request.frontend,
    attributes: request.frontendAttrs,
    inputs: request.frontendInputs,
    ...(request.definition !== undefined && { definition: request.definition }),
    cacheImports: [],
    policies: [],
    depth: 0,
    node,
  };
}

function waitForReturn(bridge: Bridge, signal: AbortSignal): Promise<FrontendOutcome> {
  const onAbort = (): void => bridge.fail(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return bridge.returned.finally(() => signal.removeEventListener('abort', onAbort));
}

/** Metadata that frontends address to the client. */
function frontendMetadata(result: FrontendOutcome): Record<string, string> {
  return Object.fromEntries(
    [...result.metadata].filter(([key]) => key.startsWith('frontend.')).map(([key, value]) => [key, Buffer.from(value).toString()]),
  );
}

const STATUS_LOG = 'application/vnd.buildkit.status.v0';
const ERROR = 'application/vnd.googeapis.google.rpc.status+proto';
const TRACE = 'application/vnd.buildkit.otlp.json.v0';

async function keep(
  record: BuildHistoryRecord,
  spool: StatusSpool,
  outcome: ExportOutcome | undefined,
  failure: RpcError | undefined,
  host: SolveHost,
): Promise<void> {
  const { blobs } = host.history;
  const completedAt = host.backend.now();
  record.completedAt = timestampFromDate(completedAt);
  const { counts } = spool;
  record.numTotalSteps = counts.total;
  record.numCompletedSteps = counts.completed;
  record.numCachedSteps = counts.cached;
  record.numWarnings = counts.warnings;
  const log = await blobs.adopt(spool.path, STATUS_LOG);
  spool.path = blobs.find(log.digest)?.path ?? spool.path;
  record.logs = create(DescriptorSchema, log);
  record.trace = create(DescriptorSchema, blobs.put(traceDocument(record), TRACE));
  if (failure !== undefined) {
    const status = errorToStatus(failure);
    record.externalError = create(DescriptorSchema, blobs.put(toBinary(StatusSchema, status), ERROR));
    record.error = create(StatusSchema, { code: status.code, message: status.message });
  }
  if (outcome !== undefined) {
    record.exporterResponse = { ...outcome.response };
    for (const [platform, { predicateType, predicate }] of outcome.provenance) {
      const blob = create(
        DescriptorSchema,
        blobs.put(predicate, 'application/vnd.in-toto+json', { 'in-toto.io/predicate-type': predicateType }),
      );
      const info =
        platform === ''
          ? (record.result ??= create(BuildResultInfoSchema, {}))
          : (record.results[platform] ??= create(BuildResultInfoSchema, {}));
      info.attestations.push(blob);
    }
    for (const [index, { mediaType, bytes, parts }] of outcome.documents) {
      for (const part of parts) blobs.put(part, '');
      const info = (record.result ??= create(BuildResultInfoSchema, {}));
      const descriptor = create(DescriptorSchema, blobs.put(bytes, mediaType));
      info.singleResult ??= descriptor;
      info.results[String(index)] = descriptor;
    }
  }
  host.history.complete(record);
}
