// Golden tests: testdata/<case>/Dockerfile (and options.json) to graph.txt: the graph, or the frames of all mistakes. UPDATE_GOLDEN=1
// writes them anew.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Diagnostic, isSlipwayError } from '../base/index.ts';
import { type Dockerfile, parseDockerfile, renderFrame } from '../dockerfile/index.ts';
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
    const golden = join(folder, 'graph.txt');
    const text = await answerOf(dockerfile, options);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text);
    assert.equal(text, readFileSync(golden, 'utf8'));
  });
}

async function answerOf(dockerfile: Dockerfile, options: Partial<GraphOptions>): Promise<string> {
  try {
    return printGraph(await buildGraph(dockerfile, { buildPlatform: AMD64, ...options }, fakeResolver()));
  } catch (error) {
    if (!isSlipwayError(error, 'DOCKERFILE_INVALID')) throw error;
    const mistakes = error.facts['diagnostics'] as readonly Diagnostic[];
    return mistakes.map((mistake) => `${renderFrame(mistake, dockerfile.source)}\n`).join('\n');
  }
}
