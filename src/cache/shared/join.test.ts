import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, type DiffID } from '../../base/index.ts';
import { parseSharedCache, serializeSharedCache, type SharedCache, type SharedLayer } from './format.ts';
import { CacheParts, joinDocuments } from './join.ts';

const digest = (text: string): ReturnType<typeof digestOf> => digestOf(text);
const blob = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest('blob'), size: 3 };
const tarless: SharedLayer = { contentDigest: digest('content'), createdAt: 1, size: 5 };
const known: SharedLayer = { ...tarless, diffID: digest('tar') as DiffID };
const whole: SharedLayer = { ...known, blob };
const later: SharedLayer = { ...tarless, createdAt: 2 };

function documentOf(layers: readonly SharedLayer[], records: Readonly<Record<string, readonly number[]>>, path: string): SharedCache {
  return {
    layers,
    records: Object.entries(records).map(([name, own]) => ({
      ...{ key: digest(name), description: name, at: 7 },
      outputs: [{ identity: digest(`result ${name}`), layers: own }],
    })),
    paths: [[digest('identity'), [[digest(path), digest('found')]]]],
    mounts: [{ id: path, blob }],
  };
}

test('joined documents have each record and layer once, with its tar and blob where one of them knows these; order makes no difference', () => {
  const a = documentOf([later, tarless], { base: [1], a: [1, 0] }, 'p');
  const b = documentOf([whole], { base: [0], b: [0] }, 'q');
  const c = documentOf([known], { c: [0] }, 'p');
  const joined = joinDocuments([a, b, c]);
  assert.deepEqual(
    [...joined.layers].sort((x, y) => x.createdAt - y.createdAt),
    [whole, later],
  );
  const layersOf = Object.fromEntries(
    joined.records.map(({ description, outputs: [output] }) => [description, output?.layers.map((index) => joined.layers[index])]),
  );
  assert.deepEqual(layersOf, { base: [whole], a: [whole, later], b: [whole], c: [whole] });
  assert.equal(joined.paths.length, 1);
  assert.deepEqual(joined.paths[0]?.[1].length, 2);
  assert.deepEqual(
    joined.mounts?.map(({ id }) => id),
    ['p', 'q'],
  );
  const bytes = serializeSharedCache(joined);
  assert.deepEqual(parseSharedCache(bytes, 'x').records.length, 4);
  for (const other of [
    [c, b, a],
    [b, a, c],
  ])
    assert.deepEqual(serializeSharedCache(joinDocuments(other)), bytes);
});

test('parts are complete when every build that writes to the place has given its own', () => {
  const to = (ref: string, mode: string) => ({ type: 'registry', attributes: { ref, mode } });
  const parts = new CacheParts([to('a', 'min'), to('b', 'max'), to('a', 'max')]);
  const part = { document: documentOf([whole], { x: [0] }, 'p'), blobs: [] };
  const place = (ref: string): string => JSON.stringify(['registry', ['ref', ref]]);
  assert.equal(parts.add(place('a'), part), undefined);
  assert.equal(parts.add(place('b'), part)?.length, 1);
  assert.equal(parts.add(place('a'), part)?.length, 2);
});
