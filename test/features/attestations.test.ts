// --sbom and --provenance: what is attached, in every form of output, and whether its lists are those of the packages' own tools.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { runGit, serveGit } from '../rig/git-server.ts';
import { command, type Files, Rig, ROOT } from '../rig/rig.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}
interface Statement {
  readonly _type: string;
  readonly predicateType: string;
  readonly subject: readonly { readonly name: string; readonly digest: Readonly<Record<string, string>> }[];
  readonly predicate: Spdx & { readonly buildDefinition?: { readonly externalParameters: { readonly request: object } } };
}
interface Spdx {
  readonly spdxVersion?: string;
  readonly name?: string;
  readonly packages?: readonly {
    readonly name: string;
    readonly versionInfo: string;
    readonly externalRefs?: readonly { readonly referenceLocator: string }[];
  }[];
}

const SPDX = 'https://spdx.dev/Document';
const module = (name: string, version: string, dependencies: object = {}): string => JSON.stringify({ name, version, dependencies });

/** A Go program with vendored modules, npm packages (scoped and nested) and Debian's own. */
const PROJECT: Files = {
  Dockerfile: `FROM golang AS build
ARG BUILDKIT_SBOM_SCAN_STAGE=true
WORKDIR /src
COPY go .
RUN CGO_ENABLED=0 go build -mod=vendor -o /out/app . && go version -m /out/app > /out/modules
FROM debian
COPY --from=build /out /out
COPY app /app
RUN dpkg-query -W -f '\${db:Status-Status} \${Package} \${Version}\\n' > /out/packages
CMD ["/out/app"]
`,
  'go/go.mod': 'module example.com/app\n\ngo 1.19\n\nrequire (\n\texample.com/one v1.2.3\n\texample.com/two/v2 v2.0.1\n)\n',
  'go/main.go': 'package main\n\nimport (\n\t"example.com/one"\n\t"example.com/two/v2"\n)\n\nfunc main() { println(one.Name, two.Name) }\n',
  'go/vendor/modules.txt':
    '# example.com/one v1.2.3\n## explicit\nexample.com/one\n# example.com/two/v2 v2.0.1\n## explicit\nexample.com/two/v2\n',
  'go/vendor/example.com/one/one.go': 'package one\n\nconst Name = "one"\n',
  'go/vendor/example.com/two/v2/two.go': 'package two\n\nconst Name = "two"\n',
  'app/package.json': module('root', '1.0.0', { a: '1', '@scope/b': '2', d: '1', e: '1' }),
  'app/node_modules/a/package.json': module('a', '1.0.3', { c: '1' }),
  'app/node_modules/a/node_modules/c/package.json': module('c', '1.9.0'),
  'app/node_modules/@scope/b/package.json': module('@scope/b', '2.0.0-rc.1', { c: '2' }),
  'app/node_modules/c/package.json': module('c', '2.1.0'),
  // What packages say of themselves is not always what SPDX calls valid.
  'app/node_modules/d/package.json': JSON.stringify({ name: 'd', version: '1.0.0', license: 'UNLICENSED' }),
  'app/node_modules/e/package.json': JSON.stringify({ name: 'e', version: '1.0.0', license: '(MIT OR BSD)' }),
};

