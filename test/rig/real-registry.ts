// A real registry (docker-registry) of a test's own, on a free loopback port.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A running registry; ends with its block. */
export interface RealRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** Where it keeps blobs: for tests that damage them. */
  readonly folder: string;
}

/** The only login of a registry that wants one. */
export const TEST_LOGIN = { username: 'user', password: 'secret' };

/** `secret` for `user`, as `htpasswd -nbB` writes it. */
const HTPASSWD = 'user:$2y$05$HgILbCS/H/W.AGd3L7hmlumOom.QeTXwQCAuHYNy17acqkJOrHXPm\n';

/** Starts one. `auth` makes it want `TEST_LOGIN`; `yaml` is more configuration. */
export async function startRealRegistry(options: { readonly auth?: boolean; readonly yaml?: string } = {}): Promise<RealRegistry> {
  const script = new URL('../../scripts/bases/registry.mjs', import.meta.url).href;
  const { startRegistry } = (await import(script)) as {
    startRegistry: (options: { folder: string; config?: string }) => Promise<{ address: string; stop: () => Promise<unknown> }>;
  };
  const folder = mkdtempSync('/tmp/slipway-registry-');
  const passwords = join(folder, 'htpasswd');
  writeFileSync(passwords, HTPASSWD);
  const auth = options.auth === true ? `auth: {htpasswd: {realm: test, path: ${passwords}}}\n` : '';
  const registry = await startRegistry({ folder, config: `${auth}${options.yaml ?? ''}` });
  return {
    address: registry.address,
    folder: join(folder, 'data/docker/registry/v2'),
    [Symbol.asyncDispose]: async () => {
      await registry.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
