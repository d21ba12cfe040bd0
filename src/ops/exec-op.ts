// ExecOp: a process in a root filesystem. Mounts the stack, runs, and what the process changed becomes one layer.

import {
  AsyncDisposableStack,
  type Digest,
  errnoOf,
  firstFailure,
  isSlipwayError,
  type JobContext,
  locate,
  SlipwayError,
} from '../base/index.ts';
import type { ExecSpec, GraphVertex, MountSpec } from '../graph/index.ts';
import { formatPlatform, nodePlatform } from '../oci/index.ts';
import type { ProcessMount, ProcessSpec } from '../runtime/index.ts';
import { type CacheMap, type KeyField, NeedsBytes, type Op } from '../solver/index.ts';
import type { MountedRootfs, RootFS } from '../snapshot/index.ts';
import type { FailedStep, LeftOver, OpDeps } from './deps.ts';
import { execKey, type KeyedInput } from './exec-key.ts';
import { prepareMount, secretVariables, type WrittenMount } from './exec-mounts.ts';
import { stepIdentity } from './identity.ts';
import { expansionNotes } from './key-notes.ts';
import { materialize, selectionDigest } from './selection.ts';

/** Makes the op of a RUN. `step` is its place for explanations. */
export function createExecOp(vertex: GraphVertex, spec: ExecSpec, step: string, deps: OpDeps): Op<RootFS> {
  /** By the inputs' identities: the solver may ask about other results of the inputs too. */
  const keys = new Map<string, Digest>();
  const nameOf = (inputs: readonly RootFS[]): string => inputs.map(({ identity }) => identity).join(' ');
  return {
    resource: 'process',
    failsForAll: (error) => isSlipwayError(error, 'EXEC_EXIT'),
    cacheMap: async (inputs, job) => {
      const map = await keyOf(vertex, spec, step, inputs, deps, job);
      keys.set(nameOf(inputs), map.key);
      return map;
    },
    exec: async (inputs, job) => {
      try {
        const key = keys.get(nameOf(inputs)) ?? (await keyOf(vertex, spec, step, inputs, deps, job)).key;
        return await execute(vertex, spec, key, inputs, deps, job);
      } catch (error) {
        throw locate(explainFormat(firstFailure(error), vertex), vertex.about.location);
      }
    },
  };
}

async function keyOf(
  vertex: GraphVertex,
  spec: ExecSpec,
  step: string,
  inputs: readonly RootFS[],
  deps: OpDeps,
  job: JobContext,
): Promise<CacheMap> {
  const keyed: KeyedInput[] = [];
  for (const [index, mount] of spec.mounts.entries()) {
    const input = inputs[mount.input];
    if (input === undefined) continue;
    if (index === 0 || mount.output >= 0 || mount.contentCache === 'off') keyed.push({ mount, value: input.identity, by: 'identity' });
    else {
      const selected = await selectionDigest(input, mount.input, mount.selector, deps, job);
      keyed.push({ mount, value: selected.digest, by: 'content', ...(selected.list === undefined ? {} : { list: selected.list }) });
    }
  }
  const notes: KeyField[] = (vertex.about.defaultArgs ?? []).map((name) => ({ name: `default ${name}`, value: '1' }));
  if (vertex.about.baseConfig !== undefined) notes.push({ name: 'base-config', value: vertex.about.baseConfig });
  return execKey(vertex, spec, keyed, step, [...notes, ...expansionNotes(vertex)]);
}

