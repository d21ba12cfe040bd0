// What this builder says of itself.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BuildBackend } from '../backend.ts';
import type { BuildkitVersionSchema, WorkerRecordSchema } from '../gen/worker_pb.ts';
import { encodePlatform } from '../llb/source-id.ts';
import { BUILDKIT_VERSION, DOCKERFILE_VERSION } from '../versions.ts';

/** The version that clients see. */
export function buildkitVersion(backend: BuildBackend): MessageInitShape<typeof BuildkitVersionSchema> {
  return { package: 'slipway', version: BUILDKIT_VERSION, revision: backend.version, dockerfileVersion: DOCKERFILE_VERSION };
}

/** The one worker: this machine. */
export function workerRecord(backend: BuildBackend): MessageInitShape<typeof WorkerRecordSchema> {
  return {
    id: backend.worker.id,
    labels: { ...backend.worker.labels },
    platforms: backend.worker.platforms.map(encodePlatform),
    buildkitVersion: buildkitVersion(backend),
  };
}
