// What `--iidfile` and `--metadata-file` say about the outputs of a build (docker buildx build).

import type { Digest } from '../base/index.ts';
import { descriptorFields } from '../oci/index.ts';
import type { OutputResult } from './source.ts';

/** `--iidfile`: the config's digest of a single image, else the index's. Undefined: nothing was exported as an image. */
export function imageIdOf(results: readonly OutputResult[]): Digest | undefined {
  const result = results.findLast(({ descriptor }) => descriptor !== undefined);
  return result?.configDigest ?? result?.descriptor?.digest;
}

/** Members of `--metadata-file` that outputs answer for; of several outputs the last one that has a member. */
export function outputMetadata(results: readonly OutputResult[]): Readonly<Record<string, unknown>> {
  const metadata: Record<string, unknown> = {};
  for (const { descriptor, configDigest, names } of results) {
    if (descriptor === undefined) continue;
    if (configDigest !== undefined) metadata['containerimage.config.digest'] = configDigest;
    metadata['containerimage.descriptor'] = descriptorFields(descriptor);
    metadata['containerimage.digest'] = descriptor.digest;
    if (names.length > 0) metadata['image.name'] = names.join(',');
  }
  return metadata;
}
