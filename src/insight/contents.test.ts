import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../base/index.ts';
import type { Entry } from '../layer/index.ts';
import { checkContents } from './check-contents.ts';
import { readElf } from './elf.ts';
import { type KnownLayer, pathHistory, sameFiles } from './origin.ts';
import { readApkDatabase, readDpkgStatus } from './packages.ts';
import { type ProvenanceFacts, provenancePredicate } from './provenance.ts';
import { scanPackages } from './scan-packages.ts';
import { spdxDocument } from './spdx.ts';
import { configOf, treeOf } from './testing.ts';

const entry = (path: string, facts: Partial<Entry> = {}): Entry => ({
  ...{ path, kind: 'file', mode: 0o644, uid: 0, gid: 0, size: 100_000, mtime: 0, mtimeNs: 0, digest: digestOf(path) },
  ...facts,
});
const layer = (made: string, ...entries: Entry[]): KnownLayer => ({ made, index: { entries, contentDigest: digestOf(made) } });

describe('what should not be in an image', () => {
  it('finds keys, histories, tools and caches, and shows no value', () => {
    const key = `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(64)}\n`;
    const tree = treeOf({
      'app/tls.key': key,
      'app/.git/HEAD': 'ref: x',
      'usr/bin/gcc': 'x',
      'root/.cache/pip/a': 'x'.repeat(70_000),
      'app/.env': 'DB_PASSWORD=hunter22\n',
    });
    const found = checkContents(tree, configOf({ Env: ['API_TOKEN=s3cr3t-value', 'TOKEN_FILE=/run/x'] }));
    assert.deepEqual(found.map(({ rule, path }) => `${rule} ${path ?? ''}`).sort(), [
      'cache-left /root/.cache',
      'compiler-left /usr/bin/gcc',
      'secret-in-config ',
      'secret-left /app/.env',
      'secret-left /app/tls.key',
      'vcs-left /app/.git',
    ]);
    assert.doesNotMatch(JSON.stringify(found), /hunter22|s3cr3t-value|AAAA/);
  });

  it('finds bytes that later layers hide or bring again', () => {
    const layers = [
      layer('one', entry('a'), entry('b')),
      layer('two', entry('a', { mode: 0o600 }), entry('b', { kind: 'whiteout', size: 0 })),
    ];
    const rules = checkContents(treeOf({}), configOf({}), { layers }).map(({ rule, bytes }) => `${rule} ${bytes ?? 0}`);
    assert.deepEqual(rules, ['copied-again 100000', 'deleted-later 100000']);
  });
});

describe('where a path came from', () => {
  it('tells what each layer did to it', () => {
    const layers = [
      layer('base', entry('d', { kind: 'dir' }), entry('d/x')),
      layer('copy', entry('d/x', { digest: digestOf('new') })),
      layer('rm', entry('d', { kind: 'whiteout' })),
    ];
    assert.deepEqual(
      pathHistory(layers, 'd/x').map(({ what, made }) => `${what} by ${made}`),
      ['added by base', 'replaced by copy', 'hidden by rm'],
    );
  });

  it('finds the same bytes, the same name first', () => {
    const same = digestOf('bytes');
    const layers = [layer('make', entry('out/app', { digest: same }), entry('a', { digest: same }))];
    assert.deepEqual(sameFiles(layers, entry('bin/app', { digest: same }))[0], { path: 'out/app', made: 'make' });
  });
});

describe('what an image is made of', () => {
  it('reads the databases of dpkg and apk', () => {
    const status = 'Package: a\nStatus: install ok installed\nVersion: 1:2\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 3\n';
    assert.deepEqual(readDpkgStatus(status), [{ kind: 'deb', name: 'a', version: '1:2' }]);
    const { packages, files } = readApkDatabase('P:musl\nV:1.2-r0\nF:lib\nR:libc.so\n\n');
    assert.equal(packages[0]?.version, '1.2-r0');
    assert.equal(files.get('lib/libc.so'), 'musl');
  });

  it('scans npm, pip and Cargo, once each, as SPDX', () => {
    const tree = treeOf({
      'etc/os-release': 'ID=debian\nVERSION_ID="12"\n',
      'var/lib/dpkg/status': 'Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.2\n',
      'a/node_modules/@x/y/package.json': '{"name":"@x/y","version":"1.0.0"}',
      'b/node_modules/@x/y/package.json': '{"name":"@x/y","version":"1.0.0"}',
      'c/node_modules/broken/package.json': '{',
      'p/Flask_X-2.dist-info/METADATA': 'Name: Flask_X\nVersion: 2\nLicense: BSD License\n\nName: not\n',
      'Cargo.lock': '[[package]]\nname = "serde"\nversion = "1.0.1"\n',
    });
    const found = scanPackages(tree);
    assert.deepEqual(
      found.map(({ purl }) => purl),
      ['pkg:cargo/serde@1.0.1', 'pkg:deb/debian/zlib1g@1:1.2?arch=amd64&distro=debian-12', 'pkg:npm/%40x/y@1.0.0', 'pkg:pypi/flask-x@2'],
    );
    const document = spdxDocument('image', found, new Date(0)) as { readonly packages: readonly { readonly licenseDeclared?: string }[] };
    assert.equal(document.packages.length, 5);
    assert.equal(document.packages[3]?.licenseDeclared, 'NOASSERTION');
  });

  it('leaves user values out of minimal provenance', () => {
    const facts: Omit<ProvenanceFacts, 'mode'> = {
      version: 'v1',
      ...{ builderId: '', reproducible: false, configSource: { path: 'Dockerfile' }, secrets: ['token'], ssh: [] },
      ...{
        args: { 'build-arg:X': 'private', target: 'app' },
        locals: [],
        materials: [],
        networkAccess: false,
        builderPlatform: 'linux/amd64',
      },
      ...{
        invocationId: 'i',
        startedAt: new Date(0),
        finishedAt: new Date(1),
        source: { filename: 'Dockerfile', text: 'FROM scratch' },
        steps: [],
      },
    };
    assert.doesNotMatch(JSON.stringify(provenancePredicate({ ...facts, mode: 'min' })), /private|"token"/);
    assert.match(JSON.stringify(provenancePredicate({ ...facts, mode: 'max' })), /private.*"token"/);
  });
});

it('reads ELF headers that lie about their tables', () => {
  const head = Buffer.alloc(64, 0xff);
  head.write('\x7fELF\x02\x01', 0, 'latin1');
  const elf = readElf((offset, length) => head.subarray(Math.min(offset, 64), Math.min(offset + length, 64)), 64);
  assert.deepEqual(elf?.needed, []);
});