test('package lists are those of dpkg-query, go version -m and npm ls; stages are scanned when asked', async () => {
  await using rig = Rig.create();
  const context = rig.context(PROJECT);
  const name = `${rig.registry}/attested:1`;
  const built = await rig.slipway([
    ...['build', '--sbom=true', '--provenance=mode=max', '-o', `type=image,name=${name},push=true`],
    ...['-o', `type=local,dest=${rig.path('out')}`, context],
  ]);
  assert.equal(built.code, 0, built.stderr);
  const statements = await attestations(name);
  const bills = statements.filter(({ predicateType }) => predicateType === SPDX);
  assert.deepEqual(bills.map(({ predicate }) => predicate.name).sort(), ['sbom', 'sbom-build']);
  const bill = bills.find(({ predicate }) => predicate.name === 'sbom')?.predicate;
  assert.ok(bill !== undefined);
  assert.equal(bill.spdxVersion, 'SPDX-2.3');
  const out = (file: string): string[] => readFileSync(rig.path('out', file), 'utf8').trim().split('\n');

  const debian = out('out/packages')
    .filter((line) => line.startsWith('installed '))
    .map((line) => line.slice('installed '.length));
  assert.ok(debian.length > 50);
  assert.deepEqual(ofKind(bill, 'deb'), debian.sort());

  const modules = out('out/modules').flatMap((line) => {
    const [, kind, path, version] = line.split('\t');
    return kind === 'mod' || kind === 'dep' ? [`${path ?? ''} ${version ?? ''}`] : [];
  });
  assert.deepEqual(modules.length, 3);
  assert.deepEqual(
    ofKind(bill, 'golang').filter((row) => !row.startsWith('stdlib ')),
    modules.sort(),
  );

  const listed = await command('npm', ['ls', '--all', '--json'], { cwd: `${context}/app`, env: process.env });
  const wanted = npmRows(JSON.parse(listed.stdout) as NpmTree).sort();
  assert.deepEqual(ofKind(bill, 'npm'), [...new Set(wanted)]);

  const ofStage = bills.find(({ predicate }) => predicate.name === 'sbom-build')?.predicate ?? {};
  assert.ok(ofKind(ofStage, 'deb').some((row) => row.startsWith('golang-go ')));
});

interface NpmTree {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, NpmTree>>;
}

function npmRows({ dependencies = {} }: NpmTree): string[] {
  return Object.entries(dependencies).flatMap(([name, tree]) => [`${name} ${tree.version ?? ''}`, ...npmRows(tree)]);
}

/** `name version` of the packages of one kind, sorted. */
function ofKind({ packages = [] }: Spdx, kind: string): readonly string[] {
  return packages
    .filter(({ externalRefs = [] }) => externalRefs.some(({ referenceLocator }) => referenceLocator.startsWith(`pkg:${kind}/`)))
    .map(({ name, versionInfo }) => `${name} ${versionInfo}`)
    .sort();
}

/** Python with the validators of the SPDX and in-toto projects; `npm test` installs it. */
const PYTHON = join(ROOT, '.cache/attestation-check/bin/python');

/** Holds statements to what their own projects say of them. */
async function assertValid(statements: readonly Statement[]): Promise<void> {
  assert.ok(existsSync(PYTHON), 'run this test by `npm test`, which installs the validators');
  const checked = await command(PYTHON, [join(ROOT, 'test/rig/attestation-check.py')], { input: JSON.stringify(statements) });
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
}

/** Statements of an image of the registry: that they are valid, and that each is about the image it stands beside. */
async function attestations(name: string): Promise<readonly Statement[]> {
  const [, host = '', repository = '', tag = ''] = /^([^/]+)\/(.+):([^:]+)$/.exec(name) ?? [];
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://${host}/v2/${repository}/${path}`, {
      headers: { accept: 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json' },
    });
    assert.equal(response.status, 200, path);
    return (await response.json()) as T;
  };
  const index = await get<{ readonly manifests: readonly Descriptor[] }>(`manifests/${tag}`);
  const statements: Statement[] = [];
  for (const { digest, platform, annotations = {} } of index.manifests) {
    if (annotations['vnd.docker.reference.type'] !== 'attestation-manifest') continue;
    assert.deepEqual(platform, { os: 'unknown', architecture: 'unknown' });
    const subject = annotations['vnd.docker.reference.digest'] ?? '';
    assert.ok(index.manifests.some((one) => one.digest === subject && one.platform?.os === 'linux'));
    const { layers } = await get<{ readonly layers: readonly Descriptor[] }>(`manifests/${digest}`);
    for (const layer of layers) {
      assert.equal(layer.mediaType, 'application/vnd.in-toto+json');
      const statement = await get<Statement>(`blobs/${layer.digest}`);
      assert.equal(layer.annotations?.['in-toto.io/predicate-type'], statement.predicateType);
      assert.ok(statement.subject.every((one) => `sha256:${one.digest['sha256'] ?? ''}` === subject));
      statements.push(statement);
    }
  }
  await assertValid(statements);
  return statements;
}

