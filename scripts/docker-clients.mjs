// Docker's client programs (docker, buildx, compose) for tests of the server: from a Debian suite new enough to have all of buildx's
// commands, unpacked into a cache folder; nothing is installed.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageMirror } from './programs.mjs';

const SUITE = 'forky';
const PACKAGES = ['docker-cli', 'docker-buildx', 'docker-compose'];

/**
 * Makes the programs available below `folder`, which is kept.
 * @returns {{docker: string, plugins: string}} the client, and the folder of its plugins.
 */
export function ensureDockerClients(folder) {
  const root = join(folder, SUITE);
  if (!existsSync(root)) fetchPackages(folder, root);
  return { docker: join(root, 'usr/bin/docker'), plugins: join(root, 'usr/libexec/docker/cli-plugins') };
}

function fetchPackages(folder, root) {
  console.error(`fetching ${PACKAGES.join(', ')} of Debian ${SUITE}`);
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, 'new-'));
  try {
    for (const name of ['lists/partial', 'cache/archives/partial', 'root']) mkdirSync(join(scratch, name), { recursive: true });
    const list = join(scratch, 'sources.list');
    writeFileSync(list, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${packageMirror()} ${SUITE} main\n`);
    const options = {
      'Dir::Etc::sourcelist': list,
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::State::lists': join(scratch, 'lists'),
      'Dir::Cache': join(scratch, 'cache'),
      'Acquire::Languages': 'none',
      'APT::Sandbox::User': 'root',
    };
    const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const apt = (...args) => execFileSync('apt-get', ['-qq', ...flags, ...args], { cwd: scratch, stdio: ['ignore', 'ignore', 'inherit'] });
    apt('update');
    apt('download', ...PACKAGES);
    for (const file of readdirSync(scratch).filter((name) => name.endsWith('.deb')))
      execFileSync('dpkg-deb', ['-x', join(scratch, file), join(scratch, 'root')]);
    renameSync(join(scratch, 'root'), root);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
