import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type SourceOp, SourceOpSchema } from './gen/llb_pb.ts';
import { PolicySchema } from './gen/policy_pb.ts';
import { type CheckPolicyRequestSchema, type CheckPolicyResponse, CheckPolicyResponseSchema } from './gen/policy_session_pb.ts';
import { admitSource } from './policy-verifier.ts';
import { hasDetail, RpcError } from './wire/rpc-error.ts';

const linux = { os: 'linux', architecture: 'amd64' };
const busybox = create(SourceOpSchema, { identifier: 'docker-image://docker.io/library/busybox:latest' });

type Question = MessageInitShape<typeof CheckPolicyRequestSchema>;
type Answer = MessageInitShape<typeof CheckPolicyResponseSchema>['result'];

/** A verifier that answers by `say`; what it looks up is an image. */
function verifier(say: (question: Question) => Answer): Parameters<typeof admitSource>[3] {
  return {
    ask: (question): Promise<CheckPolicyResponse> => Promise.resolve(create(CheckPolicyResponseSchema, { result: say(question) as never })),
    lookUp: ({ source }) => Promise.resolve({ ...(source !== undefined && { source }), image: { digest: 'sha256:a' } }),
  };
}

const decide = (action: number, update?: SourceOp): Answer => ({
  case: 'decision',
  value: { action, ...(update !== undefined && { update }), denyMessages: action === 1 ? [{ message: 'not today' }] : [] },
});

test('a verifier is told what is known of a source, gets what it asks for, and decides', async () => {
  const told: (string | undefined)[] = [];
  const admitted = await admitSource(
    busybox,
    linux,
    [],
    verifier(({ platform, source }) => {
      assert.equal(platform?.architecture, 'amd64');
      told.push(source?.image?.digest);
      return source?.image === undefined ? { case: 'request', value: { source: busybox } } : decide(0);
    }),
  );
  assert.equal(admitted, busybox);
  assert.deepEqual(told, [undefined, 'sha256:a']);
});

test('what a verifier denies is refused with its words, whatever the number of its action', async () => {
  for (const action of [1, 7]) {
    await assert.rejects(
      admitSource(
        busybox,
        linux,
        [],
        verifier(() => decide(action)),
      ),
      (error) =>
        error instanceof RpcError &&
        /busybox:latest" not allowed by policy: action (DENY|7)/.test(error.message) &&
        hasDetail(error, 'policysession.DecisionResponse') === (action === 1),
    );
  }
});

test('what a verifier puts in the place of a source is put to the rules and to the verifier', async () => {
  const alpine = create(SourceOpSchema, { identifier: 'docker-image://docker.io/library/alpine:latest' });
  const swap = verifier(({ source }) => (source?.source?.identifier === busybox.identifier ? decide(2, alpine) : decide(0)));
  assert.equal((await admitSource(busybox, linux, [], swap)).identifier, alpine.identifier);
  const rules = create(PolicySchema, { rules: [{ action: 1, selector: { identifier: alpine.identifier } }] });
  await assert.rejects(admitSource(busybox, linux, [rules], swap), /denied by policy/);
});

test('a verifier that never decides, or asks for another source, admits nothing', async () => {
  const other = create(SourceOpSchema, { identifier: busybox.identifier, attrs: { 'image.resolvemode': 'local' } });
  const answers: readonly (readonly [Answer, RegExp])[] = [
    [{ case: 'request', value: { source: busybox } }, /too many policy requests/],
    [decide(2, busybox), /too many policy requests/],
    [decide(2), /convert action requires/],
    [{ case: 'request', value: { source: { identifier: 'docker-image://x' } } }, /different source identifier/],
    [{ case: 'request', value: { source: other } }, /different source attrs/],
    [{ case: undefined }, /no decision/],
  ];
  for (const [answer, message] of answers) {
    await assert.rejects(
      admitSource(
        busybox,
        linux,
        [],
        verifier(() => answer),
      ),
      message,
    );
  }
});
