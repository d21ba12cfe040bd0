// History and layers: which time an entry has.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GraphEdge, GraphHistory } from '../graph/index.ts';
import type { HistoryEntry } from '../oci/index.ts';
import type { Layer, RootFS } from '../snapshot/index.ts';
import { finishConfig, lineUp } from './line-up.ts';

const edge = {} as GraphEdge;
const root = { layers: [{ createdAt: Date.parse('2024-05-05T00:00:00Z') } as Layer] } as unknown as RootFS;

function timeOf(entry: HistoryEntry, epoch: number | undefined): string | undefined {
  const history = [{ entry, output: edge }] as unknown as GraphHistory[];
  return lineUp(history, root, 0, () => root, epoch, undefined, undefined).history[0]?.created;
}

test('a layer that was made before the time that a build was given has that time all the same', () => {
  const later = '2025-01-01T00:00:00Z';
  const seconds = Date.parse(later) / 1000;
  assert.equal(timeOf({ created_by: 'RUN x', created: later }, seconds), later);
  assert.equal(
    timeOf({ created_by: 'RUN x', created: later }, seconds - 3600),
    '2024-12-31T23:00:00Z',
    'an output may have an earlier one',
  );
  assert.equal(timeOf({ created_by: 'RUN x' }, seconds), '2024-05-05T00:00:00Z');
  assert.equal(timeOf({ created_by: 'RUN x' }, undefined), '2024-05-05T00:00:00Z');
});

test('an image without layers has no time, so that it is the same whenever it is built', () => {
  const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } } as const;
  const history = [{ created_by: 'LABEL a=1', empty_layer: true }];
  assert.equal('created' in finishConfig(config, history, []), false);
  const own = [{ entry: history[0], output: undefined }] as unknown as GraphHistory[];
  const dated = lineUp(own, undefined, 0, () => root, 1_000_000_000, undefined, undefined);
  assert.equal(finishConfig(config, dated.history, []).created, '2001-09-09T01:46:40Z');
  const base = { entry: { created: '2024-01-01T00:00:00Z', empty_layer: true }, output: 'base' } as unknown as GraphHistory;
  const onBase = lineUp([base, ...own], undefined, 0, () => root, 1_000_000_000, undefined, undefined);
  assert.deepEqual(
    onBase.history.map(({ created }) => created),
    ['2024-01-01T00:00:00Z', '2001-09-09T01:46:40Z'],
  );
});
