// Media types of the OCI image spec and of Docker's schema 2, and how one is turned into the other.

/** The OCI image spec's names. */
export const OCI = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  foreignLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  foreignLayerGzip: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  foreignLayerZstd: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  empty: 'application/vnd.oci.empty.v1+json',
} as const;

/** Docker's names for the same things. */
export const DOCKER = {
  index: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar',
  layerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  layerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  foreignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  foreignLayerGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  schema1: 'application/vnd.docker.distribution.manifest.v1+json',
  schema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const;

/** An in-toto statement: the layers of an attestation manifest. */
export const IN_TOTO = 'application/vnd.in-toto+json';

/** Everything a manifest request accepts. */
export const MANIFEST_MEDIA_TYPES: readonly string[] = [OCI.index, OCI.manifest, DOCKER.index, DOCKER.manifest];

/** How a layer's bytes are packed, by its media type. */
export type LayerPacking = 'none' | 'gzip' | 'zstd';

const LAYERS: ReadonlyMap<string, { readonly packing: LayerPacking; readonly oci: string; readonly docker: string }> = new Map([
  [OCI.layer, { packing: 'none', oci: OCI.layer, docker: DOCKER.layer }],
  [DOCKER.layer, { packing: 'none', oci: OCI.layer, docker: DOCKER.layer }],
  [OCI.layerGzip, { packing: 'gzip', oci: OCI.layerGzip, docker: DOCKER.layerGzip }],
  [DOCKER.layerGzip, { packing: 'gzip', oci: OCI.layerGzip, docker: DOCKER.layerGzip }],
  [OCI.layerZstd, { packing: 'zstd', oci: OCI.layerZstd, docker: DOCKER.layerZstd }],
  [DOCKER.layerZstd, { packing: 'zstd', oci: OCI.layerZstd, docker: DOCKER.layerZstd }],
  [OCI.foreignLayer, { packing: 'none', oci: OCI.foreignLayer, docker: DOCKER.foreignLayer }],
  [DOCKER.foreignLayer, { packing: 'none', oci: OCI.foreignLayer, docker: DOCKER.foreignLayer }],
  [OCI.foreignLayerGzip, { packing: 'gzip', oci: OCI.foreignLayerGzip, docker: DOCKER.foreignLayerGzip }],
  [DOCKER.foreignLayerGzip, { packing: 'gzip', oci: OCI.foreignLayerGzip, docker: DOCKER.foreignLayerGzip }],
  [OCI.foreignLayerZstd, { packing: 'zstd', oci: OCI.foreignLayerZstd, docker: OCI.foreignLayerZstd }],
]);

/** Whether a document of this media type lists manifests. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI.index || mediaType === DOCKER.index;
}

/** Whether a document of this media type is an image manifest. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === OCI.manifest || mediaType === DOCKER.manifest;
}

/** Whether registries are not meant to hold the blob (OCI image spec, non-distributable layers). */
export function isForeignLayerType(mediaType: string): boolean {
  return mediaType.includes('.nondistributable.') || mediaType.includes('.foreign.');
}

/** How a layer is packed by its name, or undefined for a name we do not know. Docker's plain name may hold gzip; the bytes decide. */
export function layerPacking(mediaType: string): LayerPacking | undefined {
  return LAYERS.get(mediaType)?.packing;
}

/** The same layer's name in the other family; unknown names stay as they are. */
export function convertLayerType(mediaType: string, family: 'oci' | 'docker'): string {
  return LAYERS.get(mediaType)?.[family] ?? mediaType;
}
