// Findings about images, for people.

import type { Finding } from '../build/index.ts';
import { formatBytes, plural } from './sizes.ts';
import { printable } from './printable.ts';

/** Lines of findings: what is wrong, where it came from, where the missing is, what cures it. */
export function findingLines(findings: readonly Finding[]): readonly string[] {
  const lines = findings.flatMap(({ rule, severity, path, message, bytes, origin, found = [], cure }) => [
    `${severity.padEnd(7)} ${path === undefined ? '' : `${path}: `}${message}${bytes === undefined ? '' : ` (${formatBytes(bytes)})`} [${rule}]`,
    ...(origin === undefined ? [] : [`        from ${origin}`]),
    ...found.map(
      (place) =>
        `        there: ${place.path} in ${place.stage ?? 'the image'}${place.package === undefined ? '' : ` (package ${place.package})`}`,
    ),
    ...(cure === undefined ? [] : [`        cure: ${cure}`]),
  ]);
  const count = (wanted: Finding['severity']): number => findings.filter(({ severity }) => severity === wanted).length;
  return [
    ...lines.map(printable),
    `${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}, ${plural(count('info'), 'note')}`,
  ];
}
