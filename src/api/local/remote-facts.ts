// What is behind a git or http source now.

import type { SourceFacts } from '../backend.ts';
import type { SourceSpec } from '../engine.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { LocalBuild } from './build.ts';

export function resolveRemote(_build: LocalBuild, source: SourceSpec['source']): Promise<SourceFacts> {
  return Promise.reject(new RpcError('unimplemented', `facts of ${source.kind} sources are not resolved yet`));
}
