import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { digestOf } from '../base/index.ts';
import { encodeBlocks } from './block-map.ts';
import { type BlockPipeline, type CompressedBlob, openPipeline, type PipelineOptions } from './block-pipeline.ts';
import { sha256Of } from './sha256.ts';
import { testFolder } from './testing.ts';

const root = testFolder();
const GROUPS = 60;
const GZIP = { codec: 'gzip', reproducible: false } as const;
let count = 0;

/** Sixty groups of texts; those of `changed` say something else. */
function feed(pipeline: BlockPipeline, changed: readonly number[] = []): void {
  for (let at = 0; at < GROUPS; at += 1) {
    const text = Buffer.alloc(90_000 + at, `group ${at}${changed.includes(at) ? ' changed' : ''}, `);
    const key = Buffer.from(sha256Of(text).slice(7), 'hex');
    // Of every fifth group the sink is not asked whether it knows it.
    if (at % 5 > 0 && pipeline.endUnread(text.length, key, [text.subarray(0, 10), text.subarray(10)])) continue;
    text.copy(pipeline.begin());
    pipeline.end(text.length, key);
  }
}

async function make(
  options: Partial<PipelineOptions>,
  changed: readonly number[] = [],
): Promise<CompressedBlob & { readonly path: string }> {
  const path = `${root}/${(count += 1)}`;
  const output = openSync(path, 'w');
  try {
    using pipeline = await openPipeline({ choice: GZIP, workers: 1, output, ...options });
    feed(pipeline, changed);
    return { ...pipeline.finish(), path };
  } finally {
    closeSync(output);
  }
}

const reuseOf = (blob: { readonly path: string; readonly blocks: CompressedBlob['blocks'] }): NonNullable<PipelineOptions['reuse']> => [
  { blob: blob.path, blocks: encodeBlocks(blob.blocks) },
];

test('a thread that copies known blocks writes what this one would have written', async () => {
  const old = await make({ workers: 0 });
  for (const changed of [[], [0], [3, 4, 5, 40], [GROUPS - 1], Array.from({ length: GROUPS }, (_, at) => at)]) {
    const anew = await make({ workers: 0 }, changed);
    const taken = await make({ reuse: reuseOf(old) }, changed);
    assert.equal(taken.reused, GROUPS - changed.length);
    assert.equal(taken.digest, anew.digest);
    assert.equal(taken.diffID, anew.diffID);
    assert.equal(taken.size, statSync(taken.path).size);
    assert.deepEqual(taken.blocks, anew.blocks);
    const bytes = readFileSync(taken.path);
    assert.equal(digestOf(bytes), taken.digest);
    assert.equal(digestOf(gunzipSync(bytes)), taken.diffID);
  }
});

test('what such a thread cannot write is told with its code', async () => {
  const old = await make({ workers: 0 });
  const output = openSync(old.path, 'r');
  try {
    await assert.rejects(make({ reuse: reuseOf(old), output }), { code: 'EBADF' });
  } finally {
    closeSync(output);
  }
});

test('after a pipeline was given up nothing more is written', async () => {
  const old = await make({ workers: 0 });
  const path = `${root}/given-up`;
  const output = openSync(path, 'w');
  {
    using pipeline = await openPipeline({ choice: GZIP, workers: 1, output, reuse: reuseOf(old) });
    feed(pipeline);
    while (statSync(path).size === 0) await setTimeout(5);
  }
  const { size } = statSync(path);
  assert.ok(size > 0 && size <= old.size);
  await setTimeout(200);
  assert.equal(statSync(path).size, size);
  closeSync(output);
});
