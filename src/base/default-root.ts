// Where results are kept when nobody says it.

import { join } from 'node:path';

/** `/var/lib/slipway` for root, else a folder of the user's: `$XDG_DATA_HOME/slipway`. */
export function defaultRoot(uid: number, env: Readonly<Record<string, string | undefined>>): string {
  if (uid === 0) return '/var/lib/slipway';
  return join(env['XDG_DATA_HOME'] ?? join(env['HOME'] ?? '/tmp', '.local/share'), 'slipway');
}
