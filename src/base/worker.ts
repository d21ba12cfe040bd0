// Worker entry files are `<name>.worker.ts` beside their user; the build bundles each as `dist/<name>-<id>.worker.cjs`. A thread that need
// not set up the loader of modules starts in two thirds of the processor time: entries have no `await` at their top level.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SlipwayError } from './errors.ts';

/**
 * URL of a worker entry: beside the bundle in the product, beside the importing file in a checkout. There a thread does not inherit the
 * loader for TypeScript (Node 20), so the URL is a small program that registers it first. Throws as `builtFile`.
 */
export function workerUrl(importMetaUrl: string, name: string): URL {
  if (!importMetaUrl.endsWith('.ts')) return builtFile(importMetaUrl, name, '.worker.cjs');
  const entry = new URL(`./${name}.worker.ts`, importMetaUrl).href;
  const loader = import.meta.resolve('tsx/esm/api');
  const program = `import{register}from${JSON.stringify(loader)};register();await import(${JSON.stringify(entry)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(program)}`);
}

/**
 * URL of a file that was built together with the importing one: its name has the id of what both were built from. So a process that
 * still runs when the installation is replaced takes no other version's files for its own. Throws `INSTALLATION_REPLACED` when it is gone.
 */
export function builtFile(importMetaUrl: string, name: string, ending: string): URL {
  const url = new URL(`./${name}-${process.env['SLIPWAY_BUILD']}${ending}`, importMetaUrl);
  if (existsSync(url)) return url;
  throw new SlipwayError('INSTALLATION_REPLACED', `a part of slipway is gone: ${fileURLToPath(url)}`, {
    hint: 'if slipway was installed anew meanwhile, do the same again; else install it anew',
    facts: { path: fileURLToPath(url) },
  });
}