async function execute(
  vertex: GraphVertex,
  spec: ExecSpec,
  key: Digest,
  inputs: readonly RootFS[],
  deps: OpDeps,
  job: JobContext,
): Promise<readonly RootFS[]> {
  for (const { input } of spec.mounts) {
    const tree = inputs[input];
    if (tree?.layers.some((layer) => !deps.layers.hasBytes(layer)) === true) throw new NeedsBytes(input);
  }
  const sandbox = await deps.sandbox();
  // Steps that become ready together start one after the other: the first runs while the next is prepared.
  await new Promise<void>((resolve) => setImmediate(resolve));
  job.signal.throwIfAborted();
  await using stack = new AsyncDisposableStack();
  const written: WrittenMount[] = [];
  const redact: Uint8Array[] = [];
  const made: ProcessMount[] = [];
  /** Flags that would have brought what the step may use. */
  const notGiven: string[] = [];
  for (const mount of spec.mounts.slice(1)) {
    const ready = await prepareMount(mount, inputs, sandbox, written, redact, stack, deps, job);
    if (ready !== undefined) made.push(ready);
    else notGiven.push(mount.type === 'ssh' ? `--ssh ${mount.ssh?.id ?? 'default'}` : `--secret id=${mount.secret?.id ?? ''},src=FILE`);
  }
  const mounts = lastOfEach(made);
  const secretEnv = await secretVariables(spec, redact, deps);
  for (const { id, name } of spec.secretEnv ?? []) if (secretEnv.includes(`${name}=`)) notGiven.push(`--secret id=${id},env=VARIABLE`);
  const env = [...spec.env, ...secretEnv, ...proxyVariables(spec), ...sshVariables(spec, mounts)];
  const shm = spec.mounts.find(({ type, dest }) => type === 'tmpfs' && dest === '/dev/shm')?.tmpfs?.size;
  const rootMount = spec.mounts[0];
  if (rootMount === undefined) throw new Error('internal: a process without root filesystem');
  const process: Omit<ProcessSpec, 'root'> = {
    id: vertex.digest,
    args: spec.args,
    env,
    cwd: spec.cwd,
    user: spec.user,
    network: spec.network,
    security: spec.security,
    mounts: mounts.filter(({ type, dest }) => !(type === 'tmpfs' && dest === '/dev/shm')),
    redact,
    limits: deps.limits,
    ...(rootMount.readonly ? { readonlyRoot: true } : {}),
    ...(vertex.about.stageIndex === undefined ? {} : { networkKey: `${vertex.about.stageIndex}` }),
    ...(spec.hostname === undefined ? {} : { hostname: spec.hostname }),
    ...(spec.extraHosts === undefined ? {} : { extraHosts: spec.extraHosts }),
    ...(spec.ulimits === undefined ? {} : { ulimits: spec.ulimits }),
    ...(shm === undefined ? {} : { shmSize: shm }),
    ...(spec.cgroupParent === undefined ? {} : { cgroupParent: spec.cgroupParent }),
    ...(spec.resources === undefined ? {} : { resources: spec.resources }),
    ...(spec.devices === undefined ? {} : { devices: spec.devices }),
    ...(spec.validExitCodes === undefined ? {} : { validExitCodes: spec.validExitCodes }),
  };
  const root = stack.use(
    await sandbox.mounter.mount(
      {
        lowers: await materialize(inputs[rootMount.input], deps, job),
        ...(inputs[rootMount.input] === undefined ? {} : { key: (inputs[rootMount.input] as RootFS).identity }),
        mountPoints: sandbox.executor.mountPoints({ mounts, cwd: spec.cwd }),
      },
      job,
    ),
  );
  const below = inputs[rootMount.input];
  const beside = (): void => {
    job.onWaiting?.();
    if (below !== undefined) setImmediate(() => deps.whileRunning?.(vertex.digest, below));
  };
  const { notices } = await sandbox.executor
    .run({ ...process, root: root.root }, { ...job, onWaiting: beside })
    .catch(async (error: unknown) => {
      if (isOwnFault(error)) {
        const kept = deps.keepsFailed === true ? [...(rootMount.output >= 0 ? [{ mount: rootMount, mounted: root }] : []), ...written] : [];
        await showLeftovers({ vertex, secrets: redact }, root, kept, inputs, deps);
      }
      throw explainNotGiven(error, notGiven);
    });
  for (const notice of notices) deps.notice(vertex.digest, notice);
  if (rootMount.output >= 0) written.unshift({ mount: rootMount, mounted: root });
  const outputs: RootFS[] = [];
  for (const { mount, mounted } of written)
    outputs[mount.output] = await commit(mount, mounted, inputs[mount.input], key, deps, redact, job);
  return outputs;
}

/** Of several mounts at one path the last, in the place of the first: a file could not be mounted over a folder. */
function lastOfEach(mounts: readonly ProcessMount[]): readonly ProcessMount[] {
  return [...new Map(mounts.map((mount) => [mount.dest, mount])).values()];
}

/** The process ran and failed, or took too long: it may have left something that says why. */
function isOwnFault(error: unknown): boolean {
  return isSlipwayError(error, 'EXEC_EXIT') || isSlipwayError(error, 'EXEC_TIMEOUT');
}

