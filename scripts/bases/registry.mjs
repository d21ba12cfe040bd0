// A real registry (Debian's docker-registry) on loopback, for bases, examples and tests.

import { spawn } from 'node:child_process';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import http from 'node:http';
import { ensurePrograms } from '../programs.mjs';

/** A TCP port on loopback that nobody uses now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * Starts a registry over `folder`. It ends with `stop()`; its log (one line a request) is `logFile`.
 * @param {{folder: string, port?: number, config?: string}} options `config`: more YAML lines (auth, tls).
 */
export async function startRegistry({ folder, port, config = '' }) {
  ensurePrograms({ 'docker-registry': 'docker-registry' });
  const chosen = port ?? (await freePort());
  mkdirSync(join(folder, 'data'), { recursive: true });
  const file = join(folder, `registry-${chosen}.yml`);
  const logFile = join(folder, `registry-${chosen}.log`);
  writeFileSync(
    file,
    `version: 0.1\nlog: {level: info, accesslog: {disabled: false}}\nstorage: {filesystem: {rootdirectory: ${join(folder, 'data')}}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:${chosen}"}\n${config}`,
  );
  const log = openSync(logFile, 'a');
  const child = spawn('docker-registry', ['serve', file], {
    stdio: ['ignore', log, log],
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let alive = true;
  void ended.then(() => (alive = false));
  while (alive && !(await answers(chosen))) await new Promise((resolve) => setTimeout(resolve, 50));
  if (!alive) throw new Error(`docker-registry ended at once; see ${logFile}`);
  return {
    address: `127.0.0.1:${chosen}`,
    port: chosen,
    logFile,
    pid: child.pid,
    /** Ends it; resolves once it is gone. */
    stop: () => {
      child.kill();
      return ended;
    },
  };
}

function answers(port) {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/v2/', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode !== undefined);
    });
    request.once('error', () => resolve(false));
  });
}
