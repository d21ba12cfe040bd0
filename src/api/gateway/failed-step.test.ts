import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { VertexPool } from '../../graph/vertex-pool.ts';
import { noteVertex } from '../failure.ts';
import { OpSchema } from '../gen/llb_pb.ts';
import { encodeGraph } from '../llb/encode.ts';
import { detailOf, RpcError } from '../wire/rpc-error.ts';
import { withFailedStep } from './failed-step.ts';

const linux = { os: 'linux', architecture: 'amd64' };

test('a file operation that failed is told as it is in the definition, and its inputs with it', () => {
  const pool = new VertexPool();
  const image = pool.edge(
    { type: 'source', source: { kind: 'image', ref: 'docker.io/library/busybox:latest', platform: linux, resolveMode: 'default' } },
    [],
    linux,
    { name: 'FROM busybox' },
  );
  const removed = pool.edge(
    {
      type: 'file',
      actions: [
        { input: 0, secondaryInput: -1, output: 0, action: { kind: 'rm', path: '/gone', allowNotFound: false, allowWildcard: false } },
      ],
    },
    [image],
    linux,
    { name: 'rm' },
  );
  const above = pool.edge({ type: 'merge' }, [removed, image], linux, { name: 'merge' });
  const failure = new Error('not there');
  noteVertex(failure, removed.vertex.digest);
  const told = withFailedStep(
    failure,
    [above],
    () => 'an id',
    () => undefined,
  );
  assert.ok(told instanceof RpcError);
  const { inputIDs, op } = detailOf(told, 'errdefs.Solve') as { readonly inputIDs: string[]; readonly op: JsonValue };
  assert.deepEqual(inputIDs, ['an id']);
  const { platform, op: work, inputs } = fromJson(OpSchema, op);
  assert.equal(platform, undefined);
  assert.equal(work.case === 'file' && work.value.actions[0]?.action.case, 'rm');
  const { definition, digests } = encodeGraph(above);
  assert.deepEqual(
    inputs.map(({ digest }) => digest),
    [digests.get(image.vertex)],
  );
  // As Go writes the message: what the operation does stands behind its constraints (`5a00`).
  const bytes = definition.def.find(
    (one) => `sha256:${createHash('sha256').update(one).digest('hex')}` === digests.get(removed.vertex),
  ) as Uint8Array;
  assert.match(Buffer.from(bytes).toString('hex'), /5a0022[0-9a-f]+$/);
  assert.equal(toBinary(OpSchema, fromJson(OpSchema, op)).length, bytes.length);
});
