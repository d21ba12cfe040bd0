// Repositories on loopback, by git's own daemon.

import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { command } from './rig.ts';

/** Serves the repositories below a folder; `probe` is one of them. */
export async function serveGit(folder: string, probe = 'app'): Promise<AsyncDisposable & { readonly address: string }> {
  const port = await freePort();
  const args = ['daemon', '--reuseaddr', '--export-all', '--listen=127.0.0.1', `--port=${port}`, `--base-path=${folder}`, folder];
  const child = spawn('git', args, { stdio: 'ignore', detached: true });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const address = `git://127.0.0.1:${port}`;
  while ((await command('git', ['ls-remote', `${address}/${probe}`])).code !== 0) await delay(50);
  return {
    address,
    [Symbol.asyncDispose]: async () => {
      process.kill(-(child.pid as number));
      await ended;
    },
  };
}
