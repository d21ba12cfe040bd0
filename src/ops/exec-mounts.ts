// What is mounted into the root of a process: results, caches, secrets, agents.

import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import {
  type AsyncDisposableStack,
  type BytePath,
  fromBytePath,
  fsPath,
  isSlipwayError,
  type JobContext,
  SlipwayError,
  toBytePath,
} from '../base/index.ts';
import type { ExecSpec, MountSpec } from '../graph/index.ts';
import type { ProcessMount } from '../runtime/index.ts';
import type { MountedRootfs, RootFS } from '../snapshot/index.ts';
import type { OpDeps, Sandbox } from './deps.ts';
import { materialize, selectionDigest } from './selection.ts';

/** A mount whose content becomes an output. */
export interface WrittenMount {
  readonly mount: MountSpec;
  readonly mounted: MountedRootfs;
}

/**
 * Makes a mount ready; undefined: there is nothing to mount. What it took is given back by `stack`; secrets are added to `redact`, mounts
 * with an output to `written`.
 */
export async function prepareMount(
  mount: MountSpec,
  inputs: readonly RootFS[],
  sandbox: Sandbox,
  written: WrittenMount[],
  redact: Uint8Array[],
  stack: AsyncDisposableStack,
  deps: OpDeps,
  job: JobContext,
): Promise<ProcessMount | undefined> {
  const dest = toBytePath(mount.dest);
  const input = inputs[mount.input];
  switch (mount.type) {
    case 'tmpfs':
      return { type: 'tmpfs', dest, readonly: mount.readonly, ...(mount.tmpfs?.size === undefined ? {} : { size: mount.tmpfs.size }) };
    case 'secret': {
      const { id = '', optional = true, uid = 0, gid = 0, mode = 0o400 } = mount.secret ?? {};
      const data = await secretValue(id, optional, deps);
      if (data === undefined) return undefined;
      redact.push(data);
      return { type: 'secret', dest, data, uid, gid, mode };
    }
    case 'ssh': {
      const { id = 'default', optional = true, uid = 0, gid = 0, mode = 0o600 } = mount.ssh ?? {};
      const socket = await deps.sshSocket(id, job);
      if (socket !== undefined) return { type: 'ssh', dest, socket, uid, gid, mode };
      if (optional) return undefined;
      throw new SlipwayError('SSH_AGENT_MISSING', `the step needs the ssh agent ${JSON.stringify(id)}, and the build was given none`, {
        hint: `add --ssh ${id} to the command`,
      });
    }
    case 'cache': {
      const { id = mount.dest, sharing = 'shared' } = mount.cache ?? {};
      const base = input === undefined ? undefined : (await selectionDigest(input, mount.input, mount.selector, deps, job)).digest;
      const initial = input === undefined ? {} : { fill: (folder: string) => fillCache(folder, mount, input, sandbox, deps, job) };
      const held = stack.use(
        await deps.caches.acquire(
          {
            id,
            sharing,
            owner: stack,
            exclusive: sandbox.executor.facts.runtime === 'chroot',
            ...(base === undefined ? {} : { base }),
            ...initial,
            uid: 0,
            gid: 0,
            mode: 0o755,
          },
          job,
        ),
      );
      const source = input === undefined ? pathInCache(held.path, mount, sandbox, stack) : held.path;
      return { type: 'bind', source, dest, readonly: mount.readonly };
    }
    case 'bind': {
      const lowers = await materialize(input, deps, job, mount.selector);
      if (mount.output >= 0) {
        const mounted = stack.use(await sandbox.mounter.mount({ lowers }, job));
        written.push({ mount, mounted });
        return { type: 'bind', source: mounted.root, dest, readonly: mount.readonly };
      }
      const view = stack.use(await sandbox.mounter.view({ lowers, selector: mount.selector, writable: !mount.readonly }, job));
      return { type: 'bind', source: view.path, dest, readonly: mount.readonly };
    }
  }
}

/** With `source=` and no `from=` the step gets a folder, or a file, of the cache. */
function pathInCache(cache: BytePath, { selector, dest }: MountSpec, sandbox: Sandbox, stack: AsyncDisposableStack): BytePath {
  if (selector.split('/').every((name) => name === '' || name === '.')) return cache;
  try {
    return stack.use(sandbox.mounter.inFolder(cache, selector)).path;
  } catch (cause) {
    if (!isSlipwayError(cause, 'MOUNT_SOURCE_MISSING')) throw cause;
    throw new SlipwayError('MOUNT_SOURCE_MISSING', `"${fromBytePath(selector)}": not found in the cache that is mounted at ${dest}`, {
      cause,
      hint: 'without from=, source= is a path inside the cache: a step that mounts all of it has to make it first',
      facts: { path: fromBytePath(selector) },
    });
  }
}

/** Gives a new cache its first content: a copy of what `from=` and `source=` name, owners and mode of the folder itself included. */
async function fillCache(folder: string, mount: MountSpec, input: RootFS, sandbox: Sandbox, deps: OpDeps, job: JobContext): Promise<void> {
  const lowers = await materialize(input, deps, job, mount.selector);
  await using view = await sandbox.mounter.view({ lowers, selector: mount.selector, writable: false }, job);
  if (!statSync(fsPath(view.path)).isDirectory()) {
    throw new SlipwayError(
      'CACHE_MOUNT_FILL',
      `the cache mount at ${mount.dest} cannot start as "${fromBytePath(mount.selector)}": it is no folder`,
      {
        hint: 'name the folder that it is in, as source=',
      },
    );
  }
  const { status, stderr } = spawnSync('cp', ['-aT', '--', fromBytePath(view.path), folder], { encoding: 'utf8' });
  if (status !== 0) throw new SlipwayError('CACHE_MOUNT_FILL', `cannot fill the cache mount at ${mount.dest}: ${stderr.trim()}`);
}

/** Secrets as variables. One that need not be there is an empty variable, as in BuildKit. */
export async function secretVariables(spec: Pick<ExecSpec, 'secretEnv'>, redact: Uint8Array[], deps: OpDeps): Promise<string[]> {
  const variables: string[] = [];
  for (const { id, name, optional } of spec.secretEnv ?? []) {
    const value = await secretValue(id, optional, deps);
    if (value !== undefined) redact.push(value);
    variables.push(`${name}=${Buffer.from(value ?? []).toString('utf8')}`);
  }
  return variables;
}

async function secretValue(id: string, optional: boolean, deps: OpDeps): Promise<Uint8Array | undefined> {
  const value = await deps.secret(id);
  if (value !== undefined || optional) return value;
  throw new SlipwayError('SECRET_MISSING', `secret ${id}: not found`, {
    hint: `the step requires it: add --secret id=${id},src=FILE or --secret id=${id},env=VARIABLE`,
  });
}
