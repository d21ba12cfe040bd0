// What targets may reach without `--allow`, and what they may not.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { SlipwayError } from '../../base/index.ts';
import type { BakeTarget } from '../../bake/index.ts';
import { checkRights, grant } from '../../request/bake.ts';
import type { Surroundings } from '../../request/index.ts';
import { readAllow } from './allow.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'slipway-rights-')));
const cwd = join(base, 'project');
mkdirSync(join(cwd, 'deep/er'), { recursive: true });
mkdirSync(join(base, 'beside'));
symlinkSync(join(base, 'beside'), join(cwd, 'link'));
after(() => rmSync(base, { recursive: true, force: true }));

const around: Surroundings = { env: {}, cwd, home: join(base, 'home'), note: () => {} };

/** The flags that are missing; undefined: nothing is. */
function missing(target: Omit<BakeTarget, 'name'>, allow: readonly string[] = [], env: Record<string, string> = {}): string | undefined {
  try {
    checkRights([{ name: 'app', ...target }], grant(readAllow(allow, env), undefined, around), around);
    return undefined;
  } catch (error) {
    return (error as SlipwayError).hint?.replace(/^if you trust the file, add /, '');
  }
}

const ALLOWED: readonly Omit<BakeTarget, 'name'>[] = [
  {},
  {
    context: '.',
    dockerfile: 'deep/Dockerfile',
    contexts: { a: 'deep', b: 'target:x', c: 'docker-image://busybox', d: 'https://x/y.git' },
  },
  { context: 'deep/er', dockerfile: '../../Dockerfile' },
  { outputs: [{ type: 'local', dest: 'out' }, { type: 'tar', dest: '-' }, { type: 'registry' }], cacheTo: [{ type: 'gha' }] },
  { secrets: [{ id: 'word', env: 'WORD' }, { id: 'token' }, { id: 'file', src: 'deep/f' }] },
];
for (const target of ALLOWED) test(`allowed: ${JSON.stringify(target)}`, () => assert.equal(missing(target), undefined));

const REFUSED: readonly (readonly [Omit<BakeTarget, 'name'>, string])[] = [
  [{ context: '..' }, '--allow fs.read=..'],
  [{ context: 'link' }, '--allow fs.read=../beside'],
  [{ context: 'cwd://../beside' }, '--allow fs.read=../beside'],
  [{ contexts: { a: '../beside/x', b: '../beside' } }, '--allow fs.read=../beside'],
  [{ contexts: { a: 'oci-layout://../beside:1' } }, '--allow fs.read=../beside'],
  [{ context: 'deep/er', dockerfile: '../../../Dockerfile' }, '--allow fs.read=../Dockerfile'],
  [{ context: 'deep/er', dockerfile: 'cwd://../Dockerfile' }, '--allow fs.read=../Dockerfile'],
  [{ context: 'https://x/y.git', dockerfile: '/etc/passwd' }, '--allow fs.read=/etc/passwd'],
  [{ secrets: [{ id: '../key' }] }, '--allow fs.read=../key'],
  [{ secrets: [{ id: 'key', src: '/root/.ssh/id_rsa' }] }, '--allow fs.read=/root/.ssh/id_rsa'],
  [{ secrets: [{ id: 'key', src: '~/key' }] }, '--allow fs.read=../home/key'],
  [{ ssh: [{ id: 'default', paths: ['~/key'] }] }, '--allow fs.read=../home/key'],
  [{ ssh: [{ id: 'default', paths: [] }] }, '--allow ssh'],
  [{ ssh: [{ id: 'default', paths: ['../key'] }] }, '--allow fs.read=../key'],
  [{ cacheFrom: [{ type: 'local', src: '../beside' }] }, '--allow fs.read=../beside'],
  [{ cacheTo: [{ type: 'local', dest: '../cache' }] }, '--allow fs.write=../cache'],
  [
    {
      outputs: [
        { type: 'local', dest: 'out', Dest: '../a' },
        { type: 'local', 'DEST=../b': 'c' },
      ],
    },
    '--allow fs.write=../b=c',
  ],
  [{ cacheTo: [{ type: 'local', Dest: '../cache' }] }, '--allow fs.write=../cache'],
  [{ outputs: [{ Type: 'local', dest: 'out', Mode: 'delete' }] }, '--allow buildx.local.delete'],
  [{ outputs: [{ type: 'oci', dest: 'link/a.tar' }] }, '--allow fs.write=../beside/a.tar'],
  [{ outputs: [{ type: 'local', dest: 'out', mode: 'delete' }] }, '--allow buildx.local.delete'],
  [{ entitlements: ['security.insecure', 'device=a'] }, '--allow security.insecure --allow device=a'],
];
for (const [target, flags] of REFUSED) {
  test(`refused without ${flags}: ${JSON.stringify(target)}`, () => {
    assert.equal(missing(target), flags);
    assert.equal(
      missing(
        target,
        flags.split('--allow ').map((flag) => flag.trim()),
      ),
      undefined,
      'with them it is allowed',
    );
    const files = flags.includes('fs.') || flags.endsWith('ssh');
    assert.equal(missing(target, [], { BUILDX_BAKE_ENTITLEMENTS_FS: '0' }), files ? undefined : flags);
    if (files && !flags.endsWith('ssh')) assert.equal(missing(target, ['fs=*']), undefined);
  });
}

test('what --allow cannot mean is told', () => {
  const read = (right: string) => (): unknown => readAllow([right], {});
  assert.throws(read('network.hosts'), { message: 'unknown entitlement network.hosts', hint: 'did you mean network.host?' });
  assert.throws(read('network.host=1'), { message: 'network.host does not accept a value: network.host=1' });
  assert.throws(read('fs.read'), { message: 'fs.read needs a value' });
});
