// The examples, built in a place so that their digests can be compared with those of other places.

import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from './places.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');

/** Names of the folders of examples. */
export function exampleNames(): readonly string[] {
  return readdirSync(EXAMPLES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** How an example ended in a place: its image's digest, or the code and the hint of its failure. */
export type ExampleEnd = { readonly digest: string } | { readonly code: string; readonly hint: string; readonly log: string };

/** Builds an example, or any folder, with a fixed time. */
export async function buildReproducibly(place: Place, name: string, folder: string = join(EXAMPLES, name)): Promise<ExampleEnd> {
  const context = join(place.folder, `context-${name}`);
  cpSync(folder, context, { recursive: true });
  const metadata = join(place.folder, `${name}.json`);
  const output = `type=oci,dest=${join(place.folder, `${name}.tar`)},rewrite-timestamp=true`;
  const args = ['build', '--progress=plain', '--metadata-file', metadata, '-o', output, context];
  const { code, stdout, stderr } = await place.slipway(args, { env: { SOURCE_DATE_EPOCH: '0' } });
  const log = stdout + stderr;
  if (code !== 0) return { code: /^error: ([A-Z_]+): /m.exec(log)?.[1] ?? '', hint: /^\s*= hint: (.*)$/m.exec(log)?.[1] ?? '', log };
  return { digest: (JSON.parse(readFileSync(metadata, 'utf8')) as Record<string, string>)['containerimage.digest'] ?? '' };
}