test('provenance: mode=min says nothing of what the user passed in; v0.2 on request; nothing without the flag', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nARG WHO\nRUN echo "$WHO" > /who\n' });
  const build = async (tag: string, ...flags: readonly string[]): Promise<readonly Statement[]> => {
    const name = `${rig.registry}/provenance:${tag}`;
    const args = ['build', ...flags, '--build-arg', 'WHO=nobody-knows', '-o', `type=image,name=${name},push=true`, context];
    const built = await rig.slipway(args);
    assert.equal(built.code, 0, built.stderr);
    return flags.length === 0 ? [] : await attestations(name);
  };
  const [most] = await build('max', '--provenance=mode=max,builder-id=https://example.com/us');
  assert.equal(most?.predicateType, 'https://slsa.dev/provenance/v1');
  const text = JSON.stringify(most);
  assert.match(text, /"build-arg:WHO":"nobody-knows"/);
  assert.match(text, /"id":"https:\/\/example.com\/us"/);
  assert.match(text, /pkg:docker\/busybox@latest/);
  assert.match(text, new RegExp(Buffer.from('FROM busybox\nARG WHO').toString('base64').slice(0, 20)));
  const [least] = await build('min', '--attest', 'type=provenance,mode=min,version=v0.2');
  assert.equal(least?.predicateType, 'https://slsa.dev/provenance/v0.2');
  assert.doesNotMatch(JSON.stringify(least), /nobody-knows|llbDefinition/);
  const refused = await rig.slipway(['build', '--provenance=mode=most', context]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /invalid provenance mode most: min or max/);
});

test('what is asked about attestations is done, or said to be wrong, or not to be done', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  for (const [flag, says] of [
    ['--provenance=modus=min', /unknown attribute of provenance "modus"\nhelp: did you mean mode\?/],
    ['--provenance=reproducible=perhaps', /invalid reproducible of provenance "perhaps"/],
    ['--attest=type=provenance,disabled=perhaps', /invalid disabled of provenance "perhaps"/],
  ] as const) {
    const refused = await rig.slipway(['build', flag, context]);
    assert.notEqual(refused.code, 0, flag);
    assert.match(refused.stderr, says);
  }
  const folder = ['-o', `type=local,dest=${rig.path('out')}`];
  assert.equal((await rig.slipway(['build', '--provenance=disabled=true', ...folder, context])).code, 0);
  assert.ok(!existsSync(rig.path('out/provenance.json')));
  const scanned = await rig.slipway(['build', '--sbom=generator=example.com/scanner:1', ...folder, context]);
  assert.equal(scanned.code, 0, scanned.stderr);
  assert.match(scanned.stderr, /made by slipway itself: example\.com\/scanner:1 is run only for clients of slipway serve/);
  assert.ok(existsSync(rig.path('out/sbom.spdx.json')));
});

interface Provenance {
  readonly buildDefinition: {
    readonly externalParameters: {
      readonly configSource: { readonly uri?: string; readonly digest?: object; readonly path?: string };
      readonly request: { readonly args?: object; readonly locals?: readonly object[]; readonly secrets?: readonly object[] };
    };
    readonly internalParameters: { readonly buildConfig: { readonly llbDefinition: readonly Step[]; readonly digestMapping: object } };
    readonly resolvedDependencies: readonly { readonly uri: string; readonly digest?: object }[];
  };
  readonly runDetails: {
    readonly metadata: {
      readonly buildkit_hermetic?: true;
      readonly buildkit_completeness: object;
      readonly buildkit_metadata: {
        readonly source: { readonly locations: Readonly<Record<string, object>> };
        readonly layers: Readonly<Record<string, readonly (readonly Descriptor[])[]>>;
      };
    };
  };
}

/** One of the steps, as far as the tests look at it. */
interface Step {
  readonly id: string;
  readonly inputs?: readonly string[];
  readonly op: {
    readonly platform?: object;
    readonly Op: {
      readonly source?: { readonly identifier: string };
      readonly exec?: { readonly meta: { readonly args: readonly string[] } };
      readonly file?: { readonly actions: readonly { readonly Action: { readonly copy?: { readonly dest: string } } }[] };
    };
  };
}

