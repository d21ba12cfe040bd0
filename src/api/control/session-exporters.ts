// Clients that choose the exporters once they know the result.

import type { Build } from './build.ts';
import type { FrontendOutcome } from '../gateway/ref.ts';
import type { SolveRequest } from '../gen/control_pb.ts';
import { Exporter } from '../gen/exporter_pb.ts';
import { FindExporters } from '../session/methods.ts';

/** The exporters of the request, or those that the session names now. */
export async function sessionExporters(
  build: Build,
  result: FrontendOutcome,
  request: SolveRequest,
): Promise<readonly { readonly type: string; readonly attrs: Record<string, string> }[]> {
  if (!request.enableSessionExporter || request.session === '') return request.exporters;
  const session = await build.host.sessions.get(request.session, build.signal);
  if (!session.supports(FindExporters)) return request.exporters;
  const answer = await session.channel.unary(
    Exporter.method.findExporters,
    { metadata: Object.fromEntries(result.metadata), refs: [...result.refs].flatMap(([key, ref]) => (ref === undefined ? [] : key)) },
    build.signal,
  );
  return answer.exporters.length === 0 ? request.exporters : answer.exporters;
}
