// A registry client for one client's credentials, set up as the engine's own.

import type { openRegistry, Settings } from '../../build/parts.ts';

/** The parts of the settings that a registry client of its own needs. */
export function registrySettings({
  registries,
  certificateFiles,
  proxies,
  programEnv,
  userAgent,
}: Settings): Parameters<typeof openRegistry>[0] {
  return {
    ...(registries !== undefined && { registries }),
    ...(certificateFiles !== undefined && { certificateFiles }),
    ...(proxies !== undefined && { proxies }),
    ...(programEnv !== undefined && { programEnv }),
    ...(userAgent !== undefined && { userAgent }),
  };
}
