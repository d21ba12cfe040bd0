// The platforms whose programs the kernel has an emulator for: asked of binfmt_misc, as the kernel itself decides by a program's first bytes
// (Documentation/admin-guide/binfmt-misc.rst there).

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Platform } from '../engine.ts';

const BINFMT = '/proc/sys/fs/binfmt_misc';

/** What an ELF header says of each architecture: bits, byte order, machine (elf.h). */
const ELF: Readonly<Record<string, readonly [bits: 32 | 64, order: 'LE' | 'BE', machine: number]>> = {
  amd64: [64, 'LE', 62],
  arm64: [64, 'LE', 183],
  riscv64: [64, 'LE', 243],
  ppc64: [64, 'BE', 21],
  ppc64le: [64, 'LE', 21],
  s390x: [64, 'BE', 22],
  '386': [32, 'LE', 3],
  mips64le: [64, 'LE', 8],
  mips64: [64, 'BE', 8],
  loong64: [64, 'LE', 258],
  arm: [32, 'LE', 40],
};

/** Linux platforms beside `own`, in BuildKit's order. `folder`: where binfmt_misc is mounted; nothing is known where it is not. */
export function emulatedPlatforms(own: Platform, folder = BINFMT): readonly Platform[] {
  const emulators = readEmulators(folder);
  return Object.entries(ELF).flatMap(([architecture, facts]): Platform[] => {
    const header = headerOf(...facts);
    if (architecture === own.architecture || !emulators.some((takes) => takes(header))) return [];
    const platform: Platform = { os: 'linux', architecture };
    return architecture === 'arm'
      ? [
          { ...platform, variant: 'v7' },
          { ...platform, variant: 'v6' },
        ]
      : [platform];
  });
}

function headerOf(bits: 32 | 64, order: 'LE' | 'BE', machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, bits / 32, order === 'LE' ? 1 : 2, 1]);
  const write = (value: number, at: number): number => (order === 'LE' ? header.writeUInt16LE(value, at) : header.writeUInt16BE(value, at));
  write(2, 16); // ET_EXEC
  write(machine, 18);
  return header;
}

function readEmulators(folder: string): readonly ((header: Buffer) => boolean)[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder).filter((name) => name !== 'register' && name !== 'status');
  } catch {
    return []; // not mounted, or not for us
  }
  return names.flatMap((name) => readEmulator(join(folder, name)) ?? []);
}

/** One that is there in every root: opened when it was registered (flag F). */
function readEmulator(path: string): ((header: Buffer) => boolean) | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    return undefined; // gone since
  }
  const field = (name: string): string | undefined => new RegExp(`^${name}:? (.*)$`, 'm').exec(text)?.[1];
  const magic = Buffer.from(field('magic') ?? '', 'hex');
  if (!text.startsWith('enabled') || field('flags')?.includes('F') !== true || magic.length === 0) return undefined;
  const offset = Number(field('offset') ?? 0);
  const mask = Buffer.from(field('mask') ?? 'ff'.repeat(magic.length), 'hex');
  return (header) => magic.every((byte, at) => (((header[offset + at] ?? 0) ^ byte) & (mask[at] ?? 0xff)) === 0);
}
