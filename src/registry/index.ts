// The registry room: pulls from and pushes to registries (OCI distribution spec). The only room that knows their protocol.

export {
  type BlobOptions,
  type CallOptions,
  type FetchedConfig,
  openRegistry,
  type PushProgress,
  type PushRequest,
  RegistryClient,
  type ResolvedImage,
} from './client.ts';
export type { PushBlob, PushOutcome } from './blob-writer.ts';
export type { AuthEntry, CredentialSource, DockerConfig, ProxySettings, RegistryConfig, RegistrySettings } from './config.ts';
export type { FetchedManifest } from './documents.ts';
export { login, type LoginRequest, logout } from './docker-config-file.ts';
export type { PushManifest } from './manifest-writer.ts';
export { isLoopback, proxyFor } from './proxy.ts';
export { bytesBlob, fileBlob } from './push-blobs.ts';
export { Transport } from './transport.ts';
