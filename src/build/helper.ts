// The process that `build()` and its relatives start for a program: takes one request, sends events and one result, ends.

import type { ProgressEvent } from '../base/index.ts';
import { buildHere } from './build.ts';
import type { LoadProtocol } from './foreign-frontend.ts';
import { type HelperMessage, type HelperRequest, type HelperWork, plainError, type WorkKind } from './process.ts';
import type { BuildFailure } from './result.ts';
import { runImageHere } from './run-image.ts';
import { buildTogetherHere } from './together.ts';
import { checkStoreHere, pruneHere, usageHere } from './upkeep.ts';

/** How each kind of work is done. */
const WORK: {
  readonly [K in WorkKind]: (options: HelperWork[K]['options'], protocol: LoadProtocol) => Promise<HelperWork[K]['result']>;
} = {
  build: buildHere,
  together: buildTogetherHere,
  usage: usageHere,
  prune: pruneHere,
  check: checkStoreHere,
  run: runImageHere,
};

/** Work that hears of no signal while it goes on, for it never waits. It leaves nothing half done, so it may end anywhere. */
const UNHEARING: readonly WorkKind[] = ['usage', 'check'];
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Serves the one request that this process was started for. */
export function runHelper(protocol: LoadProtocol): void {
  const abort = new AbortController();
  const giveUp = (): void => abort.abort(Object.assign(new Error('cancelled'), { name: 'AbortError' }));
  for (const name of SIGNALS) process.on(name, giveUp);
  process.on('disconnect', giveUp);
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
    if (UNHEARING.includes(request.kind)) for (const name of SIGNALS) process.off(name, giveUp);
    const work = WORK[request.kind] as (options: object, protocol: LoadProtocol) => Promise<HelperWork[WorkKind]['result']>;
    void work({ ...request.options, settings, ...hears }, protocol)
      .then((result) => say({ type: 'result', result }))
      .catch((error: unknown) => say({ type: 'error', error: plainError(error) }))
      .finally(() => {
        if (process.connected) process.disconnect();
      });
  });
}
