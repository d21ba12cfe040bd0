#!/usr/bin/env node
// `npm run soak`: the long form of everything in test/soak, each for SECONDS (default 600), and the results into docs/soak.md.
// `SECONDS=60 node scripts/soak.mjs tar` runs only the programs whose name has that word; the other results stay on the page.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow } from './files.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const page = join(root, 'docs/soak.md');
const seconds = Number(process.env.SECONDS ?? 600);
const words = process.argv.slice(2);
if (!Number.isFinite(seconds) || seconds <= 0) throw new Error(`SECONDS must be a number of seconds, not ${process.env.SECONDS}`);

const programs = filesBelow(join(root, 'test/soak'), (name) => name.endsWith('.ts') && !/\.(test|d)\.ts$/.test(name)).filter(
  (file) => words.length === 0 || words.some((word) => basename(file).includes(word)),
);
if (programs.length === 0) throw new Error(`no program in test/soak has a name with ${words.join(' or ')}`);

// Programs that build images want bases to build from.
const uses = (rig) => programs.some((file) => readFileSync(file, 'utf8').includes(rig));
const names = uses('example-digests.ts') ? ['busybox', 'debian', 'golang', 'nginx', 'alpine'] : uses('rig.ts') ? ['busybox'] : [];
const bases =
  names.length > 0
    ? await (await import('./bases/index.mjs')).serveBases({ names, folder: join(root, '.cache/standins'), log: console.log })
    : undefined;
const clients = uses('served.ts')
  ? (await import('./docker-clients.mjs')).ensureDockerClients(join(root, '.cache/docker-clients'))
  : undefined;
const env = {
  ...process.env,
  SECONDS: String(seconds),
  ...(clients && { SLIPWAY_TEST_DOCKER: clients.docker, SLIPWAY_TEST_DOCKER_PLUGINS: clients.plugins }),
  ...(bases && { SLIPWAY_TEST_CONFIG: bases.configFile, SLIPWAY_TEST_REGISTRY: bases.address, SLIPWAY_TEST_REGISTRY_LOG: bases.logFile }),
};

const rows = readRows();
let failed = false;
try {
  for (const file of programs) {
    const name = basename(file, '.ts');
    console.log(`\n== ${name}, ${seconds} s`);
    const started = Date.now();
    const { code, last } = await run(file);
    failed ||= code !== 0;
    const verdict = code === 0 ? 'held' : `failed (${code})`;
    rows.set(name, [
      name,
      verdict,
      last,
      `${Math.round((Date.now() - started) / 1000)} s`,
      new Date().toISOString().slice(0, 10),
      machine(),
    ]);
    writePage();
  }
} finally {
  await bases?.stop();
}
process.exitCode = failed ? 1 : 0;

/** Runs a program and shows what it says; resolves with its exit code and the last line of its output. */
function run(file) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      process.stdout.write(chunk);
      text = (text + chunk).slice(-4096);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal, last: text.trimEnd().split('\n').at(-1) ?? '' }));
  });
}

function machine() {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
}

function readRows() {
  if (!existsSync(page)) return new Map();
  const cells = readFileSync(page, 'utf8')
    .split('\n')
    .filter((line) => /^\| (?!Program |-)/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  return new Map(cells.map((row) => [row[0], row]));
}

function writePage() {
  const head = [
    '# Soak',
    '',
    'What the programs of `test/soak` said when they last ran for long: `npm run soak`, or `SECONDS=60 node scripts/soak.mjs NAME`. The',
    'page is written by that command. A short form of each is part of `npm test`.',
    '',
  ];
  const table = [
    ['Program', 'Result', 'In its words', 'Ran', 'Date', 'Machine'],
    Array(6).fill('---'),
    ...[...rows.values()].sort((a, b) => (a[0] < b[0] ? -1 : 1)),
  ].map((row) => `| ${row.map((cell) => cell.replaceAll('|', '/')).join(' | ')} |`);
  writeFileSync(page, `${[...head, ...table].join('\n')}\n`);
}
