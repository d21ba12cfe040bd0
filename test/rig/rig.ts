// A place for one test: a store of its own, a scratch folder, and the product's command on the bases that the test run serves.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** How a command ended. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Files of a context: path → text, or `{text, mode}`. */
export type Files = Readonly<Record<string, string | { readonly text: string; readonly mode: number }>>;

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

  /** The registry's log so far. */
  registryLog(): string {
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
    const env: Record<string, string | undefined> = {
      ...process.env,
      SLIPWAY_ROOT: this.store,
      DOCKER_CONFIG: this.path('docker'),
      ...options.env,
    };
    if (this.#config !== undefined) env['SLIPWAY_CONFIG'] ??= this.#config;
    return startCommand(process.execPath, [join(ROOT, 'bin/slipway.js'), ...args], { ...options, env, cwd: options.cwd ?? this.folder });
  }

  [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
    return Promise.resolve();
  }
}

/** Runs any program to its end. */
export function command(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string | Buffer } = {},
): Promise<Outcome> {
  return startCommand(program, args, options).ended;
}

/** Starts any program. */
export /** Starts any program; the test may signal it. */
function startCommand(
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
