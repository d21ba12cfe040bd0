import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, type DiffID, isSlipwayError } from '../base/index.ts';
import {
  addToLayoutIndex,
  chainId,
  DOCKER,
  findInLayout,
  imageNameAnnotations,
  OCI,
  parseImageConfig,
  parseManifest,
  parseManifestDocument,
  serializeImageConfig,
  serializeIndex,
  serializeManifest,
  tagAnnotations,
} from './index.ts';
import type { Descriptor, ImageConfig, Index, Manifest } from './index.ts';

const D = digestOf('x');
const bytes = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const text = (data: Uint8Array): string => Buffer.from(data).toString();
const config: Descriptor = { mediaType: OCI.config, digest: D, size: 2 };
const layer: Descriptor = { mediaType: OCI.layerGzip, digest: D, size: 9 };

test('a manifest is written as BuildKit writes it and read back', () => {
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI.manifest,
    config,
    layers: [{ ...layer, annotations: { b: '<&>', a: '1' } }],
    annotations: { z: '1', y: '2' },
  };
  const written = serializeManifest(manifest);
  assert.match(text(written), /^\{\n {2}"schemaVersion": 2,\n {2}"mediaType": "[^"]+",\n {2}"config": \{\n {4}"mediaType"/);
  assert.ok(text(written).includes('"\\u003c\\u0026\\u003e"'));
  assert.ok(text(written).indexOf('"y"') < text(written).indexOf('"z"'));
  assert.deepEqual(parseManifest(written, OCI.manifest), manifest);
});

test('a platform keeps its members in an index', () => {
  const platform = { os: 'windows', architecture: 'amd64', osVersion: '10.0.1', osFeatures: ['win32k'] };
  const index: Index = { schemaVersion: 2, mediaType: OCI.index, manifests: [{ ...layer, mediaType: OCI.manifest, platform }] };
  const written = serializeIndex(index);
  assert.match(text(written), /"architecture": "amd64",\s+"os": "windows",\s+"os.version": "10.0.1"/);
  assert.deepEqual(parseManifestDocument(written), { kind: 'index', mediaType: OCI.index, index });
});

test('hostile or broken documents are refused by name', () => {
  const table: readonly (readonly [unknown, string | undefined, string])[] = [
    ['{', undefined, 'OCI_DOCUMENT_INVALID'],
    ['[]', undefined, 'OCI_DOCUMENT_INVALID'],
    [{ schemaVersion: 2, config, layers: [{ ...layer, digest: 'sha256:../../etc' }] }, undefined, 'OCI_DOCUMENT_INVALID'],
    [{ schemaVersion: 2, config, layers: [{ ...layer, size: -1 }] }, undefined, 'OCI_DOCUMENT_INVALID'],
    [{ schemaVersion: 2, config, layers: [{ ...layer, size: 1e300 }] }, undefined, 'OCI_DOCUMENT_INVALID'],
    [{ schemaVersion: 2, config, layers: {} }, undefined, 'OCI_DOCUMENT_INVALID'],
    [{ schemaVersion: 2, config, layers: [], manifests: [] }, undefined, 'OCI_DOCUMENT_AMBIGUOUS'],
    [{ schemaVersion: 2, mediaType: OCI.index, config, layers: [] }, undefined, 'OCI_DOCUMENT_AMBIGUOUS'],
    [{ schemaVersion: 2, manifests: [] }, OCI.manifest, 'OCI_DOCUMENT_AMBIGUOUS'],
    [{ schemaVersion: 2, mediaType: OCI.manifest, config, layers: [] }, DOCKER.manifest, 'OCI_DOCUMENT_AMBIGUOUS'],
    [{ schemaVersion: 2, mediaType: 'text/html', config, layers: [] }, undefined, 'OCI_MEDIA_TYPE_UNSUPPORTED'],
    [{ schemaVersion: 1, fsLayers: [] }, undefined, 'OCI_SCHEMA_UNSUPPORTED'],
    [' '.repeat(4 * 1024 * 1024 + 1), undefined, 'OCI_DOCUMENT_TOO_LARGE'],
  ];
  for (const [document, mediaType, code] of table) {
    const name = bytes(document).length > 1000 ? code : text(bytes(document));
    assert.throws(
      () => parseManifestDocument(bytes(document), mediaType),
      (error) => isSlipwayError(error, code),
      name,
    );
  }
  assert.throws(() => parseImageConfig(bytes({ config: { Env: ['a', 3] } })), /image config: config\.Env\[1\] should be a text, but is 3/);
  const polluted = parseImageConfig(bytes('{"config":{"Labels":{"__proto__":"x"}},"os":"linux","architecture":"amd64"}'));
  assert.equal(Object.getPrototypeOf(polluted.config?.Labels), Object.prototype);
  assert.equal(Object.entries(polluted.config?.Labels ?? {}).join(), '__proto__,x');
});

