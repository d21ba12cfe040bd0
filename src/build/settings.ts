// From the settings of a builder to what each room is told.

import type { RegistryConfig } from '../registry/index.ts';
import type { Settings } from './options.ts';

/** Registry client's configuration. */
export function registryConfig(settings: Settings, now: () => Date): RegistryConfig {
  const { registries, dockerConfig, certificateFiles, proxies, programEnv, maxDownloads, maxUploads } = settings;
  return {
    now,
    ...(registries === undefined ? {} : { registries }),
    ...(dockerConfig === undefined ? {} : { dockerConfig }),
    ...(certificateFiles === undefined ? {} : { certificateFiles }),
    ...(proxies === undefined ? {} : { proxies }),
    ...(programEnv === undefined ? {} : { programEnv }),
    ...(maxDownloads === undefined ? {} : { maxDownloads }),
    ...(maxUploads === undefined ? {} : { maxUploads }),
  };
}
