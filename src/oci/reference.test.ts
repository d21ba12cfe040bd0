import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { familiarReference, formatReference, normalizeReference, parseReference } from './index.ts';

const D = `sha256:${'f'.repeat(64)}`;

test('short names are Docker Hub names, and hosts are told from repositories', () => {
  const table: readonly (readonly [string, string, string])[] = [
    // text, canonical, familiar
    ['busybox', 'docker.io/library/busybox', 'busybox'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['docker.io/busybox', 'docker.io/library/busybox', 'busybox'],
    ['index.docker.io/library/busybox', 'docker.io/library/busybox', 'busybox'],
    ['user/app', 'docker.io/user/app', 'user/app'],
    ['library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['localhost/app', 'localhost/app', 'localhost/app'],
    ['localhost:5000/app:1', 'localhost:5000/app:1', 'localhost:5000/app:1'],
    ['ghcr.io/o/r:v1', 'ghcr.io/o/r:v1', 'ghcr.io/o/r:v1'],
    ['[::1]:5000/app', '[::1]:5000/app', '[::1]:5000/app'],
    ['192.168.1.1:5000', 'docker.io/library/192.168.1.1:5000', '192.168.1.1:5000'],
    [`a/b@${D}`, `docker.io/a/b@${D}`, `a/b@${D}`],
    [`a/b:t@${D}`, `docker.io/a/b:t@${D}`, `a/b:t@${D}`],
    ['a__b/c--d/e.f', 'docker.io/a__b/c--d/e.f', 'a__b/c--d/e.f'],
  ];
  for (const [text, canonical, familiar] of table) {
    const reference = parseReference(text);
    assert.equal(formatReference(reference), canonical, text);
    assert.equal(familiarReference(reference), familiar, text);
    assert.deepEqual(parseReference(canonical), reference, text);
  }
  assert.equal(normalizeReference('app'), 'docker.io/library/app:latest');
  assert.equal(normalizeReference(`app@${D}`), `docker.io/library/app@${D}`);
});

test('what is no reference is refused, saying why', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['', /empty/],
    ['Busybox', /must be lowercase/],
    ['registry.example/App:1', /must be lowercase/],
    ['a'.repeat(64), /64-byte/],
    ['https://registry.example/app', /"https:\/\/"/],
    ['a:b:c', /"b:c" is no tag/],
    ['a@sha256:123', /digest/],
    [`a@md5:${'f'.repeat(32)}`, /digest/],
    [`x/${'a/'.repeat(200)}a`, /255/],
    ['-a', /repository name/],
    ['a b', /repository name/],
    ['aa/asdf$$^/aa', /repository name/],
    [':tag', /repository name/],
    ['a..b/c', /registry host/],
    [`${'a'.repeat(5000)}`, /1024/],
  ];
  for (const [text, why] of table) {
    assert.throws(
      () => parseReference(text),
      (error) => isSlipwayError(error, 'REFERENCE_INVALID') && why.test(error.message),
      text.slice(0, 80),
    );
  }
});
