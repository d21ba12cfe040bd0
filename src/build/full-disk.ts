// A step that the store's disk has no room for.

import { errnoOf, firstFailure } from '../base/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import type { Op } from '../solver/index.ts';
import { storeFault } from '../store/index.ts';

/** The same op; what it writes to a full disk, wherever that is done, rejects with `STORE_FULL`: so it gets its place and a way out. */
export function tellingFullDisk(op: Op<RootFS>, store: string): Op<RootFS> {
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      const first = firstFailure(error);
      throw ['ENOSPC', 'EDQUOT'].includes(errnoOf(first) ?? '') ? storeFault(first, store, 'this step was done') : error;
    }
  };
  return { ...op, cacheMap: (inputs, job) => told(op.cacheMap(inputs, job)), exec: (inputs, job) => told(op.exec(inputs, job)) };
}
