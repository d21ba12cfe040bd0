// Finding files: Node 20 has no glob.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Files below a folder whose names `wanted` accepts, sorted. Test data and dependencies are not looked into. */
export function filesBelow(folder, wanted) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return ['testdata', 'node_modules', 'dist'].includes(entry.name) ? [] : filesBelow(path, wanted);
      return wanted(entry.name) ? [path] : [];
    });
}
