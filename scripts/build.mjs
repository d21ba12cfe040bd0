#!/usr/bin/env node
// Bundles the product into dist/: the library, the command and one file per worker. What a command does not use stays in a
// chunk of its own and is not read. `--types` also writes the declarations that the package ships.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { filesBelow } from './files.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
mkdirSync(dist, { recursive: true });

const workers = filesBelow(join(root, 'src'), (name) => name.endsWith('.worker.ts'));
const entryPoints = [
  { in: join(root, 'src/index.ts'), out: 'index' },
  { in: join(root, 'src/cli/main.ts'), out: 'cli' },
  ...workers.map((file) => ({ in: file, out: basename(file, '.ts') })),
];

const { metafile } = await build({
  metafile: true,
  entryPoints,
  outdir: dist,
  bundle: true,
  format: 'esm',
  splitting: true,
  platform: 'node',
  target: 'node20',
  external: ['koffi', '@bokuweb/zstd-wasm'],
  minify: true,
  keepNames: true,
  chunkNames: '[name]-[hash]',
  // Bundled CommonJS packages ask for `require`; ESM has none.
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  define: { 'process.env.SLIPWAY_VERSION': JSON.stringify(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version) },
  logLevel: 'warning',
});
// Chunks of an earlier build stay for a while: a process that runs now may still load them.
const made = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
for (const name of readdirSync(dist)) {
  if (name.endsWith('.js') && !made.has(name) && Date.now() - statSync(join(dist, name)).mtimeMs > 600_000) rmSync(join(dist, name));
}
writeFileSync(join(dist, 'package.json'), '{"type":"module"}\n');
if (process.argv.includes('--types')) {
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
}
