// What is behind a source now, as `ResolveSourceMeta` answers it: to frontends, and to a client that decides by it.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { BackendBuild } from './backend.ts';
import type { Platform, SourceFacts } from './engine.ts';
import type { ResolveSourceMetaRequest, ResolveSourceMetaResponseSchema } from './gen/gateway_pb.ts';
import type { SourceOp } from './gen/llb_pb.ts';
import { decodeSource } from './llb/source-id.ts';
import type { CapturedImage } from './provenance/capture.ts';

export type SourceAnswer = MessageInitShape<typeof ResolveSourceMetaResponseSchema>;

export interface SourceMeta {
  readonly answer: SourceAnswer;
  /** The image that was looked up, when the source is one. */
  readonly image?: CapturedImage;
}

/** Looks a source up that the policies admitted. */
export async function sourceMeta(
  engine: BackendBuild,
  op: SourceOp,
  platform: Platform,
  request: Pick<ResolveSourceMetaRequest, 'logName' | 'resolveMode' | 'image' | 'git'>,
): Promise<SourceMeta> {
  const source = decodeSource(op, platform);
  const log = request.logName === '' ? `resolve ${op.identifier}` : request.logName;
  switch (source.kind) {
    case 'image': {
      const mode = request.resolveMode === 'pull' || request.resolveMode === 'local' ? request.resolveMode : 'default';
      const image = await engine.resolveImage(source.ref, platform, mode, log);
      return {
        answer: {
          source: op,
          image: { digest: image.digest ?? '', ...(request.image?.noConfig !== true && { config: image.rawConfig }) },
        },
        image: { ref: source.ref, platform, digest: image.digest, local: false },
      };
    }
    case 'oci-layout': {
      const image = await engine.resolveLayout(source, log);
      return {
        answer: { source: op, image: { digest: image.digest ?? '', config: image.rawConfig } },
        image: { ref: source.ref, platform, digest: image.digest, local: true },
      };
    }
    case 'git':
      return { answer: { source: op, git: gitAnswer(await engine.resolveSource(source, log), request.git?.returnObject === true) } };
    case 'http': {
      const { checksum, filename = '', lastModified } = await engine.resolveSource(source, log);
      const changed = lastModified === undefined ? {} : { lastModified: timestampFromDate(lastModified) };
      return { answer: { source: op, http: { checksum, filename, ...changed } } };
    }
    case 'local':
      return { answer: { source: op } };
  }
}

function gitAnswer(facts: SourceFacts, withObjects: boolean): SourceAnswer['git'] {
  return {
    checksum: facts.checksum,
    ref: facts.ref ?? '',
    commitChecksum: facts.commitChecksum ?? '',
    ...(withObjects && { commitObject: facts.commitObject ?? new Uint8Array(), tagObject: facts.tagObject ?? new Uint8Array() }),
  };
}
