import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { formatPlatform, matchPlatform, nodePlatform, normalizePlatform, parsePlatform, selectPlatform } from './index.ts';
import type { Descriptor } from './index.ts';

const HOST = { os: 'linux', architecture: 'riscv64' };

test('platforms are read and written as containerd does', () => {
  const table: readonly (readonly [string, string, string])[] = [
    // text, as read, canonical
    ['linux/amd64', 'linux/amd64', 'linux/amd64'],
    ['Linux/x86_64', 'linux/amd64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/arm64', 'linux/arm64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64/v8', 'linux/arm64'],
    ['linux/aarch64', 'linux/arm64', 'linux/arm64'],
    ['linux/arm', 'linux/arm', 'linux/arm/v7'],
    ['linux/arm/v7', 'linux/arm/v7', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6', 'linux/arm/v6'],
    ['linux/i386', 'linux/386', 'linux/386'],
    ['linux', 'linux/riscv64', 'linux/riscv64'],
    ['arm64', 'linux/arm64', 'linux/arm64'],
    ['armel', 'linux/arm/v6', 'linux/arm/v6'],
    ['macOS/arm64', 'darwin/arm64', 'darwin/arm64'],
    ['windows(10.0.17763+win32k)/amd64', 'windows/amd64', 'windows/amd64'],
  ];
  for (const [text, read, canonical] of table) {
    assert.equal(formatPlatform(parsePlatform(text, HOST)), read, text);
    assert.equal(formatPlatform(normalizePlatform(parsePlatform(text, HOST))), canonical, text);
  }
  const windows = parsePlatform('windows(10.0.17763+win32k)/amd64');
  assert.deepEqual(windows, { os: 'windows', architecture: 'amd64', osVersion: '10.0.17763', osFeatures: ['win32k'] });
});

test('what is no platform is refused with a hint', () => {
  for (const text of ['', '*/amd64', 'linux/', 'foo', 'linux/a/b/c', 'linux/am d64', '/amd64']) {
    assert.throws(
      () => parsePlatform(text),
      (error) => isSlipwayError(error, 'PLATFORM_INVALID'),
      text,
    );
  }
  assert.throws(() => parsePlatform('linux/am*64'), /wildcards/);
  assert.throws(
    () => parsePlatform('linxu'),
    (error) => isSlipwayError(error) && error.hint !== undefined,
  );
});

test('the best platform of an index is chosen, the first among equals', () => {
  const rank = (wanted: string, offered: string): number | undefined => matchPlatform(parsePlatform(wanted), parsePlatform(offered));
  assert.equal(rank('linux/arm64', 'linux/arm64/v8'), 0);
  assert.equal(rank('linux/arm/v7', 'linux/arm/v8'), undefined);
  assert.ok((rank('linux/arm64', 'linux/arm/v7') ?? 0) > 0);
  assert.ok((rank('linux/arm64/v9.2', 'linux/arm64/v9') ?? 99) < (rank('linux/arm64/v9.2', 'linux/arm64/v8.7') ?? 0));
  assert.equal(rank('linux/arm64/v9', 'linux/arm64/v8.6'), undefined);
  assert.ok((rank('linux/amd64/v3', 'linux/amd64/v2') ?? 0) > 0);
  assert.equal(rank('linux/amd64', 'linux/amd64/v2'), undefined);
  assert.equal(rank('linux/s390x', 'linux/amd64'), undefined);

  const entry = (platform: string, size: number): Descriptor =>
    ({ mediaType: 'm', digest: 'sha256:0', size, platform: parsePlatform(platform) }) as unknown as Descriptor;
  const entries = [entry('linux/386', 1), entry('linux/arm/v6', 2), entry('linux/amd64', 3), entry('linux/amd64', 4)];
  assert.equal(selectPlatform(entries, parsePlatform('linux/amd64'))?.size, 3);
  assert.equal(selectPlatform(entries, parsePlatform('linux/arm/v7'))?.size, 2);
  assert.equal(selectPlatform(entries, parsePlatform('linux/s390x')), undefined);
  const attestation = { ...entry('linux/amd64', 5), platform: { os: 'unknown', architecture: 'unknown' } };
  assert.equal(selectPlatform([attestation], parsePlatform('linux/amd64')), undefined);
});

test('node processes know their platform', () => {
  assert.equal(formatPlatform(nodePlatform('linux', 'x64')), 'linux/amd64');
  assert.equal(formatPlatform(nodePlatform('win32', 'ia32')), 'windows/386');
  assert.equal(formatPlatform(nodePlatform('darwin', 'arm64')), 'darwin/arm64');
});
