// Answers beside a build: outline, targets, check.

import type { SourceText } from '../../base/index.ts';
import { answerCall as answer } from '../../build/parts.ts';
import type { CallAnswer } from '../backend.ts';
import type { GraphOptions, ImageResolver } from '../engine.ts';

const METHODS = { outline: 'outline', targets: 'targets', lint: 'check', describe: 'subrequests.describe' } as const;
const VERSION = '1.0.0';

/** The answer as text and as the documents that BuildKit's clients print. */
export async function answerCall(
  request: keyof typeof METHODS,
  source: SourceText,
  options: GraphOptions,
  resolver: ImageResolver,
  signal: AbortSignal,
): Promise<CallAnswer> {
  const { document, text, status } = await answer(METHODS[request], source, options, resolver, signal);
  return {
    json: JSON.stringify(document, null, '  '),
    text,
    version: VERSION,
    ...(request === 'lint' && { statusCode: status }),
  };
}
