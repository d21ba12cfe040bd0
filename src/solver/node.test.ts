import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatherNodes } from './node.ts';
import type { Op, Output, Vertex } from './types.ts';

const op: Op<Output> = {
  resource: 'files',
  cacheMap: () => Promise.reject(new Error('not asked for')),
  exec: () => Promise.reject(new Error('not asked for')),
};

function vertex(digest: string, inputs: readonly Vertex<Output>[], ignoreCache = false): Vertex<Output> {
  const edges = inputs.map((input) => ({ vertex: input, output: 0 }));
  return { digest, inputs: edges, op, ignoreCache, progress: { id: digest, name: digest, inputs: [] } };
}

test('a graph may be as deep and as wide as its memory allows', () => {
  const base = vertex('base', []);
  let deep = base;
  for (let height = 0; height < 50_000; height += 1) deep = vertex(`deep ${height}`, [deep, base]);
  const wide = Array.from({ length: 200_000 }, (_, place) => vertex(`wide ${place}`, [base]));
  const nodes = gatherNodes([{ vertex: vertex('end', [deep, ...wide]), output: 0 }]);
  assert.equal(nodes.length, 250_002);
  assert.equal(nodes[0]?.vertex, base);
  assert.equal(nodes.at(-1)?.vertex.digest, 'end');
  assert.equal(nodes[0]?.height, 50_002 * (nodes.at(-1)?.height ?? 0));
});

test('vertices of equal digest are one node, and any of them may want no cache', () => {
  const nodes = gatherNodes([
    { vertex: vertex('a', [vertex('b', [])]), output: 0 },
    { vertex: vertex('b', [], true), output: 0 },
  ]);
  assert.deepEqual(
    nodes.map(({ vertex: { digest }, ignoreCache }) => [digest, ignoreCache]),
    [
      ['b', true],
      ['a', false],
    ],
  );
});
