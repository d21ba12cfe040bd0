// The OCI room: documents, platforms, references. Pure.

export { chainId, chainIds } from './chain-id.ts';
export {
  addToLayoutIndex,
  ANNOTATION_CREATED,
  ANNOTATION_IMAGE_NAME,
  ANNOTATION_REF_NAME,
  checkLayoutFile,
  findInLayout,
  imageNameAnnotations,
  LAYOUT_CONTENT,
  LAYOUT_FILE,
  LAYOUT_INDEX_FILE,
  layoutBlobPath,
  layoutNames,
  parseLayoutIndex,
  tagAnnotations,
} from './layout.ts';
export {
  convertLayerType,
  DOCKER,
  IN_TOTO,
  isDockerType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  layerMediaType,
  type LayerPacking,
  layerPacking,
  MANIFEST_MEDIA_TYPES,
  OCI,
} from './media-types.ts';
export { checkLayerCount, CONFIG_LIMIT, parseImageConfig } from './parse-config.ts';
export { MANIFEST_LIMIT, type ManifestDocument, parseIndex, parseManifest, parseManifestDocument } from './parse-manifest.ts';
export {
  formatPlatform,
  formatWholePlatform,
  LINUX_AMD64,
  matchPlatform,
  nodePlatform,
  normalizePlatform,
  parsePlatform,
  platformOfConfig,
  samePlatform,
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
export { descriptorFields, platformFields, serializeImageConfig, serializeIndex, serializeJson, serializeManifest } from './write.ts';
