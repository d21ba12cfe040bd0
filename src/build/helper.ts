// The process that `build()` starts for a program: takes one set of options, sends events and one result, ends.

import { buildHere } from './build.ts';
import type { LoadProtocol } from './foreign-frontend.ts';
import type { BuildOptions } from './options.ts';
import { type HelperMessage, plainError } from './process.ts';

/** Serves the one build that this process was started for. */
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

  process.once('message', (options: BuildOptions) => {
    void buildHere(
      {
        ...options,
        settings: { programEnv: environment, ...options.settings },
        signal: abort.signal,
        onProgress: (event) =>
          say({ type: 'event', event: event.type === 'failed' ? { ...event, error: new Error(event.error.message) } : event }),
        onFailure: (failure) => say({ type: 'failure', failure }),
      },
      protocol,
    )
      .then((result) => say({ type: 'result', result }))
      .catch((error: unknown) => say({ type: 'error', error: plainError(error) }))
      .finally(() => {
        if (process.connected) process.disconnect();
      });
  });
}
