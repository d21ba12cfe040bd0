// The members of an image archive: an OCI layout, and for Docker a manifest.json beside it (as BuildKit and containerd write them).

import type { JobContext } from '../base/index.ts';
import { BLOCK, encodeTarHeader, type Entry, padding, TAR_END } from '../layer/index.ts';
import {
  ANNOTATION_CREATED,
  type Descriptor,
  familiarReference,
  imageNameAnnotations,
  LAYOUT_CONTENT,
  LAYOUT_FILE,
  LAYOUT_INDEX_FILE,
  layoutBlobPath,
  OCI,
  parseReference,
  serializeIndex,
} from '../oci/index.ts';
import type { LayerBlob } from '../snapshot/index.ts';
import type { AssembledImage } from './assemble.ts';
import { withBlobFile, blobStream } from './blob-bytes.ts';
import type { Sink } from './sink.ts';

/** A file of an archive: bytes at hand, or a layer. */
export interface ArchiveMember {
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly content:
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
    | { readonly kind: 'layer'; readonly blob: LayerBlob }
    | { readonly kind: 'folder' };
}

/** Entries of a layout's index for an image under its names; without names one that has none. */
export function layoutEntries(root: Descriptor, names: readonly string[], created: Date): readonly Descriptor[] {
  const annotations = {
    ...root.annotations,
    [ANNOTATION_CREATED]: root.annotations?.[ANNOTATION_CREATED] ?? created.toISOString().replace(/\.\d+Z$/, 'Z'),
  };
  if (names.length === 0) return [{ ...root, annotations }];
  return names.map((name) => ({ ...root, annotations: { ...annotations, ...imageNameAnnotations(name) } }));
}

/** All members, sorted by path as containerd sorts them: equal images give equal archives. */
export function archiveMembers(
  image: AssembledImage,
  names: readonly string[],
  type: 'oci' | 'docker',
  created: Date,
): readonly ArchiveMember[] {
  const index = serializeIndex({ schemaVersion: 2, mediaType: OCI.index, manifests: layoutEntries(image.root, names, created) }, 0);
  const blobs = new Map<string, ArchiveMember>();
  for (const blob of image.layers) add(blobs, blob.descriptor, { kind: 'layer', blob });
  for (const { descriptor, bytes } of image.documents) add(blobs, descriptor, { kind: 'bytes', bytes });
  const folders = [...new Set([...blobs.keys()].map((path) => path.slice(0, path.lastIndexOf('/'))))];
  const members = [
    ...blobs.values(),
    ...(folders.length === 0 ? [] : ['blobs', ...folders]).map((path) => ({
      path,
      mode: 0o755,
      size: 0,
      content: { kind: 'folder' } as const,
    })),
    bytesMember(LAYOUT_FILE, 0o444, Buffer.from(LAYOUT_CONTENT)),
    bytesMember(LAYOUT_INDEX_FILE, 0o644, index),
    ...(type === 'docker' ? [bytesMember('manifest.json', 0o644, dockerManifest(image, names))] : []),
  ];
  return members.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Writes members as a tar: everything owned by root and dated to the epoch, so that nothing but content counts. */
export async function writeArchive(
  members: readonly ArchiveMember[],
  sink: Sink,
  job: JobContext,
  onProgress: (bytes: number) => void,
): Promise<void> {
  for (const member of members) {
    const kind = member.content.kind === 'folder' ? 'dir' : 'file';
    const entry: Entry = { path: member.path, kind, mode: member.mode, uid: 0, gid: 0, size: member.size, mtime: 0, mtimeNs: 0 };
    await sink.write(encodeTarHeader(entry));
    if (member.content.kind === 'bytes') await sink.write(member.content.bytes);
    else if (member.content.kind === 'layer') await writeLayer(member.content.blob, sink, job);
    if (padding(member.size) > 0) await sink.write(ZEROS.subarray(0, padding(member.size)));
    onProgress(sink.written);
  }
  await sink.write(TAR_END);
}

/** Bytes of the whole archive. */
export function archiveSize(members: readonly ArchiveMember[]): number {
  return members.reduce((sum, { size }) => sum + BLOCK + size + padding(size), TAR_END.length);
}

const ZEROS = Buffer.alloc(BLOCK);

async function writeLayer(blob: LayerBlob, sink: Sink, job: JobContext): Promise<void> {
  if (blob.path !== undefined) return await withBlobFile(blob, (fd) => sink.copy(fd, 0, blob.descriptor.size));
  for await (const chunk of blobStream(blob, job)) await sink.write(chunk);
}

function add(blobs: Map<string, ArchiveMember>, descriptor: Descriptor, content: ArchiveMember['content']): void {
  const path = layoutBlobPath(descriptor.digest);
  blobs.set(path, { path, mode: 0o444, size: descriptor.size, content });
}

function bytesMember(path: string, mode: number, bytes: Uint8Array): ArchiveMember {
  return { path, mode, size: bytes.length, content: { kind: 'bytes', bytes } };
}

/** What `docker load` reads (Docker image spec v1.2, manifest.json). */
function dockerManifest(image: AssembledImage, names: readonly string[]): Uint8Array {
  const tags = names.map(parseReference).filter(({ tag }) => tag !== undefined);
  const entries = image.manifests.map(({ manifest }) => ({
    Config: layoutBlobPath(manifest.config.digest),
    RepoTags: tags.length === 0 ? null : tags.map(({ digest: _, ...reference }) => familiarReference(reference)),
    Layers: manifest.layers.map(({ digest }) => layoutBlobPath(digest)),
  }));
  return Buffer.from(JSON.stringify(entries));
}
