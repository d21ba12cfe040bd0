// `slipway serve`: from arguments to a running server, until it is told to stop.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SlipwayError } from '../../base/index.ts';
import type { Settings } from '../../build/index.ts';
import { askFrontend } from '../local/ask-frontend.ts';
import { describeSteps } from '../provenance/steps.ts';
import { openLocalBackend } from '../local/backend.ts';
import { serve } from '../server.ts';
import { readServerConfig, readServerFlags, type ServerFlags } from './config.ts';

/** What is configured alike for every command: `slipway serve` adds to it what servers alone have. */
export interface CommonConfiguration {
  readonly root: string;
  readonly settings: Settings;
  /** All tables of the configuration file; empty without one. */
  readonly table: Readonly<Record<string, unknown>>;
}

/** What the server takes from its surroundings. */
export interface ServerWorld {
  /** Reads the configuration that flags, environment and file give. */
  readonly configure: (flags: ServerFlags) => Promise<CommonConfiguration>;
  /** Where steps need that of an ordinary user, starts the server anew, with `more` flags, and resolves with its exit code. */
  readonly startInside: (flags: ServerFlags, more: readonly string[]) => Promise<number | undefined>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** Aborted by SIGINT or SIGTERM: the server ends. */
  readonly signal: AbortSignal;
}

const USAGE = `Usage: slipway serve [flags]

Serves BuildKit's gRPC API (docker buildx, buildctl) and Docker's build API.

  --addr ADDRESS                    unix:///path or tcp://host:port (repeat); default unix:///run/slipway/slipway.sock, of ordinary users
                                    the same below XDG_RUNTIME_DIR
  --root DIR                        store of results (default SLIPWAY_ROOT, then /var/lib/slipway; of ordinary users
                                    ~/.local/share/slipway)
  --config FILE                     registries, TLS, entitlements, limits: the keys of buildkitd.toml (default SLIPWAY_CONFIG, then the
                                    user’s, then /etc/slipway)
  --allow-insecure-entitlement NAME network.host or security.insecure (repeat)
  --tlscert, --tlskey, --tlscacert  TLS for tcp; with a CA, clients must show a certificate of it
  --group NAME                      group that may use the unix socket (or its number)
  --trust FILE                      trust policy: what images from registries must have (TOML)
  --rung NAME                       force a level of isolation (see slipway info)
  --no-new-privileges               run every RUN with no_new_privs
  --debug                           say more

Docker's clients find it by DOCKER_HOST: DOCKER_HOST=unix:///run/slipway/slipway.sock docker compose build

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
  const flags = readServerFlags(args);
  const { root, settings, table } = await world.configure(flags);
  const config = readServerConfig(flags, table);
  const listening = config.listen.length > 0 ? config.listen : [{ address: defaultAddress(world) }];
  // Inside it is root, whose place for the socket is another.
  const ended = await world.startInside(flags, config.listen.length > 0 ? [] : listening.flatMap(({ address }) => ['--addr', address]));
  if (ended !== undefined) return ended;
  const backend = openLocalBackend({
    root,
    version,
    uid: world.uid,
    entitlements: config.entitlements,
    labels: config.labels,
    platforms: config.platforms,
    cdiFolders: config.cdiFolders,
    provenanceEnv: readProvenanceEnv(config.provenanceFolder),
    settings: serverSettings(config, settings),
    protocol: () => Promise.resolve({ askFrontend, describeSteps }),
  });
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
    throw new SlipwayError('USAGE', 'there is no folder for a socket: XDG_RUNTIME_DIR is not set to an absolute path', {
      hint: 'name an address by --addr unix:///path/to/socket',
    });
  return `unix://${join(runtime, 'slipway/slipway.sock')}`;
}

/** Logins are the clients': the server's own stay out of what it starts for them. */
function serverSettings(config: ReturnType<typeof readServerConfig>, { dockerConfig: _, ...common }: Settings): Settings {
  const programEnv = Object.entries(common.programEnv ?? {}).filter(([name]) => !/^(?:AWS|GOOGLE)_/.test(name));
  return {
    ...common,
    gc: { ...common.gc, ...config.gc },
    userAgent: USER_AGENT,
    programEnv: Object.fromEntries(programEnv),
    ...(config.maxProcesses !== undefined && { maxProcesses: config.maxProcesses }),
  };
}
