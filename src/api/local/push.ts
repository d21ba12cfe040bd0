// Pushes an image of the store as it is.

import type { JobContext } from '../../base/index.ts';
import type { Engine, RegistryClient } from '../../build/parts.ts';
import { RpcError } from '../wire/rpc-error.ts';

export function pushStored(
  _store: Engine['store'],
  _registry: RegistryClient,
  name: string,
  _job: JobContext,
): Promise<{ digest: string; size: number }> {
  return Promise.reject(new RpcError('unimplemented', `pushing ${name} is not supported yet`));
}
