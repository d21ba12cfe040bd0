// A whole answer's body, bounded: what breaks off in the middle is the network's failure, by name.

import { protocolFault, unreachable, type About } from './faults.ts';
import { readBody, type WireAnswer } from './transport.ts';

/** Reads a body of at most `limit` bytes. Throws `REGISTRY_PROTOCOL` for a longer one, `REGISTRY_UNREACHABLE` when it breaks off. */
export async function readAnswer(
  answer: WireAnswer,
  { url, limit, about, signal }: { readonly url: URL; readonly limit: number; readonly about: About; readonly signal: AbortSignal },
): Promise<Buffer> {
  let bytes: Buffer | undefined;
  try {
    bytes = await readBody(answer, limit, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw unreachable(error, url, about);
  }
  if (bytes === undefined) throw protocolFault(`sends more than ${limit} bytes where no sound answer has as many`, url, about);
  return bytes;
}
