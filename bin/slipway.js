#!/usr/bin/env node
'use strict';
// Starts the command from its compiled form when this Node can use it; else the engine compiles the text as always.

const { readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

const dist = join(__dirname, '../dist');
const name = `cli-${readFileSync(join(dist, 'cli.id'), 'latin1').trim()}`;
const filename = join(dist, `${name}.cjs`);
const compileTo = process.env['SLIPWAY_COMPILE_TO'];

let cachedData;
try {
  cachedData = readFileSync(join(dist, `${name}.v8`));
} catch {
  // It was never made, or the package came without it.
}
// esbuild writes ASCII only.
const source = `(function(require,__filename,__dirname){${readFileSync(filename, 'latin1')}\n})`;
const script = new Script(source, { filename, cachedData });
if (compileTo !== undefined) process.on('exit', () => writeFileSync(compileTo, script.createCachedData()));
script.runInThisContext()(createRequire(filename), filename, dist);
