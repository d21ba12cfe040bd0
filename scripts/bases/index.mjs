// Bases for examples and tests: from a public registry when one answers, else stand-ins served on loopback.

import { connect } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assembleBases } from './assemble.mjs';
import { startRegistry } from './registry.mjs';

/** Whether the public registry can be reached: one connection, three seconds. */
export function publicRegistryAnswers(host = 'registry-1.docker.io') {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 443, timeout: 3000 }, () => done(true));
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('error', () => done(false)).once('timeout', () => done(false));
  });
}

/**
 * Serves stand-ins and writes a configuration file that makes them the mirror of docker.io.
 * @param {{names: string[], folder: string, log?: (line: string) => void}} options `folder` keeps what was assembled.
 * @returns a registry (see registry.mjs) with `configFile` and `about`, lines on what each stand-in is.
 */
export async function serveBases({ names, folder, log }) {
  mkdirSync(folder, { recursive: true });
  const registry = await startRegistry({ folder: join(folder, 'registry') });
  try {
    const about = await assembleBases(names, { cache: join(folder, 'bases'), address: registry.address, log });
    const configFile = join(folder, `config-${registry.port}.toml`);
    writeFileSync(configFile, `[registry."docker.io"]\nmirrors = ["${registry.address}"]\n`);
    return { ...registry, configFile, about };
  } catch (error) {
    await registry.stop();
    throw error;
  }
}
