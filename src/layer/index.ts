// The layer room: what a change set is, its forms, and what turns one into another.

export { type BlobBlock, type BlockSource, decodeBlocks, encodeBlocks } from './block-map.ts';
export { BlockPipeline, type CompressedBlob, openPipeline, type PipelineOptions } from './block-pipeline.ts';
export { type BlockCodec, type CodecChoice, codecId, type CodecName, openCodec } from './codec.ts';
export { contentDigest, pathDigest, type SelectedPath } from './content-digest.ts';
export { decompress, type DecompressOptions, detectFormat, MAGIC_BYTES, type StreamFormat } from './decompress.ts';
export { diffFolder, type DiffOptions, type OverlayNamespace } from './diff-folder.ts';
export { compareEntryPaths, type Entry, type EntryKind } from './entry.ts';
export { assembleEstargz, type EstargzTable } from './estargz.ts';
export { FactsDigest } from './facts-digest.ts';
export type { FolderRights } from './folder-form.ts';
export { FolderForm } from './folder-form.ts';
export { decodeEntries, decodeLayerIndex, encodeLayerIndex, IndexColumns } from './index-file.ts';
export { checkPathLength, findEntry, isCleanPath, makeLayerIndex, subtreeEnd } from './layer-index.ts';
export { withKeptOwner } from './kept-owners.ts';
export { LayerWriter, type LayerWriterOptions, openLayerWriter, type PackedLayer, type WrittenLayer } from './layer-writer.ts';
export { materializeLayer, type MaterializeOptions } from './materialize.ts';
export { readLayer, type ReadLayerOptions, regroupLayer } from './read-layer.ts';
export { sha256Of } from './sha256.ts';
export { type StackLayer, StackTree } from './stack-tree.ts';
export { BLOCK, encodeTarHeader, hasTarForm, padding, TAR_END, tarDataSize } from './tar-header.ts';
export { assembleTar, assembleTarOf, type AssembleOptions, type EntryBytes, type GroupSink, MAX_GROUP } from './tar-groups.ts';
export { DEFAULT_TAR_LIMITS, type TarLimits, type TarMember, TarReader, type TarSink } from './tar-reader.ts';
export type { FileBytes, LayerIndex, OwnPack, Tree } from './tree.ts';
export { trimUnchanged } from './trim-unchanged.ts';
export { tarBound, unpackBound } from './unpack-bound.ts';
export { cleanPath, LayerUnpacker, type Unpacked, type UnpackOptions } from './unpack.ts';
export { isLayerXattr, isOverlayXattr, opaqueName, readWhiteout, whiteoutName } from './whiteout.ts';
