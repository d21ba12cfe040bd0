// Repositories on loopback, by git's own daemon: one process of it for each connection, as inetd starts it.

import { execFileSync, spawn } from 'node:child_process';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** Serves the repositories below a folder, from this process: nothing here may wait for a client of it. */
export async function serveGit(folder: string): Promise<AsyncDisposable & { readonly address: string }> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    const child = spawn('git', ['daemon', '--inetd', '--export-all', `--base-path=${folder}`, folder], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child.stdin.on('error', () => {}); // a client may say more than it wants to know
    socket.on('error', () => child.kill()).once('close', () => open.delete(socket));
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    address: `git://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/**
 * Runs git in a folder, as nobody in particular and at a fixed time, so that equal files give equal commits. Returns what it says.
 * Hostile repositories are made with it: it refuses neither files that only Windows minds, nor submodules from this disk.
 */
export function runGit(folder: string, ...args: readonly string[]): string {
  const settings = ['user.name=a', 'user.email=a@b', 'init.defaultBranch=main', 'protocol.file.allow=always', 'core.protectNTFS=false'];
  const env = {
    ...process.env,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_DATE: '@1700000000 +0000',
    GIT_COMMITTER_DATE: '@1700000000 +0000',
  };
  const all = [...settings.flatMap((setting) => ['-c', setting]), ...args];
  return execFileSync('git', all, { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' }).trim();
}
