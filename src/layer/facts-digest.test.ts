import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256Digest } from '../base/index.ts';
import { FactsDigest } from './facts-digest.ts';

test('lines written as bytes are those of entries, also with a path longer than what is gathered', () => {
  const sha256 = Buffer.alloc(32, 0xab);
  const digest = sha256Digest(sha256.toString('hex'));
  const about = { uid: 1, gid: 2, size: 3, mtime: 0, mtimeNs: 0 };
  const seen = new Set<string>();
  for (const path of ['a/f', `a/${'x'.repeat(200_000)}`, `a/${'x'.repeat(200_000)}y`]) {
    const byEntry = new FactsDigest();
    byEntry.add({ ...about, path: path, kind: 'file', mode: 0o644 }, path, digest, false);
    byEntry.add({ ...about, path: path, kind: 'dir', mode: 0o755 }, path, undefined, false);
    const byBytes = new FactsDigest();
    const name = Buffer.from(path.slice(2));
    byBytes.addFile(Buffer.from('a/'), name, 0, name.length, 0o644, 1, 2, 3, sha256, 0);
    byBytes.addDirectory(Buffer.from('a/'), name, 0, name.length, 0o755, 1, 2);
    const expected = byEntry.digest();
    assert.equal(byBytes.digest(), expected);
    seen.add(expected);
  }
  assert.equal(seen.size, 3);
});
