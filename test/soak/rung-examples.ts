// All examples on all rungs: each gives one digest wherever it builds. Begins no further example when the time is over; the short form
// builds the cheapest one everywhere.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildReproducibly, exampleNames } from '../rig/example-digests.ts';
import { copyProduct, openPlace, PLACES, type PlaceName } from '../rig/places.ts';

const end = Date.now() + Number(process.env['SECONDS'] ?? 600) * 1000;

/** Cheapest first; what is new comes last. */
const ORDER = ['per-architecture', 'hello-go', 'two-services', 'cpp-nginx'];

/** What cannot be had somewhere, with the hint that says why. Debian's package manager gives files away. */
const REFUSED: Readonly<Record<string, RegExp>> = { 'cpp-nginx on rootless-single': /only one id is mapped/ };

const below = mkdtempSync('/tmp/slipway-examples-');
const told: string[] = [];
try {
  chmodSync(below, 0o755);
  const product = copyProduct(join(below, 'product'));
  const examples = [...exampleNames()].sort((a, b) => place(a) - place(b));
  for (const example of examples) {
    if (told.length > 0 && Date.now() > end) break;
    const digests = new Map<PlaceName, string>();
    for (const rung of PLACES) {
      await using site = openPlace(rung, product, below);
      const built = await buildReproducibly(site, example);
      const refused = REFUSED[`${example} on ${rung}`];
      if ('digest' in built) digests.set(rung, built.digest);
      else assert.match(built.hint, refused ?? /^no refusal was expected$/, `${example} on ${rung}\n${built.log}`);
      console.log(`${example} on ${rung}: ${'digest' in built ? built.digest : `${built.code}, ${built.hint}`}`);
    }
    assert.equal(new Set(digests.values()).size, 1, `${example}: the digests differ`);
    told.push(`${example} (${digests.size})`);
  }
} finally {
  rmSync(below, { recursive: true, force: true });
}
console.log(`one digest on all rungs that build it, for ${told.join(', ')}`);

function place(example: string): number {
  const at = ORDER.indexOf(example);
  return at < 0 ? ORDER.length : at;
}
