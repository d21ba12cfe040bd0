// The registry room: pulls from and pushes to registries (OCI distribution spec). The only room that knows their protocol.

export {
  type BlobOptions,
  bytesBlob,
  type CallOptions,
  type FetchedConfig,
  fileBlob,
  mountName,
  openRegistry,
  type PushManifest,
  type PushProgress,
  type PushRequest,
  RegistryClient,
  type ResolvedImage,
} from './client.ts';
export type { PushBlob, PushOutcome } from './blob-writer.ts';
export type { AuthEntry, CredentialSource, DockerConfig, ProxySettings, RegistryConfig, RegistrySettings } from './config.ts';
export type { FetchedManifest } from './documents.ts';
export { login, type LoginRequest, logout } from './docker-config-file.ts';
export { isLoopback, proxyFor } from './proxy.ts';
export { Transport } from './transport.ts';
