// Putting a manifest: it counts as pushed when the registry has it.

import { type Digest, isSlipwayError } from '../base/index.ts';
import { getManifest, type ReadContext } from './documents.ts';
import { protocolFault } from './faults.ts';
import { headerOf } from './requester.ts';
import { bytesBody, discard } from './transport.ts';

/** A manifest or index to push. */
export interface PushManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

/** Puts a manifest by tag or digest. Throws `REGISTRY_PROTOCOL` when the registry says so and does not have it. */
export async function putManifest(context: ReadContext, name: string, manifest: PushManifest): Promise<void> {
  const { requester, endpoint, reference, about, signal } = context;
  const reply = await requester.send({
    method: 'PUT',
    endpoint,
    repository: reference.repository,
    actions: 'pull,push',
    path: `manifests/${name}`,
    headers: { 'Content-Type': manifest.mediaType },
    body: bytesBody(manifest.bytes),
    accept: [201, 200, 202],
    about: { ...about, subject: 'upload' },
    signal,
  });
  discard(reply);
  const stored = headerOf(reply.headers, 'docker-content-digest');
  if (stored === manifest.digest) return;
  if (stored !== undefined) throw protocolFault(`says that it stored ${stored} instead of ${manifest.digest}`, reply.url, about);
  // 201 is the one answer that means it. Another one without the digest may be a portal's page: asked whether it is there.
  if (reply.status === 201) return;
  const { registry, repository } = reference;
  const place = { registry, repository, ...(name === manifest.digest ? { digest: manifest.digest } : { tag: name }) };
  const kept = await getManifest({ ...context, reference: place }).catch((error: unknown) => {
    if (isSlipwayError(error, 'MANIFEST_UNKNOWN')) return undefined;
    throw error;
  });
  if (kept?.descriptor.digest === manifest.digest) return;
  throw protocolFault(`answered ${reply.status} to the manifest and does not have it`, reply.url, about);
}
