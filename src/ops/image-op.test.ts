// An image as a vertex: what is fetched later is shown as the base's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, type ProgressEvent } from '../base/index.ts';
import type { DiffID } from '../base/index.ts';
import type { ImageSource } from '../graph/index.ts';
import { OCI, parsePlatform } from '../oci/index.ts';
import type { LayerStore, RemoteBlob } from '../snapshot/index.ts';
import { createImageOp } from './image-op.ts';
import { job } from './test-deps.ts';

test('a layer that a later step fetches is reported as the base’s, with how much of it is here', async () => {
  const bytes = Buffer.from('compressed layer');
  const digest = digestOf(bytes);
  let opened = 0;
  const blob: RemoteBlob = {
    descriptor: { mediaType: OCI.layerGzip, digest, size: bytes.length },
    open: () => {
      opened += 1;
      return Promise.resolve(
        (async function* () {
          yield bytes.subarray(0, 4);
          yield bytes.subarray(4);
        })(),
      );
    },
  };
  const known: RemoteBlob[] = [];
  const layers = { addRemote: (_: DiffID, remote: RemoteBlob) => known.push(remote) } as unknown as LayerStore;
  const source = { kind: 'image', ref: 'docker.io/library/x:latest' } as ImageSource;
  const image = { platform: parsePlatform('linux/amd64'), diffIds: [digestOf('tar') as DiffID], blobs: [blob] };
  await createImageOp('base', source, layers, () => Promise.resolve(image)).exec([], job);
  assert.equal(opened, 0, 'nothing is fetched before somebody asks');
  const events: ProgressEvent[] = [];
  let time = 0;
  const step = { ...job, progress: (event: ProgressEvent) => void events.push(event), now: () => new Date((time += 200)) };
  const read: Uint8Array[] = [];
  for await (const chunk of await (known[0] as RemoteBlob).open(step)) read.push(chunk);
  assert.deepEqual(Buffer.concat(read), bytes);
  assert.deepEqual(
    events.map((event) => event.type === 'status' && [event.id, event.status, event.current, event.total, event.done]),
    [
      ['base', digest, 4, 16, false],
      ['base', digest, 16, 16, false],
      ['base', digest, 16, 16, true],
    ],
  );
});
