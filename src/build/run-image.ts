// `slipway run`: a built image, or a stage of a Dockerfile, started for a look. Nothing it writes stays.

import { AsyncDisposableStack, type JobContext, quietJob, SlipwayError } from '../base/index.ts';
import { formatPlatform, type RuntimeConfig } from '../oci/index.ts';
import type { Engine } from './engine.ts';
import { findImage } from './images.ts';
import { imageFor, storedRoot } from './publish.ts';

/** What to start and how. */
export interface RunImageRequest {
  readonly image: string;
  /** Replaces CMD. */
  readonly args: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly network: 'default' | 'none' | 'host';
}

/** Starts it on this process's terminal. Resolves with its exit code. Throws `IMAGE_UNKNOWN`, `NO_COMMAND`, and what the runtime throws. */
export async function runImage(engine: Engine, request: RunImageRequest, signal: AbortSignal): Promise<number> {
  const job: JobContext = quietJob(signal);
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
      stdio: 'inherit',
      validExitCodes: every,
    },
    job,
  );
  return exitCode;
}
