// `slipway serve`: from arguments to a running server, until it is told to stop.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultRoot, SlipwayError } from '../../base/index.ts';
import type { Settings } from '../../build/index.ts';
import { askFrontend } from '../local/ask-frontend.ts';
import { openLocalBackend } from '../local/backend.ts';
import { serve } from '../server.ts';
import { readServerConfig } from './config.ts';

/** What the server takes from its surroundings. */
export interface ServerWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** Aborted by SIGINT or SIGTERM: the server ends. */
  readonly signal: AbortSignal;
}

const USAGE = `Usage: slipway serve [flags]

Serves BuildKit's gRPC API (docker buildx, buildctl) and Docker's build API.

  --addr ADDRESS                    unix:///path or tcp://host:port (repeat); default unix:///run/slipway/slipway.sock
  --root FOLDER                     where results are kept
  --config FILE                     buildkitd.toml: registries, TLS, entitlements, limits
  --allow-insecure-entitlement NAME network.host or security.insecure (repeat)
  --tlscert, --tlskey, --tlscacert  TLS for tcp; with a CA, clients must show a certificate of it
  --group GID                       group that may use the unix socket
  --debug                           say more

Flags of buildkitd that have no meaning here are accepted.
`;

/** Registries and file servers know BuildKit; some answer unknown programs differently. */
const USER_AGENT = 'slipway (buildkit/v0.31)';

/** Runs until the signal. Returns the exit code. */
export async function runServer(args: readonly string[], world: ServerWorld): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    world.stdout.write(USAGE);
    return 0;
  }
  const version = world.env['SLIPWAY_VERSION'] ?? '0.1.0';
  if (args.includes('--version')) {
    world.stdout.write(`slipway ${version}\n`);
    return 0;
  }
  const { parse } = await import('smol-toml');
  const config = readServerConfig(args, (path) => readFileSync(path, 'utf8'), parse);
  const root = config.root ?? defaultRoot(world.uid, world.env);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const backend = openLocalBackend({
    root,
    version,
    uid: world.uid,
    entitlements: config.entitlements,
    labels: config.labels,
    platforms: config.platforms,
    cdiFolders: config.cdiFolders,
    provenanceEnv: readProvenanceEnv(config.provenanceFolder),
    settings: serverSettings(config, world),
    frontends: () => Promise.resolve(askFrontend),
  });
  const listening = config.listen.length > 0 ? config.listen : [{ address: defaultAddress(world) }];
  await using server = await serve({ backend, listen: listening, history: config.history });
  for (const address of server.addresses) world.stderr.write(`serving on ${address}\n`);
  await new Promise<void>((resolve) => {
    if (world.signal.aborted) resolve();
    world.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return 0;
}

/** What every file of the folder says, later names over earlier ones. */
function readProvenanceEnv(folder: string | undefined): Record<string, unknown> {
  if (folder === undefined || !existsSync(folder)) return {};
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort();
  return Object.assign(
    {},
    ...files.map((name) => {
      try {
        return JSON.parse(readFileSync(join(folder, name), 'utf8')) as object;
      } catch (cause) {
        throw new SlipwayError('CONFIG_INVALID', `cannot read ${join(folder, name)}: ${(cause as Error).message}`, { cause });
      }
    }),
  ) as Record<string, unknown>;
}

function defaultAddress({ env, uid }: ServerWorld): string {
  if (uid === 0) return 'unix:///run/slipway/slipway.sock';
  const runtime = env['XDG_RUNTIME_DIR'];
  if (runtime === undefined || runtime === '')
    throw new SlipwayError('USAGE', 'there is no folder for a socket', { hint: 'name an address by --addr' });
  return `unix://${join(runtime, 'slipway/slipway.sock')}`;
}

function serverSettings(config: ReturnType<typeof readServerConfig>, { env }: ServerWorld): Settings {
  const http = env['HTTP_PROXY'] ?? env['http_proxy'];
  const https = env['HTTPS_PROXY'] ?? env['https_proxy'];
  const no = env['NO_PROXY'] ?? env['no_proxy'];
  const certificates = env['SSL_CERT_FILE'];
  return {
    registries: config.registries,
    gc: config.gc,
    userAgent: USER_AGENT,
    ...(config.maxProcesses !== undefined && { maxProcesses: config.maxProcesses }),
    ...(certificates !== undefined && certificates !== '' && { certificateFiles: [certificates] }),
    ...((http ?? https ?? no) !== undefined && {
      proxies: { ...(http !== undefined && { http }), ...(https !== undefined && { https }), ...(no !== undefined && { no }) },
    }),
    programEnv: Object.fromEntries(
      ['PATH', 'HOME', 'TMPDIR', 'LANG', 'SSH_AUTH_SOCK', 'GIT_SSH_COMMAND'].flatMap((name) =>
        env[name] === undefined ? [] : [[name, env[name]]],
      ),
    ),
  };
}
