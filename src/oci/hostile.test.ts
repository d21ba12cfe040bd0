// Everything that reads a stranger's text: it answers or refuses by name, quickly, whatever it is given.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlipwayError } from '../base/index.ts';
import { parseImageConfig, parseManifestDocument, parsePlatform, parseReference } from './index.ts';

/** Small and repeatable (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const WORDS = [
  'a',
  'Z',
  '0',
  '/',
  ':',
  '@',
  '.',
  '-',
  '_',
  '__',
  'sha256:',
  'f'.repeat(64),
  'localhost',
  '[::1]',
  'docker.io',
  'linux',
  'arm',
  'v7',
  '(',
  ')',
  '+',
  '%',
  '*',
  '\0',
  'é',
  ' ',
];
const KEYS = [
  'schemaVersion',
  'mediaType',
  'config',
  'layers',
  'manifests',
  'digest',
  'size',
  'platform',
  'annotations',
  'Env',
  'history',
  'rootfs',
  'diff_ids',
  '__proto__',
  'os',
];

test('names and platforms made of odd pieces are read or refused', () => {
  const next = random(1);
  for (let round = 0; round < 5_000; round += 1) {
    const text = Array.from({ length: Math.floor(next() * 8) }, () => WORDS[Math.floor(next() * WORDS.length)]).join('');
    for (const parse of [parseReference, parsePlatform]) onlyRefuses(() => parse(text), text);
  }
});

test('documents of any shape are read or refused', () => {
  const next = random(2);
  const value = (depth: number): unknown => {
    const kind = Math.floor(next() * (depth > 3 ? 6 : 8));
    if (kind < 6) return [null, true, Math.floor(next() * 9) - 3, 'x', `sha256:${'0'.repeat(64)}`, 1e300][kind];
    const length = Math.floor(next() * 4);
    if (kind === 6) return Array.from({ length }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: length + 2 }, () => [KEYS[Math.floor(next() * KEYS.length)], value(depth + 1)]));
  };
  for (let round = 0; round < 5_000; round += 1) {
    const text = JSON.stringify(round % 2 === 0 ? { schemaVersion: 2, ...(value(0) as object) } : value(0));
    for (const parse of [parseManifestDocument, parseImageConfig]) onlyRefuses(() => parse(Buffer.from(text)), text);
  }
  const deep = Buffer.from(`${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`);
  for (const parse of [parseManifestDocument, parseImageConfig]) assert.throws(() => parse(deep), SlipwayError);
});

function onlyRefuses(parse: () => unknown, text: string): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw new Error(`not a refusal, for ${JSON.stringify(text)}`, { cause: error });
  }
}
