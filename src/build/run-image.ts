// `slipway run`: a built image, or a stage of a Dockerfile, started for a look. Nothing it writes stays.

import { AsyncDisposableStack, type JobContext, quietJob, SlipwayError } from '../base/index.ts';
import { formatPlatform, type RuntimeConfig } from '../oci/index.ts';
import { type Engine, openEngine } from './engine.ts';
import { findImage } from './images.ts';
import type { BuildOptions } from './options.ts';
import { imageFor, storedRoot } from './publish.ts';
import { placeOf } from './upkeep.ts';

/** What to start and how. */
export interface RunImageRequest {
  /** A name, or the start of a digest or id. */
  readonly image: string;
  /** Replaces CMD. */
  readonly args: readonly string[];
  readonly entrypoint?: readonly string[];
  /** `NAME=value`, over those of the image. */
  readonly env: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly network: 'default' | 'none' | 'host';
}

/** Options of `runImage()` in a program. */
export interface RunOptions extends Pick<BuildOptions, 'root' | 'settings' | 'signal' | 'onProgress'> {
  /** A name, or the start of a digest or id. */
  readonly image: string;
  /** In place of the image's CMD. */
  readonly args?: readonly string[];
  /** In place of the image's ENTRYPOINT, and of its CMD. */
  readonly entrypoint?: readonly string[];
  /** Variables over those of the image. */
  readonly env?: Readonly<Record<string, string>>;
  /** `user[:group]`, names or numbers; default: the image's USER. */
  readonly user?: string;
  /** Default: the image's WORKDIR. It is made where it does not exist. */
  readonly workdir?: string;
  /** `default`: a network of its own where this machine can have one. */
  readonly network?: 'default' | 'none' | 'host';
}

/** How it ended. */
export interface RunResult {
  /** Of a process that a signal ended 128 and the signal's number. */
  readonly exitCode: number;
}

/** Runs an image for a program. `captured`: what it prints becomes `log` events; else it has the streams of this process. */
export async function runImageHere({ captured, ...options }: RunOptions & { readonly captured: boolean }): Promise<RunResult> {
  const { image, args = [], entrypoint, env = {}, user, workdir, network = 'default', signal, onProgress: progress, ...place } = options;
  await using engine = openEngine(placeOf(place));
  const request: RunImageRequest = {
    ...{ image, args, network, env: Object.entries(env).map(([name, value]) => `${name}=${value}`) },
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(user === undefined ? {} : { user }),
    ...(workdir === undefined ? {} : { workdir }),
  };
  const job = { ...quietJob(signal), ...(progress === undefined ? {} : { progress }) };
  return { exitCode: await runImage(engine, request, job, captured ? 'capture' : 'inherit') };
}

/**
 * Starts it, on this process's terminal unless what it prints is captured. Resolves with its exit code. Throws `IMAGE_UNKNOWN`, `NO_COMMAND`,
 * and what the runtime throws.
 */
export async function runImage(
  engine: Engine,
  request: RunImageRequest,
  job: JobContext,
  stdio: 'inherit' | 'capture' = 'inherit',
): Promise<number> {
  const image = imageFor(engine, findImage(engine.store, request.image), formatPlatform(engine.platform));
  const config: RuntimeConfig = image.config.config ?? {};
  const entrypoint = request.entrypoint ?? config.Entrypoint ?? [];
  const command = request.args.length > 0 ? request.args : request.entrypoint === undefined ? (config.Cmd ?? []) : [];
  const args = [...entrypoint, ...command];
  if (args.length === 0)
    throw new SlipwayError('NO_COMMAND', `${request.image} has neither ENTRYPOINT nor CMD`, {
      hint: `name what to start: slipway run ${request.image} COMMAND`,
    });
  await using stack = new AsyncDisposableStack();
  stack.use(engine.store.lease());
  const { executor, mounter } = await engine.sandbox();
  const root = storedRoot(engine, image);
  const lowers = await Promise.all(root.layers.map((layer) => engine.layers.folder(layer, job)));
  const cwd = request.workdir ?? (config.WorkingDir === undefined || config.WorkingDir === '' ? '/' : config.WorkingDir);
  const mounted = stack.use(await mounter.mount({ lowers, mountPoints: executor.mountPoints({ mounts: [], cwd }) }, job));
  const every = Array.from({ length: 256 }, (_, code) => code);
  const { exitCode } = await executor.run(
    {
      id: 'run',
      root: mounted.root,
      args,
      env: [...(config.Env ?? []), ...request.env],
      cwd,
      user: request.user ?? config.User ?? '',
      network: request.network,
      security: 'sandbox',
      stdio,
      limits: { logBytes: -1, logBytesPerSecond: -1 },
      validExitCodes: every,
    },
    job,
  );
  return exitCode;
}
