// What every decompressor says of data that it does not accept.

import { SlipwayError } from '../base/index.ts';

/** Data that its decompressor does not accept. */
export function streamBroken(format: string, cause: unknown): SlipwayError {
  return new SlipwayError('STREAM_BROKEN', `damaged ${format} data: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
