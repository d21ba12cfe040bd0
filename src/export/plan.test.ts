import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { imageIdOf, imagePurl, outputMetadata, parseAnnotation, parseOutput, type PlanFacts, planOutputs } from './index.ts';
import { AMD64, testFolder } from './testing.ts';

const FACTS: PlanFacts = { tags: [], annotations: [], multiPlatform: false, attested: false, stdoutIsTerminal: false };
const fails = (text: RegExp) => (error: unknown) => isSlipwayError(error) && text.test(`${error.message} ${error.hint ?? ''}`);

test('outputs are read as docker buildx reads them', () => {
  const table: readonly (readonly [string, unknown])[] = [
    ['out', { type: 'local', attributes: { dest: 'out' } }],
    ['-', { type: 'tar', attributes: { dest: '-' } }],
    ['dest=X', { type: 'local', attributes: { dest: 'dest=X' } }],
    ['', { type: 'cacheonly', attributes: {} }],
    ['type=oci, Dest=a=b', { type: 'oci', attributes: { dest: 'a=b' } }],
    ['type=oci,"name=a,b""c"', { type: 'oci', attributes: { name: 'a,b"c' } }],
    ['dest=x,type=tar', { type: 'tar', attributes: { dest: 'x' } }],
  ];
  for (const [text, expected] of table) assert.deepEqual(parseOutput(text), expected, text);
  assert.throws(() => parseOutput('type=oci,compression'), fails(/invalid value compression/));
  assert.throws(() => parseOutput('dest=a,name=b'), fails(/type is required for output/));
  assert.throws(() => parseOutput('type=zip,dest=x'), fails(/exporter "zip" could not be found/));
  assert.throws(() => parseOutput('type=lokal,dest=x'), fails(/did you mean type=local/));
  assert.throws(() => parseOutput('type=oci,"dest=x'), fails(/quote/));
});

test('an output that cannot work is refused before anything is built', () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'taken'));
  writeFileSync(join(folder, 'file'), '');
  const table: readonly (readonly [string | readonly string[], Partial<PlanFacts>, RegExp])[] = [
    ['type=local', {}, /dest is required for local exporter/],
    ['type=local,dest=-', {}, /dest cannot be stdout for local exporter/],
    [`type=local,dest=${folder}/file`, {}, /destination directory .*file is a file/],
    [`type=oci,dest=${folder}/taken`, {}, /destination file .*taken is a directory.*tar=false/],
    ['type=oci', { stdoutIsTerminal: true }, /refusing to write to console/],
    [['type=tar', 'type=oci'], {}, /multiple outputs configured to write to stdout/],
    [['type=tar,dest=/nowhere/x', 'type=oci,dest=/nowhere/./x'], {}, /multiple outputs configured to write to \/nowhere\/\.?\/?x/],
    [
      'type=docker,dest=x',
      { multiPlatform: true },
      /docker exporter does not support exporting manifest lists, use the oci exporter instead/,
    ],
    ['type=image,push=true', {}, /tag is needed when pushing/],
    ['type=image,push=maybe', {}, /non-bool value specified for push/],
    ['type=oci,compression=lzma', {}, /unsupported compression "lzma"/],
    ['type=oci,compression=gzip,compression-level=12', {}, /0 to 9/],
    ['type=oci,compression-level=x', {}, /non-integer value "x"/],
    ['type=oci,compression-level=', {}, /non-integer value ""/],
    ['type=oci,oci-mediatypes=', {}, /non-bool value specified for oci-mediatypes/],
    ['type=oci,rewrite-timestamp=', {}, /non-bool value specified for rewrite-timestamp/],
    ['type=oci,compression=estargz,oci-mediatypes=false', {}, /"compression=estargz" conflicts with "oci-mediatypes=false"/],
    ['type=image,unpack=true,rewrite-timestamp=true', {}, /conflicts with "unpack"/],
    ['type=oci,annotation-index.a=1', {}, /index annotations not supported/],
    ['type=oci,annotation-foo.a=1', {}, /unrecognized annotation type foo/],
    ['type=image,name=UPPER', {}, /lowercase/],
    ['type=image,name=r.io/a:1,push-by-digest=true,push=true', {}, /can't push tagged ref/],
    ['type=local,dest=d,mode=delete', { mayDelete: () => false }, /requires --allow/],
    ['type=oci', { annotations: ['index:a=1'] }, /index annotations/],
    [`type=docker,tar=false,dest=${folder}/layout`, {}, /both file and store output is not supported by docker exporter/],
  ];
  for (const [texts, facts, why] of table) {
    const requests = [texts].flat().map(parseOutput);
    assert.throws(() => planOutputs(requests, { ...FACTS, ...facts }), fails(why), String(texts));
  }
});

