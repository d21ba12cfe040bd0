import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { OCI } from '../../oci/index.ts';
import { BuildHistoryRecordSchema, BuildResultInfoSchema, DescriptorSchema } from '../gen/control_pb.ts';
import { BuildHistory, type HistoryLimits } from './history.ts';

const HOUR = 3600_000;

/** Completes builds `0`…`count - 1`, an hour apart, the last one now. Build 1 is pinned. Returns what is remembered at the end. */
function remembered(t: { after: (fn: () => void) => void }, count: number, limits: HistoryLimits): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-history-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const history = new BuildHistory(folder, join(folder, 'running'), () => new Date(), limits);
  const records = join(folder, 'records');
  for (let index = 0; index < count; index += 1) {
    for (const file of readdirSync(records)) {
      // An hour passes.
      const at = ages.get(file) ?? 0;
      ages.set(file, at + HOUR);
      const then = (Date.now() - (at + HOUR)) / 1000;
      utimesSync(join(records, file), then, then);
    }
    const logs = create(DescriptorSchema, history.blobs.put(Buffer.from(`log ${index}`), 'text/plain'));
    history.complete(create(BuildHistoryRecordSchema, { ref: String(index), logs, pinned: index === 1 }));
  }
  const refs = Array.from({ length: count }, (_, index) => String(index)).filter((ref) => history.find(ref) !== undefined);
  assert.equal(readdirSync(join(folder, 'blobs')).length, refs.length, 'a forgotten build takes its log along');
  return refs;
}

test('the parts of an index stay as long as it does', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-history-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const history = new BuildHistory(folder, join(folder, 'running'), () => new Date(), {});
  const { blobs } = history;
  const part = blobs.put(Buffer.from('{}'), '');
  const index = blobs.put(Buffer.from(JSON.stringify({ manifests: [part].map(({ digest }) => ({ digest })) })), OCI.index);
  const result = create(BuildResultInfoSchema, { results: { 0: create(DescriptorSchema, index) } });
  history.complete(create(BuildHistoryRecordSchema, { ref: 'kept', result }));
  history.complete(create(BuildHistoryRecordSchema, { ref: 'gone' }));
  history.delete('gone');
  assert.ok(blobs.find(part.digest));
  history.delete('kept');
  assert.equal(blobs.find(part.digest), undefined);
});

const ages = new Map<string, number>();

test('a build is forgotten once it is neither among the newest nor young enough, unless it is pinned', (t) => {
  ages.clear();
  assert.deepEqual(remembered(t, 6, { maxEntries: 2, maxAgeMs: 2.5 * HOUR }), ['1', '3', '4', '5']);
  ages.clear();
  assert.deepEqual(remembered(t, 4, { maxEntries: 3, maxAgeMs: 0 }), ['1', '2', '3']);
  ages.clear();
  assert.deepEqual(remembered(t, 4, {}), ['0', '1', '2', '3']);
});