/** Paths in a layer. */
async function filesOf(layer: string): Promise<readonly string[]> {
  return (await command('tar', ['-tf', layer])).stdout.trim().split('\n');
}

/** Provenance of an image in an archive. Valid, though the image has no name. */
async function provenanceIn(rig: Rig, archive: string): Promise<Provenance> {
  mkdirSync(rig.path('unpacked'), { recursive: true });
  await command('tar', ['-xf', archive, '-C', rig.path('unpacked')]);
  const blob = <T>({ digest }: Descriptor): T =>
    JSON.parse(readFileSync(rig.path('unpacked/blobs', digest.replace(':', '/')), 'utf8')) as T;
  const [top] = (JSON.parse(readFileSync(rig.path('unpacked/index.json'), 'utf8')) as { manifests: Descriptor[] }).manifests;
  const { manifests } = blob<{ manifests: Descriptor[] }>(top as Descriptor);
  const [statement] = blob<{ layers: Descriptor[] }>(manifests.at(-1) as Descriptor).layers.map((layer) => blob<Statement>(layer));
  await assertValid([statement as Statement]);
  assert.deepEqual(statement?.subject, [{ name: '_', digest: { sha256: manifests[0]?.digest.slice('sha256:'.length) } }]);
  return statement.predicate as unknown as Provenance;
}

test('the steps of provenance are those that BuildKit would be sent, in its words, each with the lines that ask for it', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox AS one\n\nRUN echo "hi" > /hi\nFROM scratch\nCOPY --from=one /hi /hi\n' });
  const flags = ['--provenance=mode=max', '--add-host', 'h=1.2.3.4', '-o', `type=oci,dest=${rig.path('i.tar')}`];
  const built = await rig.slipway(['build', ...flags, context]);
  assert.equal(built.code, 0, built.stderr);
  const { buildDefinition, runDetails } = await provenanceIn(rig, rig.path('i.tar'));
  const { llbDefinition, digestMapping } = buildDefinition.internalParameters.buildConfig;
  const [from, run, copy, end] = llbDefinition;
  assert.match(from?.op.Op.source?.identifier ?? '', /^docker-image:\/\/docker\.io\/library\/busybox:latest@sha256:[0-9a-f]{64}$/);
  assert.deepEqual(run?.op.Op.exec?.meta.args, ['/bin/sh', '-c', 'echo "hi" > /hi']);
  assert.deepEqual(run.op.platform, { Architecture: 'amd64', OS: 'linux' });
  assert.deepEqual(run.inputs, ['step0:0']);
  assert.equal(copy?.op.Op.file?.actions[0]?.Action.copy?.dest, '/hi');
  assert.deepEqual(end, { id: 'step3', op: { Op: {} }, inputs: ['step2:0'] });
  assert.deepEqual(Object.values(digestMapping).sort(), ['step0', 'step1', 'step2', 'step3']);
  const { source, layers } = runDetails.metadata.buildkit_metadata;
  const { locations } = source;
  assert.deepEqual(locations['step1'], { locations: [{ ranges: [{ start: { line: 3 }, end: { line: 3 } }] }] });
  // Of the steps, the last alone made a layer of the image.
  const [[made, ...more] = []] = layers['step2:0'] ?? [];
  assert.deepEqual([Object.keys(layers), more], [['step2:0'], []]);
  const [layer] = (await filesOf(rig.path('unpacked/blobs', made?.digest.replace(':', '/') ?? ''))).slice(-1);
  assert.equal(layer, 'hi');
  // The digest that the tag stands for is told beside the name that the user wrote, not as a part of it.
  assert.deepEqual(
    buildDefinition.resolvedDependencies.map(({ uri }) => uri),
    ['pkg:docker/busybox@latest?platform=linux%2Famd64'],
  );
  assert.deepEqual(buildDefinition.externalParameters.request.args, { 'add-hosts': 'h=1.2.3.4' });
});

