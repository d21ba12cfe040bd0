// A layer is fetched when the first step looks into it, but it is not that step's: it is shown where it comes from, as BuildKit shows it.

import type { JobContext } from '../base/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { RemoteBlob } from './types.ts';

/** Milliseconds between two reports of one transfer. */
const REPORT_EVERY = 100;

/** The same blob, whose transfer is reported as the step `vertex`: bytes that came, of the blob's. */
export function shownAs(vertex: string, blob: RemoteBlob): RemoteBlob {
  return { ...blob, open: async (job) => counted(vertex, blob.descriptor, await blob.open(job), job) };
}

async function* counted(id: string, { digest, size }: Descriptor, bytes: AsyncIterable<Uint8Array>, job: JobContext) {
  let current = 0;
  let reportedAt = job.now().getTime();
  const report = (time: number, done: boolean): void => {
    reportedAt = time;
    job.progress({ type: 'status', id, status: digest, current, total: size, unit: 'bytes', done, time });
  };
  for await (const chunk of bytes) {
    current += chunk.byteLength;
    const time = job.now().getTime();
    if (time - reportedAt >= REPORT_EVERY) report(time, false);
    yield chunk;
  }
  report(job.now().getTime(), true);
}
