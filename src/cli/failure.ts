// An error as the user sees it: place, line, what is wrong, what to do. The stack only with --debug.

import { styleText } from 'node:util';
import { BuildErrors, type Diagnostic, errnoOf, firstFailure, SlipwayError } from '../base/index.ts';
import { renderFrame } from '../build/index.ts';
import { printableLines } from './printable.ts';

/** What to do about limits of the system that any call may meet. */
const HELP: Readonly<Record<string, string>> = {
  EMFILE: 'this process may open too few files: raise the limit (ulimit -n 1024)',
  ENFILE: 'the system has too many open files: end something, or raise fs.file-max',
  EFBIG: 'this process may not write files that large: raise the limit (ulimit -f unlimited)',
  ENOSPC: 'the disk is full: make room (slipway prune), or put the store elsewhere (--root)',
  EDQUOT: 'your quota is used up: make room (slipway prune), or put the store elsewhere (--root)',
  EROFS: 'the filesystem is read-only: put the store elsewhere (--root)',
  ENOMEM: 'there is too little memory: end something, or raise the limit (ulimit -v)',
};

/** Text for standard error. */
export function renderFailure(failure: unknown, options: { readonly color: boolean; readonly debug: boolean }): string {
  const error = firstFailure(failure);
  const paint = (style: Parameters<typeof styleText>[0], text: string): string => (options.color ? styleText(style, text) : text);
  if (error instanceof BuildErrors) return error.errors.map((one) => renderFailure(one, options)).join('\n\n');
  // Of several builds, the one that failed.
  const build = error instanceof SlipwayError ? error.facts['build'] : undefined;
  const parts: string[] = typeof build === 'string' ? [paint('bold', `target ${printableLines(build)}:`)] : [];
  const diagnostics = diagnosticsOf(error);
  if (error instanceof SlipwayError && error.location !== undefined && diagnostics.length > 0) {
    const { source } = error.location;
    for (const diagnostic of diagnostics.slice(0, 10)) parts.push(renderFrame(diagnostic, source, { color: options.color }));
    if (diagnostics.length > 10) parts.push(`… and ${diagnostics.length - 10} more`);
  } else if (error instanceof SlipwayError) {
    if (error.location !== undefined) {
      const { source, range } = error.location;
      parts.push(
        renderFrame(
          { rule: error.code, severity: 'error', message: error.message, range, ...(error.hint === undefined ? {} : { hint: error.hint }) },
          source,
          { color: options.color },
        ),
      );
    } else {
      parts.push(`${paint(['red', 'bold'], 'ERROR:')} ${printableLines(error.message)}`);
      if (error.hint !== undefined) parts.push(`${paint('cyan', 'help:')} ${printableLines(error.hint)}`);
    }
  } else if (error instanceof Error && error.name === 'AbortError') {
    parts.push(`${paint(['red', 'bold'], 'ERROR:')} ${error.message === '' ? 'cancelled' : printableLines(error.message)}`);
  } else {
    parts.push(`${paint(['red', 'bold'], 'ERROR:')} ${printableLines(error instanceof Error ? error.message : String(error))}`);
    const help = HELP[errnoOf(error) ?? ''];
    if (help !== undefined) parts.push(`${paint('cyan', 'help:')} ${help}`);
  }
  if (options.debug && error instanceof Error) parts.push(stackOf(error));
  return parts.join('\n');
}

/** All mistakes in a Dockerfile, when that is what the error is about. */
function diagnosticsOf(error: unknown): readonly Diagnostic[] {
  const list = error instanceof SlipwayError ? error.facts['diagnostics'] : undefined;
  return Array.isArray(list) ? (list as readonly Diagnostic[]).filter(({ severity }) => severity === 'error') : [];
}

function stackOf(error: Error): string {
  const causes = [error.stack ?? ''];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) causes.push(`caused by ${cause.stack ?? ''}`);
  return causes.join('\n');
}
