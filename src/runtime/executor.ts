// Opens what runs processes on a rung.

import { openChrootExecutor } from './chroot-executor.ts';
import { type Enclosure, openEnclosure } from './enclosure.ts';
import { openOciExecutor } from './oci-executor.ts';
import type { Executor } from './process-spec.ts';
import type { Rung } from './rungs.ts';

/** How processes are run. All paths absolute. */
export interface ExecutorOptions {
  readonly rung: Rung;
  /** Folder of the store for mount points and small things that outlive a build. Shared by all builders. */
  readonly workDir: string;
  /** Text of PATH: where the OCI runtime, slirp4netns and their like are looked for. */
  readonly searchPath: string;
  /** Forced OCI runtime. */
  readonly runtime?: 'crun' | 'runc';
  readonly noNewPrivileges?: boolean;
  /** What `default` networks are; `own` (the default) falls back to the host's where it cannot be had. */
  readonly network?: 'own' | 'host';
}

/**
 * Enters the enclosure of the rung and opens its executor. Call it in the main thread, before mounts are made, and only when something has to
 * execute. Throws `RUNTIME_MISSING`, `PROGRAM_MISSING`, `ENCLOSURE_REFUSED`.
 */
export async function openExecutor(options: ExecutorOptions): Promise<Executor> {
  const enclosure = await openEnclosure(options);
  let executor: Executor;
  try {
    executor = enclosure.mounts ? openOciExecutor({ ...options, enclosure }) : openChrootExecutor({ ...options, enclosure });
  } catch (error) {
    await enclosure[Symbol.asyncDispose]();
    throw error;
  }
  return owning(executor, enclosure);
}

function owning(executor: Executor, enclosure: Enclosure): Executor {
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    try {
      await executor[Symbol.asyncDispose]();
    } finally {
      await enclosure[Symbol.asyncDispose]();
    }
  };
  return {
    get facts() {
      return executor.facts;
    },
    run: (spec, job) => executor.run(spec, job),
    mountPoints: (spec) => executor.mountPoints(spec),
    prepareNetwork: (key) => executor.prepareNetwork(key),
    [Symbol.asyncDispose]: () => (ended ??= end()),
  };
}
