// Bundles a test program into a folder of its own, so that an ordinary user, or a container, can run it without the checkout.

import { chmodSync, cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type BuildOptions } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** What stands for the id of a build in the names of files that belong together. */
const ID = 'test';

/** Writes `entry` (relative to the project) and the named workers into `folder`; returns the program's path. */
export async function bundleProgram(folder: string, entry: string, workers: readonly string[]): Promise<string> {
  const named = (file: string): { in: string; out: string } => ({ in: join(root, file), out: basename(file, '.ts') });
  const common = {
    outdir: folder,
    bundle: true,
    platform: 'node',
    target: 'node20',
    external: ['koffi'],
    define: { 'process.env.SLIPWAY_BUILD': JSON.stringify(ID) },
    logLevel: 'error',
  } satisfies BuildOptions;
  await build({
    ...common,
    entryPoints: [named(entry)],
    splitting: true,
    format: 'esm',
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  });
  await build({
    ...common,
    entryPoints: workers.map((file) => ({ in: join(root, file), out: `${basename(file, '.worker.ts')}-${ID}.worker` })),
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    define: { ...common.define, 'import.meta.url': '__place' },
    banner: { js: "const __place=require('node:url').pathToFileURL(__filename).href;" },
  });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  for (const name of ['koffi', '@koromix']) {
    if (existsSync(join(root, 'node_modules', name)))
      cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true });
  }
  chmodSync(folder, 0o755);
  return join(folder, `${basename(entry, '.ts')}.js`);
}
