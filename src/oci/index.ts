// The OCI room: documents, platforms, references. Pure.

export type { Descriptor, Healthcheck, HistoryEntry, ImageConfig, Index, Manifest, Platform, RuntimeConfig } from './types.ts';
