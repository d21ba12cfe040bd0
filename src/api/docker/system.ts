// What a Docker client asks before anything else: who is there.

import { arch, cpus, hostname, release, totalmem } from 'node:os';
import type { SolveHost } from '../control/solver.ts';
import type { DockerCall } from './call.ts';

/** Newest API version that is spoken, and oldest. */
const API_VERSION = '1.51';
const MIN_API_VERSION = '1.24';

/** `_ping`: the headers say what builder to use by default. */
export function ping({ request, response }: DockerCall): Promise<void> {
  response.writeHead(200, {
    'api-version': API_VERSION,
    'builder-version': '2',
    'docker-experimental': 'false',
    'cache-control': 'no-cache, no-store, must-revalidate',
    ostype: 'linux',
    swarm: 'inactive',
    server: `Slipway (linux)`,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': 2,
  });
  response.end(request.method === 'HEAD' ? undefined : 'OK');
  return Promise.resolve();
}

function goArch(): string {
  return (
    { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386', ppc64: 'ppc64le', s390x: 's390x', riscv64: 'riscv64' }[arch() as 'x64'] ??
    arch()
  );
}

/** `GET /version`. */
export function versionFacts({ backend }: SolveHost): object {
  return {
    Platform: { Name: 'Slipway' },
    Components: [
      {
        Name: 'Engine',
        Version: backend.version,
        Details: { ApiVersion: API_VERSION, MinAPIVersion: MIN_API_VERSION, Os: 'linux', Arch: goArch() },
      },
    ],
    Version: backend.version,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: goArch(),
    KernelVersion: release(),
    BuildTime: '',
  };
}

/** `GET /info`. */
export function systemFacts({ backend }: SolveHost): object {
  return {
    ID: backend.worker.id,
    Name: hostname(),
    ServerVersion: backend.version,
    Driver: 'overlayfs',
    // Tells clients that results of several platforms and attestations can be kept.
    DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']],
    OSType: 'linux',
    OperatingSystem: 'Linux',
    Architecture: goArch() === 'amd64' ? 'x86_64' : goArch() === 'arm64' ? 'aarch64' : goArch(),
    KernelVersion: release(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    Images: 0,
    Containers: 0,
    ContainersRunning: 0,
    ContainersPaused: 0,
    ContainersStopped: 0,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: { IndexConfigs: {}, InsecureRegistryCIDRs: ['127.0.0.0/8'], Mirrors: [] },
    Plugins: { Volume: [], Network: [], Authorization: null, Log: [] },
    Labels: [],
    Warnings: null,
  };
}
