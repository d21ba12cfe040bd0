// The mounts of one step that are not plain folders: secrets as files in memory, sockets that lead to an agent, tmpfs.

import { chmodSync, chownSync, closeSync, constants, lstatSync, openSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { type AsyncDisposableStack, type BytePath, errnoOf, fsPath, fromBytePath, SlipwayError, toBytePath } from '../base/index.ts';
import { holdInRoot } from '../sys/index.ts';
import { bindMount } from './container-config.ts';
import type { OciMount } from './oci-config.ts';
import type { MountPoint, ProcessMount, SecretMount, SshMount } from './process-spec.ts';

/** A new tmpfs is open to all, as /tmp is. */
const TMPFS_MODE = 0o1777;

/** What a step's mount makes of its place. */
export function mountPoint(mount: ProcessMount): MountPoint {
  if (mount.type === 'tmpfs') return { path: mount.dest, kind: 'dir', mode: TMPFS_MODE };
  const isFolder = mount.type === 'bind' && statSync(fsPath(mount.source)).isDirectory();
  return { path: mount.dest, kind: isFolder ? 'dir' : 'file' };
}

/** Makes what the mounts need in `folder` (in memory, private) and gives them as the runtime takes them. */
export async function prepareMounts(
  mounts: readonly ProcessMount[],
  root: BytePath,
  folder: string,
  stack: AsyncDisposableStack,
): Promise<readonly OciMount[]> {
  const prepared: OciMount[] = [];
  for (const [index, mount] of mounts.entries()) {
    const path = join(folder, `m${index}`);
    switch (mount.type) {
      case 'bind':
        prepared.push(bindMount(mount.source, mount.dest, mount.readonly));
        break;
      case 'tmpfs':
        prepared.push({
          destination: fromBytePath(mount.dest),
          type: 'tmpfs',
          source: 'tmpfs',
          options: [
            'nosuid',
            `mode=${modeAt(root, mount.dest)}`,
            ...(mount.size === undefined || mount.size <= 0 ? [] : [`size=${mount.size}`]),
            ...(mount.readonly === true ? ['ro'] : []),
          ],
        });
        break;
      case 'secret':
        writeSecret(path, mount);
        prepared.push(bindMount(toBytePath(path), mount.dest, true, 'nodev', 'nosuid', ...((mount.mode & 0o111) === 0 ? ['noexec'] : [])));
        break;
      case 'ssh':
        await listenForAgent(path, mount, stack);
        prepared.push(bindMount(toBytePath(path), mount.dest, false));
        break;
    }
  }
  return prepared;
}

/** A tmpfs over an existing folder keeps the folder's mode. */
function modeAt(root: BytePath, dest: BytePath): string {
  try {
    using place = holdInRoot(root, dest);
    const stat = lstatSync(fsPath([place.folder, ...place.names, '.'].join('/')));
    if (stat.isDirectory()) return (stat.mode & 0o7777).toString(8);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
  }
  return TMPFS_MODE.toString(8);
}

/** Never readable by others, not even for a moment. */
export function writeSecret(path: string | Buffer, secret: SecretMount): void {
  writeFileSync(path, secret.data, { mode: 0o600, flag: 'wx' });
  own(path, secret.uid, secret.gid);
  chmodSync(path, secret.mode & 0o777);
}

/** A socket with the wished owner and mode; each connection is passed on to the agent's own socket. */
export async function listenForAgent(path: string, mount: SshMount, stack: AsyncDisposableStack): Promise<void> {
  const server = createServer((client) => {
    const agent = connect(mount.socket);
    const end = (): void => {
      client.destroy();
      agent.destroy();
    };
    client.on('error', end).on('close', end);
    agent.on('error', end).on('close', end);
    client.pipe(agent);
    agent.pipe(client);
    open.add(end);
    client.on('close', () => open.delete(end));
  });
  const open = new Set<() => void>();
  // The kernel takes 107 bytes: the folder is reached through a descriptor, however long its path is.
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(new SlipwayError('SSH_SOCKET', `no socket for the ssh agent at ${path}`, { cause })));
      server.listen(`/proc/self/fd/${folder}/${basename(path)}`, resolve);
    });
  } finally {
    closeSync(folder);
  }
  stack.defer(async () => {
    for (const end of open) end();
    await new Promise((resolve) => server.close(resolve));
  });
  own(path, mount.uid, mount.gid);
  chmodSync(path, mount.mode & 0o777);
}

function own(path: string | Buffer, uid: number, gid: number): void {
  try {
    chownSync(path, uid, gid);
  } catch (cause) {
    if (errnoOf(cause) !== 'EINVAL') throw cause;
    throw new SlipwayError('ID_UNMAPPED', `no file can belong to ${uid}:${gid} here: that id is not mapped into our user namespace`, {
      cause,
      hint: 'give the user subordinate ids (/etc/subuid, /etc/subgid), or leave uid and gid away',
    });
  }
}
