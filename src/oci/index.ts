// The OCI room: documents, platforms, references. Pure.

export { chainId } from './chain-id.ts';
export {
  addToLayoutIndex,
  ANNOTATION_CREATED,
  ANNOTATION_IMAGE_NAME,
  ANNOTATION_REF_NAME,
  findInLayout,
  imageNameAnnotations,
  LAYOUT_CONTENT,
  LAYOUT_FILE,
  LAYOUT_INDEX_FILE,
  layoutBlobPath,
  parseLayoutIndex,
  tagAnnotations,
} from './layout.ts';
export {
  convertLayerType,
  DOCKER,
  IN_TOTO,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  type LayerPacking,
  layerPacking,
  MANIFEST_MEDIA_TYPES,
  OCI,
} from './media-types.ts';
export { CONFIG_LIMIT, parseImageConfig } from './parse-config.ts';
export { MANIFEST_LIMIT, type ManifestDocument, parseIndex, parseManifest, parseManifestDocument } from './parse-manifest.ts';
export {
  formatPlatform,
  formatWholePlatform,
  matchPlatform,
  nodePlatform,
  normalizePlatform,
  parsePlatform,
  platformOfConfig,
  selectPlatform,
} from './platform.ts';
export {
  DOCKER_HUB,
  familiarReference,
  formatReference,
  normalizeReference,
  parseReference,
  type Reference,
  referenceName,
  withDefaultTag,
} from './reference.ts';
export type { Descriptor, Healthcheck, HistoryEntry, ImageConfig, Index, Manifest, Platform, RuntimeConfig } from './types.ts';
export { descriptorFields, serializeImageConfig, serializeIndex, serializeJson, serializeManifest } from './write.ts';
