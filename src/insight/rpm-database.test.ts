import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { readPackages } from './packages.ts';
import { scanPackages } from './scan-packages.ts';
import { sqliteRows } from './sqlite-table.ts';
import { testFolder, treeOf } from './testing.ts';

const NAMES = ['tool', 'tool-doc', 'with-epoch'];

describe('databases of rpm', () => {
  const folder = testFolder();
  let sqlite: Buffer;
  let headers: readonly Buffer[] = [];
  let said = '';

  /** Packages made by rpmbuild, put into a root by rpm with each of its own databases. */
  before(() => {
    for (const name of NAMES) {
      const spec = join(folder, `${name}.spec`);
      // Many files: the header has to be longer than a page of any database.
      const many = `mkdir -p %{buildroot}/opt/${name}; for i in $(seq 200); do echo $i > %{buildroot}/opt/${name}/file-number-$i; done`;
      writeFileSync(
        spec,
        `Name: ${name}\nVersion: 1.2\nRelease: 3\n${name === 'with-epoch' ? 'Epoch: 4\n' : ''}Summary: s\nLicense: MIT\nURL: https://example.com/${name}\nBuildArch: noarch\n%description\nd\n%install\n${many}\n%files\n/opt/${name}\n`,
      );
      execFileSync('rpmbuild', ['-bb', '--define', `_topdir ${folder}/build`, spec], { stdio: ['ignore', 'ignore', 'ignore'] });
    }
    const rpms = readdirSync(`${folder}/build/RPMS/noarch`).map((name) => `${folder}/build/RPMS/noarch/${name}`);
    const root = join(folder, 'root');
    mkdirSync(root);
    const flags = ['--root', root, '--dbpath', '/var/lib/rpm', '--define', '_db_backend sqlite'];
    execFileSync('rpm', [...flags, '-i', '--nodeps', '--noscripts', '--justdb', ...rpms], { stdio: ['ignore', 'ignore', 'pipe'] });
    said = execFileSync('rpm', [...flags, '-qa', '--qf', '%{NAME} %{VERSION}-%{RELEASE}\\n'], { encoding: 'utf8' });
    sqlite = readFileSync(`${root}/var/lib/rpm/rpmdb.sqlite`);
    const rows = sqliteRows((at, length) => sqlite.subarray(at, at + length), sqlite.length, 'Packages');
    headers = [...rows].map((row) => row[1] as Buffer);
  });

  const check = (files: Readonly<Record<string, string | Buffer>>): void => {
    const database = readPackages(treeOf({ ...files, 'usr/bin/dnf': 'x' }));
    const found = database.packages.map(({ name, version }) => `${name} ${version}`);
    assert.deepEqual(found.sort(), said.trim().split('\n').sort());
    assert.equal(database.packages.find(({ name }) => name === 'with-epoch')?.epoch, 4);
    assert.equal(database.ownerOf('opt/tool/file-number-150'), 'tool');
    assert.equal(database.installer, 'dnf');
  };

  it('reads SQLite', () => check({ 'var/lib/rpm/rpmdb.sqlite': sqlite }));

  // Debian's rpm writes no ndb: the same headers, laid out as rpm's lib/backend/ndb/rpmpkg.c does.
  it('reads ndb, in either folder', () => {
    const page = Buffer.alloc(4096);
    page.write('RpmP', 0, 'latin1');
    page.writeUInt32LE(1, 12);
    const blobs: Buffer[] = [];
    let block = 256;
    for (const [index, header] of headers.entries()) {
      const blob = Buffer.alloc(16 + Math.ceil(header.length / 16) * 16 + 16);
      blob.write('BlbS', 0, 'latin1');
      blob.writeUInt32LE(index + 1, 4);
      blob.writeUInt32LE(header.length, 12);
      header.copy(blob, 16);
      page.write('Slot', 32 + index * 16, 'latin1');
      page.writeUInt32LE(index + 1, 36 + index * 16);
      page.writeUInt32LE(block, 40 + index * 16);
      blobs.push(blob);
      block += blob.length / 16;
    }
    check({ 'usr/lib/sysimage/rpm/Packages.db': Buffer.concat([page, ...blobs]) });
  });

  it('reads a hash of Berkeley DB', () => {
    const hex = (value: Buffer): string => ` ${value.toString('hex')}`;
    const key = (number: number): Buffer => Buffer.from(Uint32Array.of(number).buffer);
    const dump = [
      'VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END',
      hex(key(0)),
      hex(key(headers.length)),
      ...headers.flatMap((header, index) => [hex(key(index + 1)), hex(header)]),
      'DATA=END\n',
    ].join('\n');
    const file = join(folder, 'Packages');
    execFileSync('db_load', [file], { input: dump });
    check({ 'var/lib/rpm/Packages': readFileSync(file) });
  });

  it('names packages as the package URL specification does', () => {
    const tree = treeOf({
      'etc/os-release': 'ID=fedora\nVERSION_ID=40\n',
      'var/lib/rpm/rpmdb.sqlite': sqlite,
    });
    assert.deepEqual(
      scanPackages(tree).map(({ purl }) => purl),
      [
        'pkg:rpm/fedora/tool-doc@1.2-3?arch=noarch&distro=fedora-40&upstream=tool-doc-1.2-3.src.rpm',
        'pkg:rpm/fedora/tool@1.2-3?arch=noarch&distro=fedora-40&upstream=tool-1.2-3.src.rpm',
        'pkg:rpm/fedora/with-epoch@1.2-3?arch=noarch&distro=fedora-40&epoch=4&upstream=with-epoch-1.2-3.src.rpm',
      ],
    );
  });
});
