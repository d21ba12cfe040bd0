// Images that were made to break who looks at them. Each is to be looked at to the end, in bounded memory, and nothing may be thrown.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { FolderTree } from '../source/index.ts';
import { checkContents } from './check-contents.ts';
import { checkRuntime } from './check-runtime.ts';
import { readLdCache } from './ld-cache.ts';
import { readPackages } from './packages.ts';
import { scanPackages } from './scan-packages.ts';
import { commandsOf } from './script-commands.ts';
import { spdxDocument } from './spdx.ts';
import { compile, configOf, testFolder, treeOf } from './testing.ts';

const SEEDS = 25;

/** Numbers that are the same for a seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

/** Some bytes changed, a piece cut or doubled: as damage does, and as attackers do. */
function damaged(data: Buffer, seed: number): Buffer {
  const next = random(seed);
  const bad = Buffer.from(data);
  for (let count = 1 + next(60); count > 0 && bad.length > 0; count -= 1) {
    const at = next(3) === 0 ? next(bad.length) : next(Math.min(bad.length, 1024));
    const kind = next(4);
    if (kind === 0 && at + 4 <= bad.length) bad.writeUInt32LE(0xffffffff, at);
    else if (kind === 1 && at + 8 <= bad.length) bad.writeBigUInt64LE(0x7fffffffffffffffn, at);
    else bad[at] = next(256);
  }
  return next(3) === 0 ? bad.subarray(0, next(bad.length)) : bad;
}

/** Everything that looks at a tree. */
function look(tree: ReturnType<typeof treeOf>): void {
  const config = configOf({ Entrypoint: ['/bin/app'], Env: ['TZ=Europe/Rome'], User: 'app', WorkingDir: '/a/b' });
  checkRuntime(tree, config, { stages: [{ name: 'build', tree }] });
  checkContents(tree, config, { layers: [], baseLayers: 0 });
  readPackages(tree).ownerOf('bin/app');
  spdxDocument('sbom', scanPackages(tree), new Date(0));
}

