// What `--iidfile` and `--metadata-file` say about the outputs of a build (docker buildx build).

import { SlipwayError } from '../base/index.ts';
import { descriptorFields } from '../oci/index.ts';
import type { OutputResult } from './source.ts';

/** `--iidfile`: the config's digest of a single image, else the index's. Throws `IIDFILE_WITHOUT_IMAGE` when nothing was exported as an image. */
export function imageIdOf(results: readonly OutputResult[]): string {
  const result = results.findLast(({ descriptor }) => descriptor !== undefined);
  const id = result?.configDigest ?? result?.descriptor?.digest;
  if (id !== undefined) return id;
  throw new SlipwayError('IIDFILE_WITHOUT_IMAGE', 'there is no image id: no output is an image', {
    hint: 'leave --iidfile out, or add an output of type image, oci or docker',
  });
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