/** Shows what a failed process changed to whoever wants to see it. That it cannot be shown hides no failure. */
async function showLeftovers(
  step: Pick<FailedStep, 'vertex' | 'secrets'>,
  root: MountedRootfs,
  kept: readonly WrittenMount[],
  inputs: readonly RootFS[],
  deps: OpDeps,
): Promise<void> {
  if (deps.failed === undefined) return;
  const { op } = step.vertex;
  const left: LeftOver[] = [];
  try {
    const folder = await root.commit();
    for (const { mount, mounted } of kept) {
      const below = inputs[mount.input];
      const index = op.type === 'exec' ? op.mounts.indexOf(mount) : -1;
      left.push({ mount: index, folder: mounted === root ? folder : await mounted.commit(), below });
    }
    deps.failed({ ...step, folder, left });
  } catch (error) {
    if (error instanceof SlipwayError || errnoOf(error) !== undefined) return;
    throw error;
  }
}

async function commit(
  mount: MountSpec,
  mounted: MountedRootfs,
  input: RootFS | undefined,
  key: Digest,
  deps: OpDeps,
  redact: readonly Uint8Array[],
  job: JobContext,
): Promise<RootFS> {
  // What overlay copied up or marked without a difference is left out: every rung makes the same layer.
  const below = input?.folder === undefined ? { below: input?.layers ?? [] } : {};
  const secrets = redact.length === 0 ? {} : { secrets: redact };
  const layer = await deps.layers.commitFolder(await mounted.commit(), job, { ...below, ...secrets }).catch(tellLength);
  if (layer.contentDigest === undefined) throw new Error('internal: a committed layer without content digest');
  const identity = stepIdentity(key, layer.contentDigest, mount.output);
  mounted.keep(identity);
  return { identity, layers: [...(input?.layers ?? []), layer] };
}

/** Folders that a process enters one by one may be deeper than any path can name. */
function tellLength(error: unknown): never {
  if (errnoOf(error) !== 'ENAMETOOLONG') throw error;
  throw new SlipwayError('PATH_TOO_LONG', 'the step left folders inside each other whose path is longer than 4096 bytes', {
    cause: error,
    hint: 'remove them in the same step',
  });
}

/** A step that failed for no other known reason, and was not given what it may use: perhaps it wanted it. */
function explainNotGiven(error: unknown, flags: readonly string[]): unknown {
  if (!isSlipwayError(error, 'EXEC_EXIT') || error.hint !== undefined || flags.length === 0) return error;
  return new SlipwayError(error.code, error.message, {
    cause: error,
    facts: error.facts,
    hint: `the build was not given what this step may use: ${flags.join(' ')}`,
  });
}

/** What the kernel does not take for a program: one of another architecture that nothing here can run, or no program at all. */
function explainFormat(error: unknown, { platform }: GraphVertex): unknown {
  if (!(error instanceof SlipwayError) || !/^EXEC_/.test(error.code)) return error;
  const said = `${error.message} ${String(error.facts['outputTail'] ?? '')}`;
  if (!/exec format error/i.test(said)) return error;
  const { os, architecture } = nodePlatform(process.platform, process.arch);
  if (platform.os === os && platform.architecture === architecture) {
    return new SlipwayError(error.code, error.message, {
      cause: error,
      facts: error.facts,
      hint: `what is run is neither a program for ${formatPlatform(platform)} nor a script with #! and its interpreter in the first line`,
    });
  }
  return new SlipwayError('EMULATION_MISSING', `this machine cannot run programs for ${formatPlatform(platform)}: exec format error`, {
    cause: error,
    facts: error.facts,
    hint: 'let the kernel emulate it (apt-get install qemu-user-static registers it), or compile on FROM --platform=$BUILDPLATFORM for $TARGETARCH',
  });
}

function proxyVariables(spec: ExecSpec): string[] {
  const given = new Set(spec.env.map((variable) => variable.split('=', 1)[0]));
  return Object.entries(spec.proxyEnv ?? {}).flatMap(([name, value]) => (given.has(name) ? [] : [`${name}=${value}`]));
}

function sshVariables(spec: ExecSpec, mounts: readonly ProcessMount[]): string[] {
  const first = mounts.find(({ type }) => type === 'ssh');
  return first === undefined || spec.env.some((variable) => variable.startsWith('SSH_AUTH_SOCK=')) ? [] : [`SSH_AUTH_SOCK=${first.dest}`];
}
