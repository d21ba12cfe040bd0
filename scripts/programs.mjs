// Installs what a script needs and the machine lacks: Debian packages, programs from PyPI and npm in folders of their own.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of a program on PATH (and the sbin folders that an ordinary PATH leaves out), or undefined. */
export function findProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * Makes Python programs available in `folder`, a virtual environment of their own.
 * @param {string[]} packages as pip names them, with versions
 */
export function ensurePython(folder, program, packages) {
  if (existsSync(join(folder, 'bin', program))) return;
  ensurePrograms({ python3: 'python3' });
  if (spawnSync('python3', ['-c', 'import ensurepip']).status !== 0) ensurePrograms({ '/usr/share/doc/python3-venv': 'python3-venv' });
  console.error(`installing ${packages.join(', ')}`);
  execFileSync('python3', ['-m', 'venv', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync(join(folder, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...packages], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/**
 * Installs an npm package with what it needs into a folder of its own, which is kept: a program for tests, no part of the product.
 * @param {string} folder
 * @param {string} program as the package calls it
 * @param {string} wanted as npm names it, with its version
 */
export function ensureNpm(folder, program, wanted) {
  if (existsSync(join(folder, 'node_modules/.bin', program))) return;
  console.error(`installing ${wanted}`);
  mkdirSync(folder, { recursive: true });
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional', '--no-package-lock', '--loglevel=error'];
  execFileSync('npm', ['install', ...flags, '--prefix', folder, wanted], { stdio: ['ignore', 'ignore', 'inherit'] });
}

let updated = false;

/**
 * Makes programs available. `wanted`: program (or absolute file) → Debian package.
 * @throws when a package cannot be installed; the message says which, and what apt-get said.
 */
export function ensurePrograms(wanted) {
  const missing = [
    ...new Set(
      Object.entries(wanted)
        .filter(([program]) => (program.startsWith('/') ? !existsSync(program) : findProgram(program) === undefined))
        .map(([, name]) => name),
    ),
  ];
  if (missing.length === 0) return;
  if (process.getuid() !== 0)
    throw new Error(`missing: ${missing.join(', ')}; run as root, or install them: apt-get install ${missing.join(' ')}`);
  console.error(`installing ${missing.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () =>
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env, encoding: 'utf8', maxBuffer: 1 << 26 });
  let outcome = install();
  if (outcome.status !== 0 && !updated) {
    execFileSync('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    updated = true;
    outcome = install();
  }
  if (outcome.status !== 0) throw new Error(`apt-get install ${missing.join(' ')} failed:\n${outcome.stderr}`);
}

/**
 * Address of the mirror that this machine's apt reads its distribution from: other suites are there too.
 * @throws when apt has no sources.
 */
export function packageMirror() {
  const targets = execFileSync('apt-get', ['indextargets', '--format', '$(REPO_URI)'], { encoding: 'utf8' });
  const mirror = targets.split('\n').find((address) => address !== '' && !address.includes('security'));
  if (mirror === undefined) throw new Error('apt has no sources: name a mirror in /etc/apt/sources.list');
  return mirror;
}
