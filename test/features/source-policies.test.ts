// What a client does not allow is not taken in, whoever names it: rules that come with the request, and a client that is asked.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { writeFileSync } from 'node:fs';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type CheckPolicyRequest, type CheckPolicyResponseSchema, PolicyVerifier } from '../../src/api/gen/policy_session_pb.ts';
import { busybox, definition, failure, file, run, solve, source } from '../rig/definitions.ts';
import { offer, OfferingClient } from '../rig/offering-client.ts';
import { Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

let rig: Rig;
let served: Served;

before(async () => {
  rig = Rig.create();
  served = await Served.start(rig);
});
after(async () => {
  await served[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** A client that decides about each source itself. */
function deciding(decide: (question: CheckPolicyRequest) => MessageInitShape<typeof CheckPolicyResponseSchema>): OfferingClient {
  return new OfferingClient(served.socket, [offer(PolicyVerifier.method.checkPolicy, decide)]);
}

const IMAGE = 'docker-image://docker.io/library/busybox:latest';
const deny = (identifier: string) => ({ rules: [{ action: 1, selector: { identifier } }] });

test('rules reach what a Dockerfile adds by itself, not only its images', async () => {
  const policy = rig.path('policy.json');
  writeFileSync(policy, JSON.stringify({ rules: [{ action: 'DENY', selector: { identifier: 'https://denied.invalid/*' } }] }));
  const context = rig.context({ Dockerfile: 'FROM scratch\nADD https://denied.invalid/file /\n' }, 'denied');
  const built = await served.buildx(['build', context], { env: { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: policy } });
  assert.equal(built.code, 1);
  assert.match(built.stderr, /https:\/\/denied\.invalid\/file.* denied by policy/);
});

test('rules match a source however it is written, and a rule about nothing is refused', async () => {
  for (const [identifier, rule] of [
    ['docker-image://busybox', IMAGE],
    ['git://host.invalid/r.git#main:../a/./b', 'git://host.invalid/r.git#main:a/b'],
  ] as const) {
    const { message } = await failure(served.socket, definition(source(identifier)), { sourcePolicy: deny(rule) });
    assert.match(message, /denied by policy/, identifier);
  }
  const { message } = await failure(served.socket, definition(file('/f', 'x')), { sourcePolicy: { rules: [{ action: 1 }] } });
  assert.match(message, /selector/);
});

test('a client that decides is asked about each source, may look at it first, and may put another in its place', async () => {
  const asked: string[] = [];
  using client = deciding(({ source: known, platform }) => {
    const op = known?.source;
    asked.push(`${op?.identifier} ${known?.image === undefined ? 'unknown' : known.image.digest.slice(0, 7)}`);
    if (op?.identifier === 'docker-image://docker.io/library/other:latest')
      return { result: { case: 'decision', value: { action: 2, update: { identifier: IMAGE, attrs: op.attrs } } } };
    if (known?.image === undefined)
      return {
        result: { case: 'request', value: { ...(op !== undefined && { source: op }), ...(platform !== undefined && { platform }) } },
      };
    return { result: { case: 'decision', value: { action: 0 } } };
  });
  await solve(served.socket, definition(run(source('docker-image://other'), 'test -x /bin/busybox')), { sourcePolicySession: client.id });
  assert.deepEqual(asked, ['docker-image://docker.io/library/other:latest unknown', `${IMAGE} unknown`, `${IMAGE} sha256:`]);
});

test('what the client denies is not built, and its reasons come back', async () => {
  using client = deciding(() => ({
    result: { case: 'decision', value: { action: 1, denyMessages: [{ message: 'not on a Monday' }] } },
  }));
  const { message, details } = await failure(served.socket, definition(run(busybox, 'true')), { sourcePolicySession: client.id });
  assert.match(message, /not allowed by policy/);
  assert.match(details.map(({ value }) => Buffer.from(value).toString()).join(), /not on a Monday/);
  // Without the client nobody can allow anything.
  await assert.rejects(solve(served.socket, definition(busybox), { sourcePolicySession: 'gone' }), /no active session/);
});
