#!/usr/bin/env node
// `node scripts/on-node.mjs 26 [WORD …]`: the tests on another version of Node, which npm's packages have. Without words all of them.
// What the engine of a version lacks or does otherwise shows only there: it is to be run before a release, for each version that is kept up.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [version = '', ...words] = process.argv.slice(2);
if (!/^\d+(\.\d+){0,2}$/.test(version)) throw new Error('name a version of Node: node scripts/on-node.mjs 26 [WORD …]');

const name = `node-linux-${process.arch}`;
const folder = join(root, '.cache/node', version);
mkdirSync(folder, { recursive: true });
execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, `${name}@${version}`], { stdio: 'inherit' });
const bin = join(folder, 'node_modules', name, 'bin');
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
const { status } = spawnSync(join(bin, 'node'), [join(root, 'scripts/test.mjs'), ...words], { cwd: root, env, stdio: 'inherit' });
process.exitCode = status ?? 1;
