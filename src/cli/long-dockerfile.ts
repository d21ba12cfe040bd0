// A long Dockerfile is read once, in a tenth of a second: the engine would spend half as much again on optimizing functions that are
// done by the time their better code is ready, and copy its tree, which lives on, four times from one space for new objects to the next.

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { delayOptimizing, growYoungSpace } from '../base/index.ts';
import type { BuildOptions } from '../build/index.ts';

/** Bytes of text below which the engine finds nothing hot. */
const LONG = 16 << 10;
/** How many times as long as usual a function runs then before it is optimized. */
const DELAY = 15;
/** Bytes of objects for each byte of text: what the space for new objects grows to in one step. Each megabyte of it takes 0.2 ms. */
const OBJECTS = 120;
/** Megabytes that it begins with, and that it grows to at most. */
const MOST = 16;
/** Milliseconds after which files are worked on, if anything is. */
const READ_BY_THEN = 400;

/**
 * Lets functions wait for being optimized while a long Dockerfile is read (160 ms of processor time for 2,000 lines, not 230), and garbage
 * wait for being collected (4 to 9 ms less). `thenBuilds`: the process goes on when it has been read.
 */
export function expectLongDockerfile({ dockerfile, context }: Pick<BuildOptions, 'dockerfile' | 'context'>, thenBuilds: boolean): void {
  const size = textSize(dockerfile, context);
  if (size < LONG) return;
  const restored = [delayOptimizing(DELAY), growYoungSpace(Math.min(MOST, Math.ceil((size * OBJECTS) / (1 << 20)) + 1))];
  const restore = (): void => restored.forEach((undo) => undo());
  if (thenBuilds) setTimeout(restore, READ_BY_THEN).unref();
  process.prependOnceListener('exit', restore); // compiled code is kept for engines with the same flags
}

/** Bytes of the text; 0 when it is not here. */
function textSize(dockerfile: BuildOptions['dockerfile'], context: BuildOptions['context']): number {
  if (dockerfile?.kind === 'text') return dockerfile.text.length;
  if (dockerfile?.kind === 'url' || context?.kind !== 'folder') return 0;
  try {
    return statSync(resolve(context.path, dockerfile?.path ?? 'Dockerfile')).size;
  } catch {
    return 0; // whoever reads it says why it cannot be read
  }
}
