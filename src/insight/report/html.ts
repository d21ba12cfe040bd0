// A report as one page that opens offline. The page itself is made when Slipway is built; here the data is put into it.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Report } from './types.ts';

/** Stands in the page where the data goes. */
const PLACE = '"the report"';

/**
 * The page with a report in it. The data stands in a block that is never run, and cannot end it: every `<` in it is escaped.
 * The page's policy allows its own script and style by their digests, and nothing from anywhere.
 */
export function reportPage(report: Report): string {
  const file = import.meta.url.endsWith('.ts') ? '../../../dist/report-page.html' : './report-page.html';
  const page = readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8');
  const at = page.lastIndexOf(PLACE);
  if (at < 0) throw new Error('internal: the page has no place for its report');
  return page.slice(0, at) + safeJson(report) + page.slice(at + PLACE.length);
}

/** JSON that can stand in a `<script>` block. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value)
    .replace(/</g, '\\u003c')
    .replace(/\u2028/g, '\\u2028')
    .replace(/\u2029/g, '\\u2029');
}
