// Docker's Engine API, as far as `docker build` calls it.

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { SolveHost } from '../control/solver.ts';

/** Answers Docker's HTTP requests; `inject` hands a raw connection to the gRPC server. */
export function dockerHandler(_host: SolveHost, _inject: (socket: Socket) => void): RequestListener {
  return (_request: IncomingMessage, response: ServerResponse) => {
    response.statusCode = 404;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ message: 'page not found' }));
  };
}
