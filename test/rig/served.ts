// `slipway serve` on a socket of its own, with Docker's clients pointed at it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTerminalStreams } from '../../src/ops/container-streams.ts';
import { command, type Outcome, Rig, startCommand } from './rig.ts';

const ROOT = join(import.meta.dirname, '../..');

/** `await using served = await Served.start(rig)`. The server is gone at the end. */
export class Served implements AsyncDisposable {
  readonly socket: string;
  readonly pid: number;
  /** What the server said on its stderr. */
  readonly log: () => string;
  readonly #rig: Rig;
  readonly #env: NodeJS.ProcessEnv;
  readonly #kill: (signal: NodeJS.Signals) => void;
  readonly #ended: Promise<unknown>;

  private constructor(rig: Rig, socket: string, child: ReturnType<typeof spawn>, log: () => string) {
    this.#rig = rig;
    this.socket = socket;
    this.pid = child.pid ?? -1;
    this.log = log;
    this.#kill = (signal) => void child.kill(signal);
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
    this.#env = { ...process.env, DOCKER_CONFIG: rig.path('docker'), BUILDX_CONFIG: rig.path('buildx'), DOCKER_HOST: `unix://${socket}` };
  }

  /**
   * Starts the server; `config` is added to its configuration file, `args` to its flags. Store and file are named by flags, or by the
   * environment. `name` tells it from others of the rig, which are on the same store. Resolves when it listens.
   */
  static async start(
    rig: Rig,
    {
      config = '',
      args = [],
      byEnvironment = false,
      name = 'slipway',
    }: { readonly config?: string; readonly args?: readonly string[]; readonly byEnvironment?: boolean; readonly name?: string } = {},
  ): Promise<Served> {
    const socket = rig.path(`${name}.sock`);
    const file = rig.path('buildkitd.toml');
    const root = rig.path('served');
    writeFileSync(file, `${config}\n${readFileSync(process.env['SLIPWAY_TEST_CONFIG'] ?? '', 'utf8')}`);
    const places = byEnvironment ? [] : ['--root', root, '--config', file];
    const words = ['serve', '--addr', `unix://${socket}`, ...places, ...args];
    const env = byEnvironment ? { ...process.env, SLIPWAY_ROOT: root, SLIPWAY_CONFIG: file } : process.env;
    const child = spawn(process.execPath, [join(ROOT, 'bin/slipway.js'), ...words], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const addresses = words.filter((word) => word === '--addr').length;
    let said = '';
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`the server ended: ${said}`)));
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.split('serving on').length > addresses) resolve();
      });
    });
    const plugins = rig.path('docker/cli-plugins');
    mkdirSync(rig.path('docker'), { recursive: true });
    if (!existsSync(plugins)) symlinkSync(needed('SLIPWAY_TEST_DOCKER_PLUGINS'), plugins);
    return new Served(rig, socket, child, () => said);
  }

  /** Docker's client with the server as its engine. */
  docker(
    args: readonly string[],
    options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string } = {},
  ): Promise<Outcome> {
    return command(needed('SLIPWAY_TEST_DOCKER'), args, {
      ...options,
      env: { ...this.#env, ...options.env },
      cwd: options.cwd ?? this.#rig.folder,
    });
  }

  /** `docker buildx` with the server as a remote builder, made at the first call. */
  async buildx(
    args: readonly string[],
    options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string } = {},
  ): Promise<Outcome> {
    await (this.#builder ??= this.#create());
    return this.docker(['buildx', '--builder', 'slipway', ...args], options);
  }
  #builder: Promise<void> | undefined;

  /** buildx by itself, for tests that kill it. The builder must have been made. */
  startBuildx(args: readonly string[]): ReturnType<typeof startCommand> {
    const program = join(needed('SLIPWAY_TEST_DOCKER_PLUGINS'), 'docker-buildx');
    return startCommand(program, ['--builder', 'slipway', ...args], { env: this.#env, cwd: this.#rig.folder });
  }

  /**
   * buildx on a terminal: types each answer once the screen shows what it is for. Resolves with the whole screen when buildx ends. The
   * builder must have been made.
   */
  async buildxOnTerminal(args: readonly string[], answers: readonly (readonly [string, string])[]): Promise<string> {
    const { ours, theirs, over } = openTerminalStreams();
    const program = join(needed('SLIPWAY_TEST_DOCKER_PLUGINS'), 'docker-buildx');
    const child = spawn(program, ['--builder', 'slipway', ...args], {
      env: { ...this.#env, BUILDX_EXPERIMENTAL: '1', TERM: 'xterm' },
      cwd: this.#rig.folder,
      stdio: [theirs.stdin, theirs.stdout, theirs.stderr],
      detached: true,
    });
    child.once('exit', over);
    let screen = '';
    let seen = 0;
    let next = 0;
    ours.stdout.on('data', (chunk: Buffer) => {
      screen += chunk.toString();
      for (let answer = answers[next]; answer !== undefined; answer = answers[next]) {
        const at = screen.indexOf(answer[0], seen);
        if (at < 0) return;
        seen = at + answer[0].length;
        next += 1;
        ours.stdin.write(answer[1]);
      }
    });
    const late = setTimeout(() => child.kill('SIGKILL'), 240_000);
    await once(ours.stdout, 'end');
    clearTimeout(late);
    return screen;
  }

  async #create(): Promise<void> {
    // The builder stays when another server follows on the same socket.
    if (existsSync(this.#rig.path('buildx/instances/slipway'))) return;
    const made = await this.docker(['buildx', 'create', '--name', 'slipway', '--driver', 'remote', `unix://${this.socket}`]);
    if (made.code !== 0) throw new Error(made.stderr);
  }

  /** Resident memory of the server, bytes. */
  memory(): number {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) * 1024;
  }

  /** Descriptors that the server has open. */
  descriptors(): readonly string[] {
    const folder = `/proc/${this.pid}/fd`;
    return readdirSync(folder).flatMap((fd) => {
      try {
        return [readlinkSync(join(folder, fd))];
      } catch {
        return []; // closed meanwhile
      }
    });
  }

  /** Mount points in the server's mount namespace. */
  mounts(): readonly string[] {
    return readFileSync(`/proc/${this.pid}/mountinfo`, 'utf8')
      .split('\n')
      .flatMap((line) => line.split(' ')[4] ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill('SIGTERM');
    await this.#ended;
  }
}

/** A server on a store of its own; both are gone at the end. */
export async function serveAlone(options: Parameters<typeof Served.start>[1] = {}): Promise<Served & { readonly own: Rig }> {
  const own = Rig.create();
  const served = await Served.start(own, options);
  const dispose = served[Symbol.asyncDispose].bind(served);
  return Object.assign(served, {
    own,
    [Symbol.asyncDispose]: async () => {
      await dispose();
      await own[Symbol.asyncDispose]();
    },
  });
}

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error('run this test by `npm test`, which fetches the clients');
  return value;
}
