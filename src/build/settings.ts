// From the settings of a builder to what each room is told.

import type { SourceNetwork } from '../ops/index.ts';
import { type RegistryConfig, Transport } from '../registry/index.ts';
import type { Settings } from './options.ts';

/** Registry client's configuration. */
export function registryConfig(settings: Settings, now: () => Date): RegistryConfig {
  const { registries, dockerConfig, certificateFiles, proxies, programEnv, maxDownloads, maxUploads, userAgent } = settings;
  return {
    now,
    ...(registries === undefined ? {} : { registries }),
    ...(dockerConfig === undefined ? {} : { dockerConfig }),
    ...(certificateFiles === undefined ? {} : { certificateFiles }),
    ...(proxies === undefined ? {} : { proxies }),
    ...(programEnv === undefined ? {} : { programEnv }),
    ...(maxDownloads === undefined ? {} : { maxDownloads }),
    ...(maxUploads === undefined ? {} : { maxUploads }),
    ...(userAgent === undefined ? {} : { userAgent }),
  };
}

/** How git and http sources reach the network: the registries' proxies and certificates, the user's programs. */
export function sourceNetwork(settings: Settings, now: () => Date): SourceNetwork {
  const transport = new Transport(registryConfig(settings, now));
  const { http, https, no } = settings.proxies ?? {};
  const proxies = Object.entries({ HTTP_PROXY: http, HTTPS_PROXY: https, NO_PROXY: no }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const, [name.toLowerCase(), value] as const],
  );
  const [certificateFile] = settings.certificateFiles ?? [];
  return {
    http: { send: (request) => transport.send({ ...request, settings: {} }) },
    git: {
      path: settings.programEnv?.['PATH'] ?? '',
      proxies: Object.fromEntries(proxies),
      ...(certificateFile === undefined ? {} : { certificateFile }),
    },
  };
}
