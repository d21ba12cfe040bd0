import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultSeccomp } from './seccomp.ts';
import { compileSeccomp, seccompCache } from './seccomp-program.ts';

test('a compiled filter that the disk has damaged is compiled anew, and one that cannot be kept is used', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-seccomp-'));
  try {
    const filter = defaultSeccomp([], process.arch);
    const right = compileSeccomp(filter);
    assert.ok(right !== undefined, 'libseccomp is needed');
    /** As another process has it. */
    const get = (): Buffer | undefined => seccompCache(folder, '1')(filter);
    assert.deepEqual(get(), right);
    const [name = ''] = readdirSync(folder);
    const file = join(folder, name);
    const kept = readFileSync(file);
    const flipped = Buffer.from(kept);
    flipped.writeUInt8(flipped.readUInt8(kept.length - 5) ^ 1, kept.length - 5);
    for (const damaged of [Buffer.alloc(kept.length), kept.subarray(0, 128), Buffer.alloc(0), flipped]) {
      writeFileSync(file, damaged);
      assert.deepEqual(get(), right);
      assert.deepEqual(readFileSync(file), kept);
    }
    rmSync(file);
    mkdirSync(join(file, 'in the way'), { recursive: true });
    assert.deepEqual(get(), right);
    assert.deepEqual(readdirSync(folder), [name]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
