#!/usr/bin/env node
// Runs the unit tests: `node scripts/unit.mjs [ROOM or FILE …]`.

import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow } from './files.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const asked = process.argv.slice(2).map((word) => (existsSync(word) ? word : join(root, 'src', word)));
const files = (asked.length > 0 ? asked : [join(root, 'src')]).flatMap((path) =>
  statSync(path).isDirectory() ? filesBelow(path, (name) => name.endsWith('.test.ts')) : [path],
);
process.umask(0o022); // tests compare the modes of what they make
const { status } = spawnSync(process.execPath, ['--import', 'tsx', '--test', '--test-concurrency=2', ...files], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
