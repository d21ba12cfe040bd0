// A static program for steps that must do what busybox cannot; see step-tool.c.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Compiles it to `file`. */
export function makeStepTool(file: string): string {
  execFileSync('gcc', ['-O1', '-static', '-o', file, join(import.meta.dirname, 'step-tool.c')]);
  return file;
}
