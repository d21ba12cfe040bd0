// Logging in to registries and out, for whoever keeps a Docker configuration file.

import { quietJob } from '../base/index.ts';
import { type LoginRequest, login as registryLogin, logout as registryLogout } from '../registry/index.ts';
import type { Settings } from './options.ts';
import { registryConfig } from './settings.ts';

/** Checks a login with the registry and keeps it; says where. Throws `REGISTRY_UNAUTHORIZED`, `REGISTRY_CONFIG_INVALID`, `LOGIN_INVALID`. */
export function login(
  request: LoginRequest,
  settings: Settings,
  now: () => Date,
  signal: AbortSignal,
): Promise<{ readonly keptIn: string }> {
  return registryLogin(request, registryConfig(settings, now), quietJob(signal));
}

/** Forgets a login. False: there was none. */
export function logout(registry: string, configFile: string, env: Readonly<Record<string, string>>): Promise<boolean> {
  return registryLogout(registry, configFile, env);
}
