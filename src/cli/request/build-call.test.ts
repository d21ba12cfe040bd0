// What words and flags of `slipway build` mean together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Surroundings } from '../../request/index.ts';
import { ParsedFlags } from '../flags.ts';
import { readAttests, readBuildArgs } from './build-call.ts';

const around: Surroundings = { env: { HOME: '/nowhere' }, cwd: '/', home: '/nowhere', note: () => {} };

test('names that every object has are names of arguments like others, and no variables', () => {
  const flags = new ParsedFlags(new Map([['build-arg', ['__proto__=p', 'constructor=c', 'toString', 'HOME', 'a=1', 'a']]]), []);
  assert.deepEqual(Object.entries(readBuildArgs(flags, around)), [
    ['__proto__', 'p'],
    ['constructor', 'c'],
    ['HOME', '/nowhere'],
    ['a', '1'],
  ]);
  const empty = new ParsedFlags(new Map([['build-arg', ['BUILDKIT_SYNTAX=']]]), []);
  assert.throws(() => readBuildArgs(empty, around), /empty BUILDKIT_SYNTAX build-arg is invalid/);
});

test('of several attestations of one type the first counts, and those of --attest stand first', () => {
  const given = { attest: ['type=provenance,mode=max', 'type=provenance,mode=min'], provenance: ['false'], sbom: ['true'] };
  assert.deepEqual(readAttests(new ParsedFlags(new Map(Object.entries(given)), [])), [
    { type: 'provenance', attributes: { mode: 'max' } },
    { type: 'sbom', attributes: {} },
  ]);
});

test('attestations by a variable that is not set are not asked for', () => {
  assert.deepEqual(readAttests(new ParsedFlags(new Map(Object.entries({ provenance: [''], sbom: [''] })), [])), []);
});