test('a manifest without media type takes the family of its config', () => {
  const plain = { schemaVersion: 2, config, layers: [layer] };
  assert.equal(parseManifestDocument(bytes(plain)).mediaType, OCI.manifest);
  assert.equal(parseManifestDocument(bytes({ ...plain, config: { ...config, mediaType: DOCKER.config } })).mediaType, DOCKER.manifest);
});

test('a config is written in a stable order, and what Docker leaves empty is left out', () => {
  const read = parseImageConfig(
    bytes({
      rootfs: { type: 'layers', diff_ids: [D] },
      docker_version: '20',
      os: 'linux',
      architecture: 'arm64',
      config: { Labels: null, Cmd: ['sh'], Env: ['A=<b>'], ExposedPorts: { '80/tcp': {} }, OnBuild: null, Image: '' },
      created: '2020-01-01T00:00:00Z',
      history: [{ created_by: 'x', empty_layer: false }],
    }),
  );
  assert.equal(
    text(serializeImageConfig(read)),
    `{"architecture":"arm64","config":{"ExposedPorts":{"80/tcp":{}},"Env":["A=\\u003cb\\u003e"],"Cmd":["sh"]},` +
      `"created":"2020-01-01T00:00:00Z","history":[{"created_by":"x"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["${D}"]}}`,
  );
});

test('unknown members of a config survive writing', () => {
  const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] }, 'x.y': 1 } as unknown as ImageConfig;
  assert.ok(text(serializeImageConfig(config)).includes('"x.y":1'));
});

test('a chain id is that of one layer, or the digest of the chain below and the layer', () => {
  const a = digestOf('a') as DiffID;
  const b = digestOf('b') as DiffID;
  assert.equal(chainId([]), undefined);
  assert.equal(chainId([a]), a);
  assert.equal(chainId([a, b]), digestOf(`${a} ${b}`));
});

test('layouts: names replace older entries, and images are found by any of their names', () => {
  const one = { ...layer, annotations: imageNameAnnotations('docker.io/library/app:1') };
  const two = { ...layer, digest: digestOf('two'), annotations: imageNameAnnotations('docker.io/library/app:1') };
  const tagged = { ...layer, digest: digestOf('three'), annotations: tagAnnotations('latest') };
  const index = addToLayoutIndex(addToLayoutIndex(undefined, [one]), [two, tagged, layer, layer]);
  assert.deepEqual(
    index.manifests.map((entry) => entry.digest),
    [two.digest, tagged.digest, layer.digest],
  );
  assert.equal(findInLayout(index, undefined).digest, tagged.digest);
  assert.equal(findInLayout(index, '1').digest, two.digest);
  assert.equal(findInLayout(index, 'docker.io/library/app:1').digest, two.digest);
  assert.equal(findInLayout(index, layer.digest).digest, layer.digest);
  assert.throws(
    () => findInLayout(index, 'nope'),
    (error) => isSlipwayError(error, 'OCI_LAYOUT_IMAGE_UNKNOWN') && /app:1/.test(error.hint ?? ''),
  );
});
