// One request to Docker's API, and its answer.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SolveHost } from '../control/solver.ts';
import type { Peer } from '../peer.ts';

/** One request, its path without the version. */
export interface DockerCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly host: SolveHost;
  readonly peer: Peer;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** Answers with a document. */
export function sendJson({ response }: Pick<DockerCall, 'response'>, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}
