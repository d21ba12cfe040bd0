// BuildKit, driven by buildx, for answers to compare with: programs that the machine must have, in a folder of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { command, type Outcome } from '../rig/rig.ts';

/** Registries that public Dockerfiles name; all are answered by the mirror. */
export const HOSTS = [
  'docker.io',
  'gcr.io',
  'ghcr.io',
  'k8s.gcr.io',
  'l.gcr.io',
  'mcr.microsoft.com',
  'quay.io',
  'r.j3ss.co',
  'registry.k8s.io',
];

const READY_MS = 30_000;

export interface PeerPrograms {
  /** Path of `buildkitd`. */
  readonly daemon: string;
  /** Path of `docker-buildx`. */
  readonly buildx: string;
}

/** `await using peer = await Buildkit.start(programs, mirror)`: nothing of it is left at the end. Needs root. */
export class Buildkit implements AsyncDisposable {
  readonly folder: string;
  readonly #buildx: string;
  readonly #daemon: ChildProcess;

  private constructor(folder: string, buildx: string, daemon: ChildProcess) {
    this.folder = folder;
    this.#buildx = buildx;
    this.#daemon = daemon;
  }

  /** Starts the daemon; `mirror` (`host:port`, plain http) answers for every registry. */
  static async start(programs: PeerPrograms, mirror: string): Promise<Buildkit> {
    const folder = mkdtempSync('/tmp/slipway-peer-');
    const socket = join(folder, 'buildkitd.sock');
    const config = [
      `root = "${join(folder, 'root')}"`,
      `[grpc]\naddress = ["unix://${socket}"]`,
      '[worker.oci]\nenabled = true\ngc = false',
      '[worker.containerd]\nenabled = false',
      `[registry."${mirror}"]\nhttp = true`,
      ...HOSTS.map((host) => `[registry."${host}"]\nmirrors = ["${mirror}"]`),
    ];
    writeFileSync(join(folder, 'buildkitd.toml'), `${config.join('\n')}\n`);
    const daemon = spawn(programs.daemon, ['--config', join(folder, 'buildkitd.toml')], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    daemon.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)));
    daemon.on('exit', (code, signal) => {
      if (!daemon.killed) console.error(`${programs.daemon} ended with ${signal ?? code}:\n${said}`);
    });
    const peer = new Buildkit(folder, programs.buildx, daemon);
    for (let waited = 0; !existsSync(socket); waited += 100) {
      if (daemon.exitCode !== null || waited > READY_MS) {
        await peer[Symbol.asyncDispose]();
        throw new Error(`${programs.daemon} did not start: ${said}`);
      }
      await wait(100);
    }
    mkdirSync(join(folder, 'client'));
    await peer.run(['create', '--name', 'peer', '--driver', 'remote', `unix://${socket}`]);
    return peer;
  }

  /** Runs buildx. */
  run(args: readonly string[]): Promise<Outcome> {
    const client = join(this.folder, 'client');
    return command(this.#buildx, [...args], {
      env: { ...process.env, BUILDX_CONFIG: client, DOCKER_CONFIG: client, BUILDX_BUILDER: 'peer' },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#daemon.exitCode !== null ? undefined : new Promise((resolve) => this.#daemon.once('exit', resolve));
    this.#daemon.kill('SIGTERM');
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
