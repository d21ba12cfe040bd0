// A finding in one line.

import type { Diagnostic, SourceText } from '../../base/index.ts';
import { printable } from '../printable.ts';

/** `StageNameCasing: stage name 'Build' should be lowercase (Dockerfile:3)`. */
export function diagnosticLine(diagnostic: Diagnostic, source: SourceText | undefined): string {
  const place = source === undefined ? '' : ` (${source.filename}:${diagnostic.range.start.line})`;
  return printable(`${diagnostic.rule}: ${diagnostic.message}${place}`);
}
