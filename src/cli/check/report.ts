// Findings as text, JSON or SARIF.

import { type Findings, renderFrame } from '../../build/index.ts';
import { lineDiff } from './line-diff.ts';
import { sarifLog } from './sarif.ts';

/** Forms of the answer. */
export const FORMATS = ['text', 'json', 'sarif'] as const;
export type CheckFormat = (typeof FORMATS)[number];

/** How the answer is wanted. */
export interface ReportOptions {
  readonly format: CheckFormat;
  readonly color: boolean;
  readonly version: string;
  /** Folder that SARIF tells paths from. */
  readonly folder: string;
}

/** The whole answer, without a line feed at its end. */
export function reportFindings(findings: Findings, { format, color, version, folder }: ReportOptions): string {
  switch (format) {
    case 'text':
      return textReport(findings, color);
    case 'json':
      return JSON.stringify(jsonReport(findings), null, 2);
    case 'sarif':
      return JSON.stringify(sarifLog({ findings, version, folder }), null, 2);
  }
}

function textReport({ source, diagnostics, fixed, original }: Findings, color: boolean): string {
  const parts = diagnostics.map((one) => renderFrame(one, source, { color }));
  if (fixed.length > 0) {
    const cured = fixed.map(({ rule, range, fix }) => `  line ${range.start.line}: ${rule}: ${fix?.title ?? ''}`);
    const changes = lineDiff(original, source.text).map((line) => `  ${paint(line, color)}`);
    parts.unshift([`Fixed in ${source.filename}:`, ...cured, '', ...changes].join('\n'));
  }
  parts.push(summary(diagnostics.length, fixed.length, diagnostics.filter(({ fix }) => fix !== undefined).length));
  return parts.join('\n\n');
}

/** Source text as it is, but for what a terminal would act on. */
function paint(line: string, color: boolean): string {
  const text = line.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '\ufffd');
  return color ? `\x1b[${line.startsWith('+') ? 32 : 31}m${text}\x1b[0m` : text;
}

function summary(found: number, fixed: number, fixable: number): string {
  const cured = fixed === 0 ? '' : `${findings(fixed)} cured, `;
  if (found === 0) return fixed === 0 ? 'Nothing found.' : `${cured}nothing is left.`;
  const offer = fixable === 0 ? '' : `; ${fixable === found ? (found === 1 ? 'it' : 'all') : fixable} can be cured by --fix`;
  return `${cured}${findings(found)}${fixed === 0 ? '' : ' left'}${offer}.`;
}

function findings(count: number): string {
  return `${count} finding${count === 1 ? '' : 's'}`;
}

/** Lines count from 1 and columns (UTF-16 units) from 0; ends are not included. */
function jsonReport({ source, path, diagnostics, notes, fixed }: Findings): object {
  return { version: 1, file: path ?? source.filename, findings: diagnostics, fixed, notes };
}