test('provenance names what addresses turned out to be: commits of repositories, digests of files, also when all is cached', async () => {
  await using rig = Rig.create();
  const dockerfile = (address: string): string => `FROM busybox\nADD ${address}/file /file\n`;
  rig.context({ f: 'x' }, 'repository');
  for (const args of [
    ['init', '-q'],
    ['add', '.'],
    ['commit', '-qm', 'one'],
    ['tag', 'v1'],
  ])
    runGit(rig.path('repository'), ...args);
  const commit = runGit(rig.path('repository'), 'rev-parse', 'HEAD');
  await using git = await serveGit(rig.folder);
  await using site = await serveText('what it says\n');
  const file = { sha256: createHash('sha256').update('what it says\n').digest('hex') };
  const context = rig.context({ Dockerfile: `${dockerfile(site.address)}ADD ${git.address}/repository#v1 /r\n` });
  for (const run of [1, 2]) {
    const built = await rig.slipway(['build', '--provenance=mode=max', '-o', `type=oci,dest=${rig.path(`${run}.tar`)}`, context]);
    assert.equal(built.code, 0, built.stderr);
    const { buildDefinition, runDetails } = await provenanceIn(rig, rig.path(`${run}.tar`));
    const found = new Map(buildDefinition.resolvedDependencies.map(({ uri, digest }) => [uri, digest]));
    assert.deepEqual(found.get(`${git.address}/repository#v1`), { sha1: commit });
    assert.deepEqual(found.get(`${site.address}/file`), file);
    assert.ok([...found.values()].every((digest) => digest !== undefined));
    // The Dockerfile is the user's own: nobody else can say what it was.
    assert.deepEqual(buildDefinition.externalParameters.request.locals, [{ name: 'dockerfile' }]);
    assert.deepEqual(runDetails.metadata.buildkit_completeness, { request: true, resolvedDependencies: false });
    assert.equal(runDetails.metadata.buildkit_hermetic, undefined);
  }
});

test('provenance of a repository: the commit that the Dockerfile came from, whether or not a step takes files of it', async () => {
  await using rig = Rig.create();
  const dockerfile = 'FROM busybox\nRUN --mount=type=secret,id=a --mount=type=secret,id=b,required=true true\n';
  rig.context({ 'sub/app.Dockerfile': dockerfile }, 'repository');
  for (const args of [
    ['init', '-q'],
    ['add', '.'],
    ['commit', '-qm', 'one'],
  ])
    runGit(rig.path('repository'), ...args);
  const commit = { sha1: runGit(rig.path('repository'), 'rev-parse', 'HEAD') };
  await using git = await serveGit(rig.folder);
  const uri = `${git.address}/repository#main`;
  const flags = ['--provenance=mode=max', '-f', 'sub/app.Dockerfile', '--secret', 'id=b,env=B', '-o', `type=oci,dest=${rig.path('i.tar')}`];
  const built = await rig.slipway(['build', ...flags, uri], { env: { B: 'secret-of-b' } });
  assert.equal(built.code, 0, built.stderr);
  const { buildDefinition, runDetails } = await provenanceIn(rig, rig.path('i.tar'));
  assert.deepEqual(buildDefinition.externalParameters.configSource, { uri, digest: commit, path: 'sub/app.Dockerfile' });
  assert.deepEqual(
    buildDefinition.resolvedDependencies.filter((one) => one.uri.startsWith('git')),
    [{ uri, digest: commit }],
  );
  assert.deepEqual(buildDefinition.externalParameters.request, {
    frontend: 'dockerfile.v0',
    secrets: [{ id: 'a', optional: true }, { id: 'b' }],
  });
  assert.deepEqual(runDetails.metadata.buildkit_completeness, { request: true, resolvedDependencies: true });
});

