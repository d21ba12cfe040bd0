// Clients that choose the exporters once they know the result.

import type { Build } from './build.ts';
import type { FrontendOutcome } from '../gateway/ref.ts';
import type { SolveRequest } from '../gen/control_pb.ts';
import { Exporter } from '../gen/exporter_pb.ts';
import { FinalizeExport, FindExporters } from '../session/methods.ts';
import { isUnimplemented } from '../wire/channel.ts';
import { isRpcError } from '../wire/rpc-error.ts';

/** The exporters of the request, or those that the session names now. */
export async function sessionExporters(
  build: Build,
  result: FrontendOutcome,
  request: SolveRequest,
): Promise<readonly { readonly type: string; readonly attrs: Record<string, string> }[]> {
  if (!request.enableSessionExporter || request.session === '') return request.exporters;
  const session = await build.host.sessions.get(request.session, build.signal);
  if (!session.supports(FindExporters)) return request.exporters;
  const refs = [...result.refs.values()].flatMap((ref) => ref?.id ?? []);
  const metadata = Object.fromEntries(result.metadata);
  const answer = await orNone(session.channel.unary(Exporter.method.findExporters, { metadata, refs }, build.signal));
  return answer === undefined || answer.exporters.length === 0 ? request.exporters : answer.exporters;
}

/** Tells a client that chooses exporters what they answered, before the build is over for it. What it fails with, the build fails with. */
export async function finalizeExport(build: Build, request: SolveRequest, exporterResponse: Record<string, string>): Promise<void> {
  if (!request.enableSessionExporter || request.session === '') return;
  const session = await build.host.sessions.get(request.session, build.signal);
  if (!session.supports(FinalizeExport)) return;
  await orNone(session.channel.unary(Exporter.method.finalizeExport, { exporterResponse }, build.signal));
}

/** The answer; undefined when the client has nobody who would give one. */
async function orNone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isRpcError(error, 'unavailable') || isUnimplemented(error)) return undefined;
    throw error;
  }
}