describe('hostile images', { timeout: 300_000 }, () => {
  const folder = testFolder();
  let program: Buffer;
  let library: Buffer;
  let fixed: Buffer;

  before(() => {
    compile(folder, 'libx.so', 'int x(void) { return 1; }', ['-shared', '-fPIC', '-Wl,-soname,libx.so']);
    program = readFileSync(compile(folder, 'app', 'extern int x(void); int main() { return x(); }', ['-L.', '-lx', '-Wl,-rpath,$ORIGIN']));
    library = readFileSync(join(folder, 'libx.so'));
    fixed = readFileSync(compile(folder, 'fixed', 'int main() { return 0; }', ['-static']));
  });

  it('damaged programs, libraries and loaders', () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const files = {
        'bin/app': damaged(program, seed),
        'bin/other': damaged(fixed, seed * 3),
        'bin/libx.so': damaged(library, seed * 7),
        'lib64/ld-linux-x86-64.so.2': damaged(library, seed * 11),
        'lib/libc.so.6': damaged(library, seed * 13),
      };
      look(treeOf(files));
    }
  });

  it('a header that counts what is not there, in every field', () => {
    for (const [offset, width] of [
      [32, 8], // program headers
      [40, 8], // section headers
      [54, 2],
      [56, 2], // how many
      [58, 2],
      [60, 2],
      [62, 2],
    ] as const) {
      for (const value of [0, 1, 0xffff, 0xfffffffffffff000]) {
        const bad = Buffer.from(program);
        if (width === 2) bad.writeUInt16LE(value % 65_536, offset);
        else bad.writeBigUInt64LE(BigInt(value), offset);
        look(treeOf({ 'bin/app': bad }));
      }
    }
  });

  it('a symbol table of 1 GiB, and a dynamic section that claims as much', () => {
    const root = testFolder();
    mkdirSync(join(root, 'bin'));
    const big = Buffer.from(program);
    const headers = Number(big.readBigUInt64LE(32));
    for (let index = 0; index < big.readUInt16LE(56); index += 1) {
      const at = headers + index * 56;
      if (big.readUInt32LE(at) === 2) big.writeBigUInt64LE(1n << 30n, at + 32);
      if (big.readUInt32LE(at) === 1) big.writeBigUInt64LE(1n << 30n, at + 32);
    }
    const file = openSync(join(root, 'bin/app'), 'w', 0o755);
    writeSync(file, big);
    ftruncateSync(file, 1 << 30); // a hole: no byte of it is on the disk
    closeSync(file);
    const peak = process.memoryUsage().rss;
    look(new FolderTree(root, { now: () => new Date() }));
    assert.ok(process.memoryUsage().rss - peak < 512 << 20, 'the file is not held in memory');
  });

  it('libraries that need each other, and thousands that need thousands', () => {
    const names = Array.from({ length: 300 }, (_, index) => `lib${index}.so`);
    const source = testFolder();
    for (const name of names.slice(0, 3)) compile(source, name, 'int f;', ['-shared', `-Wl,-soname,${name}`]);
    const linked = compile(source, 'app', 'int main() { return 0; }', [
      '-Wl,--no-as-needed',
      '-L.',
      ...names.slice(0, 3).map((name) => `-l:${name}`),
    ]);
    const one = compile(source, 'a.so', 'int a;', [
      '-shared',
      '-Wl,--no-as-needed',
      '-L.',
      '-l:lib0.so',
      '-Wl,-rpath,' + Array(60).fill('/x/y/z').join(':'),
    ]);
    look(
      treeOf({
        'bin/app': readFileSync(linked),
        ...Object.fromEntries(names.map((name) => [`lib/${name}`, readFileSync(one)])),
      }),
    );
  });

  it('symlinks that loop, climb, and are longer than a path may be', () => {
    const links: Record<string, string> = {};
    for (let index = 0; index < 200; index += 1) links[`l${index}`] = `-> l${(index + 1) % 200}`;
    look(
      treeOf({
        ...links,
        'bin/app': '-> ../../../../../../l0',
        lib: '-> lib',
        lib64: '-> /lib64/../lib64/x',
        etc: '-> /proc/self/root',
        'usr/lib': '-> ../usr/lib/lib/lib',
        tmp: `-> ${'a/'.repeat(1900)}b`,
        a: '-> .',
      }),
    );
  });

  it('garbage where ld.so keeps its list', () => {
    const next = random(5);
    const magic = Buffer.from('glibc-ld.so.cache1.1');
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const data = Buffer.from(Array.from({ length: 4096 }, () => next(256)));
      if (seed % 2 === 0) magic.copy(data);
      look(treeOf({ 'bin/app': program, 'etc/ld.so.cache': data }));
    }
    // Two hundred thousand entries, all of one text of 4 KiB.
    const claims = Buffer.alloc(48 + 200_000 * 24 + 4200, 0x61);
    magic.copy(claims);
    claims.writeUInt32LE(200_000, 20);
    claims[28] = 0;
    for (let at = 48; at < 48 + 200_000 * 24; at += 24) {
      claims.writeUInt32LE(48 + 200_000 * 24, at + 4);
      claims.writeUInt32LE(48 + 200_000 * 24, at + 8);
    }
    claims[claims.length - 1] = 0;
    assert.ok([...readLdCache(claims).values()].flat().length < 10_000);
  });

  it('damaged databases of packages', () => {
    const root = testFolder();
    const spec = join(root, 'a.spec');
    const many = 'mkdir -p %{buildroot}/opt; for i in $(seq 300); do echo > %{buildroot}/opt/file-$i; done';
    writeFileSync(
      spec,
      `Name: a\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\nd\n%install\n${many}\n%files\n/opt\n`,
    );
    execFileSync('rpmbuild', ['-bb', '--define', `_topdir ${root}/build`, spec], { stdio: 'ignore' });
    execFileSync(
      'rpm',
      [
        '--root',
        root,
        '--dbpath',
        '/db',
        '--define',
        '_db_backend sqlite',
        '-i',
        '--nodeps',
        '--justdb',
        `${root}/build/RPMS/noarch/a-1-1.noarch.rpm`,
      ],
      { stdio: 'ignore' },
    );
    const rpm = readFileSync(join(root, 'db/rpmdb.sqlite'));
    const status = Buffer.from('Package: a\nStatus: install ok installed\nVersion: 1\nEssential: yes\n\n'.repeat(50));
    const apk = Buffer.from('P:a\nV:1\nF:usr\nR:x\n\n'.repeat(50));
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      look(treeOf({ 'var/lib/rpm/rpmdb.sqlite': damaged(rpm, seed), 'bin/app': 'x' }));
      look(treeOf({ 'var/lib/rpm/Packages.db': Buffer.concat([Buffer.from('RpmP'), damaged(rpm, seed)]) }));
      look(treeOf({ 'var/lib/dpkg/status': damaged(status, seed), 'var/lib/dpkg/info/a.list': damaged(rpm, seed) }));
      look(treeOf({ 'lib/apk/db/installed': damaged(apk, seed) }));
    }
    // A page of the tree that is its own child.
    const loop = Buffer.from(rpm);
    loop[100] = 5;
    loop.writeUInt32BE(1, 108);
    look(treeOf({ 'var/lib/rpm/rpmdb.sqlite': loop }));
    look(treeOf({ 'var/lib/dpkg/status': `${'\n \n'.repeat(50_000)}Package${':'.repeat(50_000)}` }));
  });

  it('metadata of packages that is none, archives that claim to be large, scripts without an end', () => {
    const zip = Buffer.alloc(22 + 46);
    zip.write('PK\x01\x02', 0, 'latin1');
    zip.writeUInt32LE(0xffffffff, 20);
    zip.writeUInt32LE(0xfffffff0, 42);
    zip.write('PK\x05\x06', 46, 'latin1');
    zip.writeUInt32LE(0xffffffff, 46 + 12);
    look(
      treeOf({
        'srv/a.jar': zip,
        'srv/node_modules/a/package.json': '['.repeat(100_000),
        'srv/node_modules/b/package.json': '{"name":{"toString":1},"version":[]}',
        'srv/x.dist-info/METADATA': `Name:${' '.repeat(100_000)}`,
        'srv/Cargo.lock': '[[package]]\nname = "'.repeat(5000),
        'bin/app': `#!/bin/sh\n${'$('.repeat(20_000)}"'\n<<X\n${'f()'.repeat(5000)}`,
        'bin/sh': '-> app',
      }),
    );
    assert.deepEqual(commandsOf('<<END\nnever\n'), []);
  });

  it('names with markup and control characters come out as names', () => {
    const root = testFolder();
    const name = '<img src=x onerror=alert(1)>\u001b[2J"\'\n';
    for (const path of [`bin/${name}`, `srv/${name}/node_modules/x/package.json`]) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), path.endsWith('.json') ? JSON.stringify({ name, version: name }) : program, { mode: 0o755 });
    }
    symlinkSync(`/${name}`, join(root, 'link'));
    const tree = new FolderTree(root, { now: () => new Date() });
    look(tree);
    const [found] = scanPackages(tree);
    assert.equal(found?.name, name);
    assert.doesNotMatch(found?.purl ?? '', /[<>\s"\u001b]/);
    const findings = checkRuntime(tree, configOf({ Cmd: [`/bin/${name}`] }), {
      stages: [{ name: 'build', tree: treeOf({ 'lib/libx.so': library }) }],
    });
    const cure = findings.find(({ message }) => message.includes('libx.so'))?.cure ?? '';
    assert.doesNotMatch(cure, /[\n\u001b]/);
  });
});
