#!/usr/bin/env node
'use strict';
// Starts the command from its compiled form, if this engine has one; else the engine compiles the text as always (70 ms of a no-op
// build of 180), and a build leaves the form for the next start. A form is beside the program: whoever may write it may write that, too.

const { readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { Script } = require('node:vm');

const dist = join(__dirname, '../dist');
const name = `cli-${readFileSync(join(dist, 'cli.id'), 'latin1').trim()}`;
const filename = join(dist, `${name}.cjs`);
const form = join(dist, `${name}-${process.versions.v8}-${process.arch}.v8`);

let cachedData;
try {
  cachedData = readFileSync(form);
} catch {
  // Nobody made it yet.
}
// esbuild writes ASCII only. The text is the function already: put together here it would be copied twice.
const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData });
// `more`: what this run compiles is added to the form; the engine would drop what it does not call for a while.
const more = process.env['SLIPWAY_COMPILE'] === 'more';
if (more) require('node:v8').setFlagsFromString('--no-flush-bytecode');
if (more || (script.cachedDataRejected !== false && process.argv[2] === 'build')) process.on('exit', keepForm);
script.runInThisContext()(createRequire(filename), filename, dist);

function keepForm() {
  if (more) require('node:v8').setFlagsFromString('--flush-bytecode'); // a form is good for an engine with the same flags
  const made = `${form}.${process.pid}`;
  try {
    writeFileSync(made, script.createCachedData(), { flush: true });
    renameSync(made, form);
  } catch {
    rmSync(made, { force: true }); // somebody else's program, or a read-only one
  }
}
