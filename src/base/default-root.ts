// Where results are kept when nobody says it, and what the environment says of places.

import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that name places from the root: the XDG specification has relative ones ignored. */
const ABSOLUTE = ['HOME', 'XDG_DATA_HOME', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR'];

/** Variables that are as good as not set when they are empty. */
const NOT_EMPTY = [...ABSOLUTE, 'DOCKER_CONFIG', 'REGISTRY_AUTH_FILE', 'SLIPWAY_ROOT', 'SLIPWAY_CONFIG', 'SLIPWAY_RUNG', 'SLIPWAY_TRUST'];

/**
 * The environment without names of places that are none: a store below an empty or relative HOME would move with the current folder. Nor
 * has it what every object has: files ask for variables by names of their own, `constructor` among them.
 */
export function withoutVaguePlaces(env: Environment): Environment {
  const isVague = (name: string, value = ''): boolean =>
    (value === '' && NOT_EMPTY.includes(name)) || (!isAbsolute(value) && ABSOLUTE.includes(name));
  const kept = Object.entries(env).filter(([name, value]) => !isVague(name, value));
  return Object.assign(Object.create(null) as object, Object.fromEntries(kept));
}

/** `/var/lib/slipway` for root, else a folder of the user's: `$XDG_DATA_HOME/slipway`. Without a home one of the user's own in `/tmp`. */
export function defaultRoot(uid: number, env: Environment): string {
  if (uid === 0) return '/var/lib/slipway';
  const { XDG_DATA_HOME: data, HOME: home } = withoutVaguePlaces(env);
  if (data !== undefined) return join(data, 'slipway');
  return home === undefined ? `/tmp/slipway-${uid}` : join(home, '.local/share/slipway');
}

/** `HOME`, else the home that the system knows of the user; undefined: it knows no such user. */
export function homeFolder(uid: number, env: Environment): string | undefined {
  if (env['HOME'] !== undefined) return env['HOME'];
  if (uid === 0) return '/root';
  try {
    return userInfo().homedir;
  } catch {
    return undefined;
  }
}
