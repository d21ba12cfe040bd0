import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { deflateRawSync, deflateSync } from 'node:zlib';
import { digestOf } from '../base/index.ts';
import type { Entry } from '../layer/index.ts';
import { checkContents } from './check-contents.ts';
import { readElf } from './elf.ts';
import { type KnownLayer, pathHistory, sameFiles } from './origin.ts';
import { readApkDatabase, readDpkgStatus } from './packages.ts';
import { type ProvenanceFacts, provenancePredicate } from './provenance.ts';
import { type FoundPackage, scanPackages } from './scan-packages.ts';
import { spdxDocument } from './spdx.ts';
import { licenseExpression } from './spdx-license.ts';
import { compile, configOf, testFolder, treeOf } from './testing.ts';

const entry = (path: string, facts: Partial<Entry> = {}): Entry => ({
  ...{ path, kind: 'file', mode: 0o644, uid: 0, gid: 0, size: 100_000, mtime: 0, mtimeNs: 0, digest: digestOf(path) },
  ...facts,
});
const layer = (made: string, ...entries: Entry[]): KnownLayer => ({ made, index: { entries, contentDigest: digestOf(made) } });

/** A zip archive: every second member is stored, the others are deflated. */
function jarOf(files: Readonly<Record<string, string>>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [index, [name, text]] of Object.entries(files).entries()) {
    const method = index % 2 === 0 ? 8 : 0;
    const data = method === 8 ? deflateRawSync(text) : Buffer.from(text);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(method, 8);
    head.writeUInt32LE(data.length, 18);
    head.writeUInt32LE(text.length, 22);
    head.writeUInt16LE(name.length, 26);
    const row = Buffer.alloc(46);
    row.writeUInt32LE(0x02014b50, 0);
    row.writeUInt16LE(method, 10);
    row.writeUInt32LE(data.length, 20);
    row.writeUInt32LE(text.length, 24);
    row.writeUInt16LE(name.length, 28);
    row.writeUInt32LE(offset, 42);
    locals.push(head, Buffer.from(name), data);
    directory.push(row, Buffer.from(name));
    offset += head.length + name.length + data.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

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

  it('tells secrets from what is said about them: in variables, in the history, in files', () => {
    const variables = (...Env: string[]): readonly string[] =>
      checkContents(treeOf({}), configOf({ Env })).map(({ message }) => /variable (\w+)/.exec(message)?.[1] ?? '');
    const quiet = ['TOKEN_EXPIRE_MINUTES=1440', 'PASSWORD_MIN_LENGTH=1234', 'SECRET_BACKEND=vault', 'API_KEY_HEADER=X-Api-Key', 'PWD=/app'];
    const secrets = ['PGPASSWORD=hunter22', 'MYSQL_PWD=hunter22', 'KEY_PASSPHRASE=hunter22', 'DATABASE_URL=postgres://u:hunter22@h/db'];
    assert.deepEqual(variables(...quiet, 'URL=postgres://u@h/db', 'PROXY=http://u:$PW@h', 'TOKEN_URL=https://h/a'), []);
    assert.deepEqual(variables(...secrets), ['DATABASE_URL', 'KEY_PASSPHRASE', 'MYSQL_PWD', 'PGPASSWORD']);

    const history = (created_by: string): number =>
      checkContents(treeOf({}), { ...configOf({}), history: [{ created_by }] }).filter(({ rule }) => rule === 'secret-in-history').length;
    for (const [text, count] of [
      ['RUN |1 NPM_TOKEN=abcd1234 /bin/sh -c npm ci', 1],
      ['RUN |2 A= NPM_TOKEN=ab$cd1234 /bin/sh -c npm ci', 1],
      ['RUN |1 A=1 /bin/sh -c TOKEN=abcd1234 npm ci', 1],
      ['RUN |1 A=1 /bin/sh -c TOKEN="$(cat /run/secrets/token)" npm ci', 0],
      ['RUN |1 A=1 /bin/sh -c GITHUB_TOKEN=`cat /run/secrets/token` gh', 0],
      ["RUN |1 A=1 /bin/sh -c export PASSWORD='' && x", 0],
    ] as const)
      assert.equal(history(text), count, text);

    const body = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC';
    const tree = treeOf({
      'a/account.json': `{"private_key":"-----BEGIN PRIVATE KEY-----\\n${body}\\n-----END PRIVATE KEY-----\\n"}`,
      'a/encrypted.pem': `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n${body}\n`,
      'a/mail.asc': `-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n${body}\n`,
      'a/kubeconfig': `users:\n- user:\n    client-key-data: ${Buffer.from('-----BEGIN RSA PRIVATE KEY-----').toString('base64')}\n`,
      'a/npm.txt': `npm_${'a1'.repeat(18)}`,
      // Nothing is in them, or only words.
      ...{ 'b/id_rsa': '', 'b/.netrc': '', 'b/.env': 'TOKEN_TTL=3600\n', 'b/pem.go': '"-----BEGIN PRIVATE KEY-----\\n" + body' },
    });
    const found = checkContents(tree, configOf({})).filter(({ rule }) => rule === 'secret-left');
    assert.deepEqual(
      found.map(({ path }) => path),
      ['/a/account.json', '/a/encrypted.pem', '/a/kubeconfig', '/a/mail.asc', '/a/npm.txt'],
    );
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

  it('writes licenses, pages and people so that the document is valid, whatever packages say of themselves', () => {
    const license = (text: string): string | undefined => licenseExpression(text)?.text;
    for (const [written, becomes] of [
      ['mit', 'MIT'],
      ['(MIT OR Apache-2.0)', '(MIT OR Apache-2.0)'],
      ['GPL-2.0+ WITH Classpath-exception-2.0', 'GPL-2.0+ WITH Classpath-exception-2.0'],
      ['MIT AND (UNLICENSED OR Foo+)', 'MIT AND (LicenseRef-UNLICENSED OR LicenseRef-Foo-or-later)'],
      ['LicenseRef-own', 'LicenseRef-own'],
      ...['SEE LICENSE IN file', 'MIT OR', '((MIT)', 'MIT)', '(MIT) WITH x', 'MIT WITH x', 'BSD 3-Clause', 'MIT/X11', 'NONE', ''].map(
        (text) => [text, undefined] as const,
      ),
    ] as const)
      assert.equal(license(written), becomes, written);
    const made = (one: Partial<FoundPackage>): FoundPackage => ({ name: 'n', version: '1', purl: 'pkg:npm/n@1', path: '/p', ...one });
    const document = spdxDocument(
      'image',
      [
        made({ license: 'UNLICENSED', homepage: 'https://n.example/a', supplier: 'A (of B) <a@b.example>' }),
        made({ license: 'MIT', homepage: 'n.example', supplier: 'B' }),
      ],
      new Date(0),
    ) as { readonly packages: readonly Readonly<Record<string, unknown>>[]; readonly hasExtractedLicensingInfos: unknown };
    assert.deepEqual(
      document.packages.slice(0, 2).map(({ licenseDeclared, homepage, supplier }) => [licenseDeclared, homepage, supplier]),
      [
        ['LicenseRef-UNLICENSED', 'https://n.example/a', 'Person: A [of B] (a@b.example)'],
        ['MIT', undefined, 'Person: B'],
      ],
    );
    assert.deepEqual(document.hasExtractedLicensingInfos, [{ licenseId: 'LicenseRef-UNLICENSED', extractedText: 'UNLICENSED' }]);
  });

  it('scans jars: what Maven wrote of all that is in one, else the manifest', () => {
    const properties = (group: string, name: string, version: string): string =>
      `#Generated by Maven\r\n#Fri Jan 01\r\nartifactId=${name}\r\ngroupId=${group}\r\nversion=${version}\r\n`;
    const at = (group: string, name: string): string => `META-INF/maven/${group}/${name}/pom.properties`;
    const tree = treeOf({
      'opt/shaded.jar': jarOf({
        'META-INF/MANIFEST.MF': 'Manifest-Version: 1.0\r\nImplementation-Title: not this\r\nImplementation-Version: 0\r\n',
        [at('org.one', 'core')]: properties('org.one', 'core', '1.2.3'),
        [at('org.two', 'text')]: properties('org.two', 'text', '4.5'),
        'org/one/Main.class': '\xca\xfe',
      }),
      'opt/bundle.jar': jarOf({
        'META-INF/MANIFEST.MF':
          'Manifest-Version: 1.0\r\nBundle-SymbolicName: org.three.a-very-long-name-that-needs-a-second-line-in-a-mani\r\n fest;singleton:=true\r\nBundle-Version: 7.0.0.v2024\r\n',
      }),
      'srv/web.war': jarOf({
        'META-INF/MANIFEST.MF': 'Implementation-Title: web\nImplementation-Version: 2.0\nImplementation-Vendor-Id: org.web\n',
      }),
      'opt/says-nothing.jar': jarOf({ 'META-INF/MANIFEST.MF': 'Manifest-Version: 1.0\n', 'a.class': 'x' }),
      'opt/not.jar': 'PK but no zip',
    });
    assert.deepEqual(
      scanPackages(tree).map(({ purl, path }) => `${path} ${purl}`),
      [
        '/opt/shaded.jar pkg:maven/org.one/core@1.2.3',
        '/opt/bundle.jar pkg:maven/org.three.a-very-long-name-that-needs-a-second-line-in-a-manifest@7.0.0.v2024',
        '/opt/shaded.jar pkg:maven/org.two/text@4.5',
        '/srv/web.war pkg:maven/org.web/web@2.0',
      ],
    );
  });

  it('scans programs of cargo-auditable: what runs, not what only built it; damaged lists are none', () => {
    const crates = [
      { name: 'serde', version: '1.0.203', source: 'registry' },
      { name: 'cc', version: '1.1.0', source: 'registry', kind: 'build' },
      { name: 'app', version: '0.1.0', source: 'local', root: true, dependencies: [0] },
    ];
    const folder = testFolder();
    const plain = compile(folder, 'plain', 'const char filler[200000] = {1}; int main(void) { return filler[1]; }');
    const withSection = (name: string, bytes: Buffer): string => {
      writeFileSync(join(folder, 'section'), bytes);
      execFileSync('objcopy', ['--add-section', `.dep-v0=${join(folder, 'section')}`, plain, join(folder, name)]);
      return `= ${join(folder, name)}`;
    };
    const packed = deflateSync(JSON.stringify({ packages: crates }));
    const tree = treeOf({
      'bin/plain': `= ${plain}`,
      'bin/audited': withSection('audited', packed),
      'bin/cut': withSection('cut', packed.subarray(0, 20)),
      'bin/odd': withSection('odd', deflateSync('{"packages":[null,{"name":7},[]]}')),
    });
    assert.deepEqual(
      scanPackages(tree).map(({ purl, path }) => `${path} ${purl}`),
      ['/bin/audited pkg:cargo/app@0.1.0', '/bin/audited pkg:cargo/serde@1.0.203'],
    );
  });

  it('leaves user values out of minimal provenance', () => {
    const facts: Omit<ProvenanceFacts, 'mode'> = {
      version: 'v1',
      ...{ builderId: '', reproducible: false, configSource: { path: 'Dockerfile' }, secrets: [{ id: 'token', optional: false }], ssh: [] },
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
        steps: undefined,
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
