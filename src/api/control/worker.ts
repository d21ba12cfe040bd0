// What this builder says of itself.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BuildBackend } from '../backend.ts';
import type { BuildkitVersionSchema, WorkerRecordSchema } from '../gen/worker_pb.ts';
import { encodePlatform } from '../llb/source-id.ts';

/** The BuildKit release whose behaviour clients may expect: they switch features on by it. */
const COMPATIBLE_VERSION = 'v0.31.0';
const DOCKERFILE_VERSION = '1.25.0';

export function buildkitVersion(backend: BuildBackend): MessageInitShape<typeof BuildkitVersionSchema> {
  return { package: 'slipway', version: COMPATIBLE_VERSION, revision: backend.version, dockerfileVersion: DOCKERFILE_VERSION };
}

export function workerRecord(backend: BuildBackend): MessageInitShape<typeof WorkerRecordSchema> {
  return {
    id: backend.worker.id,
    labels: { ...backend.worker.labels },
    platforms: backend.worker.platforms.map(encodePlatform),
    buildkitVersion: buildkitVersion(backend),
  };
}
