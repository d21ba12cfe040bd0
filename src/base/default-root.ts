// Where results are kept when nobody says it, and what the environment says of places.

import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that name places: empty ones are not set, as the XDG specification and Docker have it. */
const PLACES = [
  ...['HOME', 'XDG_DATA_HOME', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR', 'DOCKER_CONFIG', 'REGISTRY_AUTH_FILE'],
  ...['SLIPWAY_ROOT', 'SLIPWAY_CONFIG', 'SLIPWAY_RUNG', 'SLIPWAY_TRUST'],
];

/** The environment without empty names of places: a store below an empty HOME would be in the current folder. */
export function withoutEmptyPlaces(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => value !== '' || !PLACES.includes(name)));
}

/** `/var/lib/slipway` for root, else a folder of the user's: `$XDG_DATA_HOME/slipway`. Without a home one of the user's own in `/tmp`. */
export function defaultRoot(uid: number, env: Environment): string {
  if (uid === 0) return '/var/lib/slipway';
  const { XDG_DATA_HOME: data, HOME: home } = withoutEmptyPlaces(env);
  if (data !== undefined) return join(data, 'slipway');
  return home === undefined ? `/tmp/slipway-${uid}` : join(home, '.local/share/slipway');
}
