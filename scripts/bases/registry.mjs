// A real registry (Debian's docker-registry) on loopback, for bases, examples and tests.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms } from '../programs.mjs';

let count = 0;

/**
 * Starts a registry over `folder`. It ends with `stop()`; its log (one line a request) is `logFile`.
 * @param {{folder: string, config?: string}} options `config`: more YAML lines (auth, tls).
 */
export async function startRegistry({ folder, config = '' }) {
  ensurePrograms({ 'docker-registry': 'docker-registry' });
  mkdirSync(join(folder, 'data'), { recursive: true });
  const name = `registry-${process.pid}-${(count += 1)}`;
  const file = join(folder, `${name}.yml`);
  const logFile = join(folder, `${name}.log`);
  writeFileSync(
    file,
    `version: 0.1\nlog: {level: info, accesslog: {disabled: false}}\nstorage: {filesystem: {rootdirectory: ${join(folder, 'data')}}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:0"}\n${config}`,
  );
  const log = openSync(logFile, 'w');
  const child = spawn('docker-registry', ['serve', file], {
    stdio: ['ignore', log, log],
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  closeSync(log);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let alive = true;
  void ended.then(() => (alive = false));
  // It takes a free port itself and says which: nobody else can have taken it meanwhile.
  let port;
  while (port === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    port = /listening on 127\.0\.0\.1:(\d+)/.exec(readFileSync(logFile, 'utf8'))?.[1];
    if (!alive && port === undefined) throw new Error(`docker-registry ended at once; see ${logFile}`);
  }
  return {
    address: `127.0.0.1:${port}`,
    port: Number(port),
    logFile,
    pid: child.pid,
    /** Ends it; resolves once it is gone. */
    stop: () => {
      child.kill();
      return ended;
    },
  };
}
