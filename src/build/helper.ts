// The process that `build()` starts for a program: takes one request, sends events and one result, ends.

import type { ProgressEvent } from '../base/index.ts';
import { buildHere } from './build.ts';
import type { LoadProtocol } from './foreign-frontend.ts';
import { type HelperMessage, type HelperRequest, plainError } from './process.ts';
import type { BuildFailure } from './result.ts';
import { buildTogetherHere } from './together.ts';

/** Serves the one request that this process was started for. */
export function runHelper(protocol: LoadProtocol): void {
  const abort = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'disconnect'] as const) {
    process.on(name as 'SIGTERM', () => abort.abort(Object.assign(new Error('cancelled'), { name: 'AbortError' })));
  }
  /** What programs see unless the caller says otherwise: this process has the caller's environment. */
  const environment = Object.fromEntries(Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined));
  // Whoever started the build may be gone: then nobody is told, and the build is given up in good order.
  const say = (message: HelperMessage): void => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  };

  process.once('message', (request: HelperRequest) => {
    const settings = { programEnv: environment, ...request.options.settings };
    const hears = {
      signal: abort.signal,
      onProgress: (event: ProgressEvent): void =>
        say({ type: 'event', event: event.type === 'failed' ? { ...event, error: new Error(event.error.message) } : event }),
      onFailure: (failure: BuildFailure, name = ''): void => say({ type: 'failure', failure, name }),
    };
    const built =
      request.kind === 'build'
        ? buildHere({ ...request.options, settings, ...hears }, protocol)
        : buildTogetherHere({ ...request.options, settings, ...hears }, protocol);
    void built
      .then((result) => say({ type: 'result', result }))
      .catch((error: unknown) => say({ type: 'error', error: plainError(error) }))
      .finally(() => {
        if (process.connected) process.disconnect();
      });
  });
}
