// Which platforms are emulated, by files as the kernel shows them.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { emulatedPlatforms } from './emulated-platforms.ts';

const ELF64 = '7f454c460201010000000000000000000200';
const MASK = 'ffffffffffffff00fffffffffffffffffeff';

/** An emulator as it is registered by Debian's qemu packages. */
function entry(magic: string, { state = 'enabled', flags = 'OCF', mask = `mask ${MASK}ffff\n` } = {}): string {
  return `${state}\ninterpreter /usr/bin/qemu\nflags: ${flags}\noffset 0\nmagic ${magic}\n${mask}`;
}

void test('platforms whose programs the kernel has an emulator for, that is in every root', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-binfmt-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const names = (architecture = 'amd64'): readonly string[] =>
    emulatedPlatforms({ os: 'linux', architecture }, folder).map((one) => [one.architecture, one.variant].filter(Boolean).join('/'));
  assert.deepEqual(names(), []);
  for (const [name, text] of Object.entries({
    register: '',
    status: 'enabled\n',
    'python3.11': 'enabled\ninterpreter /usr/bin/python3.11\nflags: F\noffset 0\nmagic a70d0d0a\n',
    cli: 'enabled\ninterpreter /usr/bin/cli\nflags: F\nextension .exe\n',
    'qemu-aarch64': entry(`${ELF64}b700`),
    'qemu-arm': entry('7f454c4601010100000000000000000002002800'),
    'qemu-s390x': entry('7f454c4602020100000000000000000000020016', { mask: 'mask ffffffffffffff00fffffffffffffffffffeffff\n' }),
    'qemu-riscv64': entry(`${ELF64}f300`, { state: 'disabled' }),
    'qemu-ppc64le': entry(`${ELF64}1500`, { flags: 'OC' }),
    'qemu-loongarch64': entry(`${ELF64}0201`, { mask: '' }),
  }))
    writeFileSync(join(folder, name), text);
  assert.deepEqual(names(), ['arm64', 's390x', 'loong64', 'arm/v7', 'arm/v6']);
  assert.deepEqual(names('arm64'), ['s390x', 'loong64', 'arm/v7', 'arm/v6']);
  assert.deepEqual(emulatedPlatforms({ os: 'linux', architecture: 'amd64' }, join(folder, 'nowhere')), []);
});