test('plans: names from tags, defaults, and a word about attributes that mean nothing', () => {
  const plan = (text: string, facts: Partial<PlanFacts> = {}) => planOutputs([parseOutput(text)], { ...FACTS, ...facts })[0];
  const image = plan('type=registry,name=r.io/x', { tags: ['app', 'r.io/app:2'] });
  assert.ok(image?.type === 'image');
  assert.deepEqual(image.names, ['docker.io/library/app:latest', 'r.io/app:2']);
  assert.equal(image.push, true);
  assert.equal(image.store, false);
  assert.equal(image.image.inlineAttestations, true);
  const oci = plan('type=oci,"name=one.invalid/a:1,two.invalid/b",compression=zstd,compression-level=19,compresion=x');
  assert.ok(oci?.type === 'oci');
  assert.deepEqual(oci.names, ['one.invalid/a:1', 'two.invalid/b:latest']);
  assert.deepEqual([oci.image.compression, oci.image.level, oci.image.ociTypes, oci.image.ociArtifact], ['zstd', 19, true, true]);
  assert.deepEqual(oci.warnings, ['output type=oci has no attribute "compresion"; did you mean compression?']);
  const zstd = plan('type=oci,compression=zstd,oci-mediatypes=false');
  assert.deepEqual(zstd?.type === 'oci' && [zstd.image.compression, zstd.image.ociTypes], ['zstd', false], 'Docker has a type for zstd');
  const docker = plan('type=docker');
  assert.deepEqual(docker?.type === 'docker' && docker.target, { kind: 'engine' });
  assert.deepEqual(planOutputs([parseOutput('type=cacheonly')], FACTS), []);
  const files = (text: string): unknown => {
    const made = plan(text);
    return made?.type === 'tar' || made?.type === 'local' ? made.platformSplit : 'none';
  };
  assert.equal(files('type=local,dest=x,platform-split=false'), false);
  assert.equal(files('type=tar,dest=x,platform-split=false'), undefined, 'a tar goes by how many platforms there are');
  const levelOf = (level: number): number | undefined => {
    const made = plan(`type=oci,compression=zstd,compression-level=${level}`);
    assert.ok(made?.type === 'oci');
    return made.image.level;
  };
  assert.deepEqual([0, -1, -7, 22, 99].map(levelOf), [undefined, undefined, 1, 22, 22]);
  const negative = plan('type=oci,compression-level=-1');
  assert.equal(negative?.type === 'oci' && negative.image.level, undefined);
});

test('annotations name levels and platforms', () => {
  assert.deepEqual(parseAnnotation('a=1=2'), [{ level: 'manifest', key: 'a', value: '1=2' }]);
  assert.deepEqual(parseAnnotation('index,manifest-descriptor[linux/aarch64]:a:b=1'), [
    { level: 'index', key: 'a:b', value: '1' },
    { level: 'manifest-descriptor', platform: 'linux/arm64', key: 'a:b', value: '1' },
  ]);
  assert.throws(() => parseAnnotation('a'), fails(/expected key=value/));
  assert.throws(() => parseAnnotation('foo:a=1'), fails(/unknown annotation type "foo"/));
  assert.throws(() => parseAnnotation('Index:a=1'), fails(/invalid annotation type "Index"/));
});

test('a name becomes the package URL that BuildKit makes of it', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const table: readonly (readonly [string, string])[] = [
    ['alpine', 'pkg:docker/alpine@latest'],
    ['user/test:v2', 'pkg:docker/user/test@v2'],
    ['ghcr.io/foo/bar', 'pkg:docker/ghcr.io/foo/bar@latest'],
    ['localhost:5000/foo', 'pkg:docker/localhost%3A5000/foo@latest'],
    [`alpine@${digest}`, `pkg:docker/alpine?digest=${digest}`],
    [`alpine:latest@${digest}`, `pkg:docker/alpine@latest?digest=${digest}`],
  ];
  for (const [name, purl] of table) assert.equal(imagePurl(name, undefined), purl);
  assert.equal(imagePurl('busybox', AMD64), 'pkg:docker/busybox@latest?platform=linux%2Famd64');
});

test('the id is the config of a single image, else the index; files alone have none', () => {
  const descriptor = { mediaType: 'm', digest: `sha256:${'1'.repeat(64)}` as never, size: 1 };
  const configDigest = `sha256:${'2'.repeat(64)}` as never;
  const files = { names: [], warnings: [] };
  const single = { ...files, descriptor, configDigest, names: ['a', 'b'] };
  assert.equal(imageIdOf([single, files]), configDigest);
  assert.equal(imageIdOf([{ ...files, descriptor }]), descriptor.digest);
  assert.equal(imageIdOf([files]), undefined);
  assert.deepEqual(Object.keys(outputMetadata([files, single])).sort(), [
    'containerimage.config.digest',
    'containerimage.descriptor',
    'containerimage.digest',
    'image.name',
  ]);
});