test('an image that is pushed or saved later has its attestations and annotations still, about what it is by then', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /etc/\n' });
  const flags = ['--sbom', '--provenance', '--annotation', 'manifest,index:a=b', '--platform', 'linux/amd64,linux/arm64'];
  const build = async (...args: readonly string[]): Promise<void> => {
    const built = await rig.slipway(['build', ...args, context]);
    assert.equal(built.code, 0, built.stderr);
  };
  await build('-t', 'kept', ...flags);
  const name = `${rig.registry}/kept-${process.pid}:1`;
  const pushed = await rig.slipway(['push', 'kept', name]);
  assert.equal(pushed.code, 0, pushed.stderr);
  const statements = await attestations(name);
  assert.deepEqual(statements.map(({ predicateType }) => predicateType).sort(), [
    ...['https://slsa.dev/provenance/v1', 'https://slsa.dev/provenance/v1', SPDX, SPDX],
  ]);
  for (const { subject } of statements)
    assert.match(subject[0]?.name ?? '', /^pkg:docker\/127\.0\.0\.1%3A\d+\/kept-\d+@1\?platform=linux%2F/);
  const raw = await command('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`]);
  const index = JSON.parse(raw.stdout) as { manifests: Descriptor[]; annotations: object };
  assert.deepEqual(index.annotations, { a: 'b' });
  const first = await command('skopeo', [
    'inspect',
    '--raw',
    '--tls-verify=false',
    `docker://${name.slice(0, -2)}@${index.manifests[0]?.digest}`,
  ]);
  assert.deepEqual((JSON.parse(first.stdout) as { annotations: object }).annotations, { a: 'b' });

  // One platform, and the older form; an archive of Docker's has room for the image alone.
  await build('-o', 'type=image,name=one,oci-artifact=false', '--provenance', '--annotation', 'a=b');
  const one = `${rig.registry}/one-${process.pid}:1`;
  assert.equal((await rig.slipway(['push', 'one', one])).code, 0);
  assert.equal((await attestations(one)).length, 1);
  const saved = await rig.slipway(['save', '-o', rig.path('one.tar'), 'one']);
  assert.equal(saved.code, 0, saved.stderr);
  const missing = await rig.slipway([
    'build',
    '--platform',
    'linux/s390x',
    rig.context({ Dockerfile: 'FROM kept\nCOPY Dockerfile /\n' }, 'other'),
  ]);
  assert.match(missing.stderr, /it has linux\/amd64, linux\/arm64; choose one/);
});

/** A server on loopback that says the same to everybody. */
async function serveText(text: string): Promise<AsyncDisposable & { readonly address: string }> {
  const server = createServer((_request, response) => response.end(text)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('archives carry attestations, folders get them as files, each platform its own', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nCOPY Dockerfile /etc/\n' });
  const outputs = ['-o', `type=oci,dest=${rig.path('image.tar')}`, '-o', `type=local,dest=${rig.path('local')}`];
  const built = await rig.slipway([...['build', '--sbom', '--provenance', '--platform', 'linux/amd64,linux/arm64', ...outputs, context]]);
  assert.equal(built.code, 0, built.stderr);
  mkdirSync(rig.path('layout'));
  await command('tar', ['-xf', rig.path('image.tar'), '-C', rig.path('layout')]);
  const top = JSON.parse(readFileSync(rig.path('layout/index.json'), 'utf8')) as { manifests: Descriptor[] };
  const blob = (digest: string): { manifests: Descriptor[] } =>
    JSON.parse(readFileSync(rig.path('layout/blobs', digest.replace(':', '/')), 'utf8')) as { manifests: Descriptor[] };
  const { manifests } = top.manifests.length > 1 ? top : blob(top.manifests[0]?.digest ?? '');
  const about = manifests.flatMap(({ annotations }) => annotations?.['vnd.docker.reference.digest'] ?? []);
  assert.deepEqual(
    about,
    manifests.filter(({ platform }) => platform?.os === 'linux').map(({ digest }) => digest),
  );
  for (const platform of ['linux_amd64', 'linux_arm64']) {
    for (const [file, predicateType] of [
      ['sbom.spdx.json', SPDX],
      ['provenance.json', 'https://slsa.dev/provenance/v1'],
    ] as const) {
      const statement = JSON.parse(readFileSync(rig.path('local', platform, file), 'utf8')) as Statement;
      assert.equal(statement.predicateType, predicateType);
      assert.ok(statement.subject.length > 0);
    }
  }
});
