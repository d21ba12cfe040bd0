// What attributes of a target become; a context is never a folder that nobody was asked for.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Surroundings } from '../surroundings.ts';
import { checkRights, grant } from './rights.ts';
import { readTarget } from './target-request.ts';

const base = mkdtempSync(join(tmpdir(), 'slipway-target-'));
const cwd = join(base, 'project');
mkdirSync(join(cwd, 'sub'), { recursive: true });
mkdirSync(join(base, 'beside'));
after(() => rmSync(base, { recursive: true, force: true }));

const around: Surroundings = { env: {}, cwd, home: base, note: () => {} };
const contextOf = (context: string): unknown => readTarget({ name: 'app', context }, [], around).request.context;

for (const url of ['https://../../beside', 'git@x:/../../beside', 'https://host/shop.git#main'])
  test(`${url} is an address, though as a path it were a folder`, () => assert.deepEqual(contextOf(url), { kind: 'url', url }));

for (const none of ['any://../../beside', 'oci-layout://../beside', 'docker-image://busybox', 'target:other'])
  test(`${none} is no context`, () => assert.throws(() => contextOf(none), { code: 'CONTEXT_NOT_FOUND', message: /neither a folder nor/ }));

test('a secret without a word is none', () => {
  const target = { name: 'app', secrets: [{}, { id: 'word', env: 'WORD' }] };
  checkRights([target], grant({}, undefined, around), around);
  assert.deepEqual(readTarget(target, [], around).request.secrets, [{ id: 'word', kind: 'env', variable: 'WORD', value: undefined }]);
});

test('folders are found from the current one', () => {
  for (const [written, path] of [
    ['sub', join(cwd, 'sub')],
    ['cwd://sub', join(cwd, 'sub')],
    ['cwd://', cwd],
    ['../beside', join(base, 'beside')],
  ] as const)
    assert.deepEqual(contextOf(written), { kind: 'folder', path });
});
