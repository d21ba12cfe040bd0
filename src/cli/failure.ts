// An error as the user sees it: place, line, what is wrong, what to do. The stack only with --debug.

import { styleText } from 'node:util';
import { BuildErrors, SlipwayError } from '../base/index.ts';
import { DockerfileError, renderFrame } from '../build/index.ts';

/** Text for standard error. */
export function renderFailure(error: unknown, options: { readonly color: boolean; readonly debug: boolean }): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string => (options.color ? styleText(style, text) : text);
  if (error instanceof BuildErrors) return error.errors.map((one) => renderFailure(one, options)).join('\n\n');
  const parts: string[] = [];
  if (error instanceof DockerfileError) {
    const shown = error.diagnostics.filter(({ severity }) => severity === 'error').slice(0, 10);
    for (const diagnostic of shown) parts.push(renderFrame(diagnostic, error.source, { color: options.color }));
    const more = error.diagnostics.filter(({ severity }) => severity === 'error').length - shown.length;
    if (more > 0) parts.push(`… and ${more} more`);
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
      parts.push(`${paint(['red', 'bold'], 'ERROR:')} ${error.message}`);
      if (error.hint !== undefined) parts.push(`${paint('cyan', 'help:')} ${error.hint}`);
    }
  } else if (error instanceof Error && error.name === 'AbortError') {
    parts.push(`${paint(['red', 'bold'], 'ERROR:')} ${error.message === '' ? 'cancelled' : error.message}`);
  } else {
    parts.push(`${paint(['red', 'bold'], 'ERROR:')} ${error instanceof Error ? error.message : String(error)}`);
  }
  if (options.debug && error instanceof Error) parts.push(stackOf(error));
  return parts.join('\n');
}

function stackOf(error: Error): string {
  const causes = [error.stack ?? ''];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) causes.push(`caused by ${cause.stack ?? ''}`);
  return causes.join('\n');
}
