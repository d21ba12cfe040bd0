// A place for one test: a store of its own, a scratch folder, and the product's command on the bases that the test run serves.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './processes.ts';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** How a command ended. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Files of a context: path → text, or `{text, mode}`. */
export type Files = Readonly<Record<string, string | { readonly text: string; readonly mode: number }>>;

/** See `Rig.ownBase`. */
export interface OwnBase {
  readonly name: string;
  readonly repository: string;
  readonly config: string;
  readonly layers: readonly string[];
  readonly fetched: () => Promise<readonly string[]>;
}

/** `await using rig = Rig.create()`. Everything it made is gone at the end. */
export class Rig implements AsyncDisposable {
  readonly folder: string;
  readonly store: string;
  readonly #config: string | undefined;

  private constructor(folder: string) {
    this.folder = folder;
    this.store = join(folder, 'store');
    this.#config = process.env['SLIPWAY_TEST_CONFIG'];
  }

  static create(): Rig {
    return new Rig(mkdtempSync('/tmp/slipway-rig-'));
  }

  /** Registry that serves the bases: `127.0.0.1:PORT`. */
  get registry(): string {
    const address = process.env['SLIPWAY_TEST_REGISTRY'];
    if (address === undefined) throw new Error('run this test by `npm test`, which serves the bases');
    return address;
  }

  /**
   * A base under a name of this rig's own, so that the registry's log tells what this rig's builds fetch of it. `fetched`: digests of the
   * blobs that were got whole since it was asked last, in the order of their beginning.
   */
  async ownBase(base: string): Promise<OwnBase> {
    const repository = `own-${process.pid}-${basename(this.folder).toLowerCase()}/${base.replace(/:.*/, '')}`;
    const name = `${this.registry}/${repository}:1`;
    const copied = await command('skopeo', [
      ...['copy', '--quiet', '--src-tls-verify=false', '--dest-tls-verify=false'],
      ...[`docker://${this.registry}/library/${base}`, `docker://${name}`],
    ]);
    if (copied.code !== 0) throw new Error(copied.stderr);
    const shown = await command('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`]);
    const { config, layers } = JSON.parse(shown.stdout) as { config: { digest: string }; layers: { digest: string }[] };
    let seen = (await this.registryLog()).length;
    const fetched = async (): Promise<readonly string[]> => {
      const log = await this.registryLog();
      const gets = log.slice(seen).matchAll(new RegExp(`"GET /v2/${repository}/blobs/(sha256:[a-f0-9]{64})[ ?][^"]*" 200`, 'g'));
      seen = log.length;
      return [...gets].map(([, digest]) => digest as string);
    };
    return { name, repository, config: config.digest, layers: layers.map(({ digest }) => digest), fetched };
  }

  /**
   * The registry's log, with every line about clients that have ended: it writes a line a moment after the answer is out, but before it
   * closes its end of a connection whose other end is closed.
   */
  async registryLog(): Promise<string> {
    const port = Number(this.registry.split(':')[1]);
    await until(() => !hasHalfClosed(port));
    return readFileSync(process.env['SLIPWAY_TEST_REGISTRY_LOG'] ?? '', 'utf8');
  }

  /** A path in the scratch folder. */
  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** Writes a context folder and returns its path. */
  context(files: Files, name = 'context'): string {
    const folder = this.path(name);
    for (const [path, content] of Object.entries(files)) {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      if (typeof content === 'string') writeFileSync(file, content);
      else writeFileSync(file, content.text, { mode: content.mode });
    }
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Runs the product on this rig's store. */
  slipway(
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string | Buffer; readonly cwd?: string } = {},
  ): Promise<Outcome> {
    return this.start(args, options).ended;
  }

  /** Starts the product; the test may signal it. */
  start(
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string | Buffer; readonly cwd?: string } = {},
  ): { readonly pid: number; readonly kill: (signal: NodeJS.Signals) => void; readonly ended: Promise<Outcome> } {
    const env = this.env(options.env);
    return startCommand(process.execPath, [join(ROOT, 'bin/slipway.js'), ...args], { ...options, env, cwd: options.cwd ?? this.folder });
  }

  /** The environment that the product has on this rig's store. */
  env(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
    const env = { ...process.env, SLIPWAY_ROOT: this.store, DOCKER_CONFIG: this.path('docker'), ...more } as NodeJS.ProcessEnv;
    if (this.#config !== undefined) env['SLIPWAY_CONFIG'] ??= this.#config;
    return env;
  }

  [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
    return Promise.resolve();
  }
}

/** Whether a connection to a port of the loopback waits for its server to close it (CLOSE_WAIT, proc_net_tcp.txt). */
function hasHalfClosed(port: number): boolean {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .some((line) => {
      const [, address, , state] = line.trim().split(/\s+/);
      return address === local && state === '08';
    });
}

/** Runs any program to its end. */
export function command(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string | Buffer } = {},
): Promise<Outcome> {
  return startCommand(program, args, options).ended;
}

/** Starts any program; the test may signal it. */
export function startCommand(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string | Buffer },
): { pid: number; kill: (signal: NodeJS.Signals) => void; ended: Promise<Outcome> } {
  const child = spawn(program, args, { env: options.env, cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => {}); // a command that does not read its input may end first
  child.stdin.end(options.input ?? '');
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(stdout).toString('utf8'), stderr: Buffer.concat(stderr).toString('utf8') }),
    );
  });
  return { pid: child.pid ?? -1, kill: (signal) => void child.kill(signal), ended };
}
