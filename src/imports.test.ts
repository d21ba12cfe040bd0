// The floors: a room imports only from lower floors, and other rooms only by their door.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = dirname(fileURLToPath(import.meta.url));

/** Rooms by floor, and which rooms each may import. Floor 5 sees everything below it; those above see only `build`, `base` and what reads Bake files. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  oci: ['base'],
  dockerfile: ['base'],
  hcl: ['base'],
  solver: ['base'],
  sys: ['base'],
  layer: ['oci', 'sys', 'base'],
  graph: ['dockerfile', 'oci', 'base'],
  bake: ['hcl', 'dockerfile', 'oci', 'base'],
  store: ['oci', 'sys', 'base'],
  registry: ['oci', 'sys', 'base'],
  snapshot: ['layer', 'oci', 'sys', 'base'],
  runtime: ['oci', 'sys', 'base'],
  source: ['layer', 'oci', 'sys', 'base'],
};
const LOWER = Object.keys(MAY_IMPORT);
for (const room of ['ops', 'cache', 'insight', 'export', 'trust']) (MAY_IMPORT as Record<string, readonly string[]>)[room] = LOWER;
(MAY_IMPORT as Record<string, readonly string[]>)['build'] = [...LOWER, 'ops', 'cache', 'insight', 'export', 'trust'];
(MAY_IMPORT as Record<string, readonly string[]>)['request'] = ['build', 'bake', 'base'];
(MAY_IMPORT as Record<string, readonly string[]>)['api'] = ['build', 'base'];
// `slipway serve` is a command like the others; the server knows nothing of the command line.
(MAY_IMPORT as Record<string, readonly string[]>)['cli'] = ['api', 'request', 'build', 'bake', 'base'];

/**
 * Second doors: `build` has one for the server, with the engine in parts, which the library does not promise to anybody; `request` one for
 * what reads Bake files, which a plain build does not load.
 */
const SECOND_DOORS: Readonly<Record<string, string>> = { build: 'parts.ts', request: 'bake.ts' };

function isDoor(room: string, file: string): boolean {
  return file === 'index.ts' || SECOND_DOORS[room] === file;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'testdata' ? [] : sources(path);
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

test('rooms import only from lower floors, and only by the door', () => {
  const broken: string[] = [];
  for (const file of sources(SRC)) {
    const [room, ...rest] = relative(SRC, file).split(sep);
    if (room === undefined || rest.length === 0) continue; // src/index.ts is the package's door
    for (const [, target] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const path = relative(SRC, resolve(dirname(file), target as string)).split(sep);
      const other = path[0] as string;
      if (other === room) continue;
      const place = `${relative(SRC, file)} imports ${target as string}`;
      if (MAY_IMPORT[room]?.includes(other) !== true) broken.push(`${place}: ${room} may not import ${other}`);
      else if (!isDoor(other, path.slice(1).join('/'))) broken.push(`${place}: not by the door of ${other}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('no file imports itself by way of others', () => {
  const imports = new Map(sources(SRC).map((file) => [file, valueImports(file)]));
  const circles: string[] = [];
  const open: string[] = [];
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (open.includes(file)) circles.push([...open.slice(open.indexOf(file)), file].map((one) => relative(SRC, one)).join(' → '));
    if (seen.has(file)) return;
    seen.add(file);
    open.push(file);
    for (const target of imports.get(file) ?? []) visit(target);
    open.pop();
  };
  for (const file of imports.keys()) visit(file);
  assert.deepEqual(circles, [], 'move what both need into a file of its own');
});

/** Files that one needs when it runs: imports of types only do not count. */
function valueImports(file: string): readonly string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?!type )([^;]*?)from '(\.[^']+\.ts)'/gm)]
    .filter(([, names = '']) => !/^\{(?:\s*type [^,}]+,?)+\s*\}\s*$/.test(names))
    .map(([, , target = '']) => resolve(dirname(file), target));
}
