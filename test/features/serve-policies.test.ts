// What a client forbids a build to take in is not taken in, whichever part of the build wants it.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type CheckPolicyRequest, type CheckPolicyResponseSchema, PolicyVerifier } from '../../src/api/gen/policy_session_pb.ts';
import { RpcError } from '../../src/api/wire/rpc-error.ts';
import { busybox, definition, failure, file, run, solve, solveWith, source } from '../rig/definitions.ts';
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

const NOWHERE = 'http://127.0.0.1:9/';
const BUSYBOX = 'docker-image://docker.io/library/busybox:latest';

/** buildx with a file of rules. What it says when it fails. */
async function refused(rules: readonly object[], dockerfile: string, ...args: string[]): Promise<string> {
  const policy = rig.path('policy.json');
  writeFileSync(policy, JSON.stringify({ rules }));
  const context = rig.context({ Dockerfile: dockerfile });
  const { code, stderr } = await served.buildx(['build', ...args, ...(args.includes('-') ? [] : [context])], {
    env: { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: policy },
    ...(args.includes('-') && { input: dockerfile }),
  });
  assert.notEqual(code, 0, 'it was built');
  return stderr;
}

test('rules hold for what a Dockerfile adds, for contexts and for scanners', async () => {
  const deny = (identifier: string): object => ({ action: 'DENY', selector: { identifier } });
  const added = await refused([deny(`${NOWHERE}*`)], `FROM busybox\nADD ${NOWHERE}file /\n`);
  assert.match(added, /127\.0\.0\.1:9\/file" denied by policy/);
  assert.match(added, />>> ADD/);
  const git = 'git://127.0.0.1:9/some.git';
  assert.match(await refused([deny(git)], `FROM busybox\nADD ${NOWHERE}some.git /\n`), /some\.git" denied by policy/);
  const named = ['--build-context', `extra=${NOWHERE}file.tar`];
  assert.match(await refused([deny(`${NOWHERE}*`)], 'FROM busybox\nCOPY --from=extra / /\n', ...named), /file\.tar" denied by policy/);
  const scanner = ['--attest', 'type=sbom,generator=example.org/scanner:1', '--output', `type=oci,dest=${rig.path('scanned.tar')}`];
  assert.match(await refused([deny('docker-image://example.org/*')], 'FROM busybox\n', ...scanner), /scanner:1" denied by policy/);
  assert.match(await refused([deny('docker-image://*busybox:*')], 'FROM busybox\n'), /busybox:latest" denied by policy/);
});

test('rules put another in the place of what a Dockerfile adds', async () => {
  const convert = { action: 'CONVERT', selector: { identifier: `${NOWHERE}old` }, updates: { identifier: `${NOWHERE}new` } };
  const said = await refused(
    [convert, { action: 'DENY', selector: { identifier: `${NOWHERE}new` } }],
    `FROM scratch\nADD ${NOWHERE}old /\n`,
  );
  assert.match(said, /127\.0\.0\.1:9\/new" denied by policy/);
});

test('rules match a source however it is written, and a rule about nothing is refused', async () => {
  const deny = (identifier: string) => ({ rules: [{ action: 1, selector: { identifier } }] });
  for (const [identifier, rule] of [
    ['docker-image://busybox', BUSYBOX],
    ['git://host.invalid/r.git#main:../a/./b', 'git://host.invalid/r.git#main:a/b'],
  ] as const) {
    const { message } = await failure(served.socket, definition(source(identifier)), { sourcePolicy: deny(rule) });
    assert.match(message, /denied by policy/, identifier);
  }
  const { message } = await failure(served.socket, definition(file('/f', 'x')), { sourcePolicy: { rules: [{ action: 1 }] } });
  assert.match(message, /selector/);
});

type Verdict = NonNullable<MessageInitShape<typeof CheckPolicyResponseSchema>['result']>;

/** A client that decides about each source by `verdict`. */
function deciding(verdict: (question: CheckPolicyRequest) => Verdict): OfferingClient {
  return new OfferingClient(served.socket, [offer(PolicyVerifier.method.checkPolicy, (question) => ({ result: verdict(question) }))]);
}

/** Builds a Dockerfile for such a client. */
async function buildVerified(dockerfile: string, verdict: (question: CheckPolicyRequest) => Verdict): Promise<void> {
  using client = deciding(verdict);
  const folder = definition(file('/Dockerfile', dockerfile));
  const inputs = { dockerfile: folder, context: folder };
  await solveWith(served.socket, { sourcePolicySession: client.id, frontend: 'dockerfile.v0', frontendInputs: inputs });
}

const ALLOW: Verdict = { case: 'decision', value: { action: 0 } };

test('a client that decides about each source is asked about all of them, and told what it wants to know', async () => {
  const asked: string[] = [];
  await buildVerified('FROM busybox\nRUN true\n', ({ source }) => {
    const { identifier, attrs } = source?.source ?? { identifier: '', attrs: {} };
    asked.push(`${identifier.replace(/@sha256:.*/, '@…')}${source?.image === undefined ? '' : ' known'}`);
    if (source?.image !== undefined) assert.match(source.image.digest, /^sha256:/);
    return source?.image === undefined ? { case: 'request', value: { source: { identifier, attrs } } } : ALLOW;
  });
  assert.deepEqual(asked, [BUSYBOX, `${BUSYBOX} known`, `${BUSYBOX}@…`, `${BUSYBOX}@… known`]);
});

test('what it denies is not taken in, and its reason is told', async () => {
  const denied = (wanted: RegExp): ((question: CheckPolicyRequest) => Verdict) => {
    const deny: Verdict = { case: 'decision', value: { action: 1, denyMessages: [{ message: 'not today' }] } };
    return ({ source }) => (wanted.test(source?.source?.identifier ?? '') ? deny : ALLOW);
  };
  const refusal = (error: unknown): boolean =>
    error instanceof RpcError &&
    /not allowed by policy/.test(error.message) &&
    JSON.stringify(error.details.map(({ value }) => Buffer.from(value).toString())).includes('not today');
  await assert.rejects(buildVerified('FROM busybox\n', denied(/^docker-image/)), refusal);
  await assert.rejects(buildVerified(`FROM busybox\nADD ${NOWHERE}file /\n`, denied(/^http/)), refusal);
  await assert.rejects(buildVerified('# syntax=example.org/frontend\nFROM busybox\n', denied(/frontend/)), refusal);
});

test('it may put another in the place of a source of a definition', async () => {
  const asked: string[] = [];
  using client = deciding(({ source: known }) => {
    const { identifier, attrs } = known?.source ?? { identifier: '', attrs: {} };
    asked.push(identifier);
    return /other/.test(identifier) ? { case: 'decision', value: { action: 2, update: { identifier: BUSYBOX, attrs } } } : ALLOW;
  });
  await solve(served.socket, definition(run(source('docker-image://other'), 'test -x /bin/busybox')), { sourcePolicySession: client.id });
  assert.deepEqual(asked, ['docker-image://docker.io/library/other:latest', BUSYBOX]);
});

test('without the client that decides nothing is allowed', async () => {
  await assert.rejects(solve(served.socket, definition(busybox), { sourcePolicySession: 'gone' }), /no active session/);
});
