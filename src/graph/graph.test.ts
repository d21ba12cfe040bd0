// Golden tests: testdata/<case>/Dockerfile (and options.json) to graph.txt. UPDATE_GOLDEN=1 writes them anew.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseDockerfile } from '../dockerfile/index.ts';
import { buildGraph, type GraphOptions } from './index.ts';
import { printGraph } from './print-graph.ts';
import { AMD64, fakeResolver } from './fake-resolver.ts';

const CASES = fileURLToPath(new URL('testdata', import.meta.url));

for (const name of readdirSync(CASES)) {
  void test(`graph of ${name}`, async () => {
    const folder = join(CASES, name);
    const optionsFile = join(folder, 'options.json');
    const options = existsSync(optionsFile) ? (JSON.parse(readFileSync(optionsFile, 'utf8')) as Partial<GraphOptions>) : {};
    const dockerfile = parseDockerfile(readFileSync(join(folder, 'Dockerfile'), 'utf8'));
    const graph = await buildGraph(dockerfile, { buildPlatform: AMD64, ...options }, fakeResolver());
    const golden = join(folder, 'graph.txt');
    const text = printGraph(graph);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text);
    assert.equal(text, readFileSync(golden, 'utf8'));
  });
}
