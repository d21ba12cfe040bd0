// What a client forbids a build to take in is not taken in, whichever part of the build wants it.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import { fromBinary, type MessageInitShape, create, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { Control } from '../../src/api/gen/control_pb.ts';
import {
  type CheckPolicyRequest,
  CheckPolicyRequestSchema,
  CheckPolicyResponseSchema,
  PolicyVerifier,
} from '../../src/api/gen/policy_session_pb.ts';
import { encodeDefinition } from '../../src/api/llb/encode.ts';
import { decodeBytes, encodeBytes } from '../../src/api/wire/bytes-message.ts';
import { RpcChannel } from '../../src/api/wire/channel.ts';
import { RpcError } from '../../src/api/wire/rpc-error.ts';
import { VertexPool } from '../../src/graph/vertex-pool.ts';
import { Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

let rig: Rig;
let served: Served;
const never = new AbortController().signal;

before(async () => {
  rig = Rig.create();
  served = await Served.start(rig);
});
after(async () => {
  await served[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

const NOWHERE = 'http://127.0.0.1:9/';

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

type Verdict = MessageInitShape<typeof CheckPolicyResponseSchema>['result'];

/** Builds a Dockerfile for a client that decides about each source by `verdict`. */
async function buildVerified(dockerfile: string, verdict: (question: CheckPolicyRequest) => Verdict): Promise<void> {
  const channel = new RpcChannel(connect(served.socket));
  const id = `verifier-${Math.random().toString(36).slice(2)}`;
  const { name, typeName } = { name: PolicyVerifier.method.checkPolicy.name, typeName: PolicyVerifier.typeName };
  const session = channel.stream(`/${Control.typeName}/Session`, never, {
    'x-docker-expose-session-uuid': id,
    'x-docker-expose-session-name': 'verifier',
    'x-docker-expose-session-grpc-method': [`/${typeName}/${name}`],
  });
  const tunnel = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => void session.send(encodeBytes(chunk)).then(() => done(), done),
  });
  tunnel.on('error', () => {});
  void (async () => {
    for await (const bytes of session.messages) tunnel.push(decodeBytes(bytes));
  })().catch(() => {});
  const server = new Server();
  server.addService(
    {
      check: {
        path: `/${typeName}/${name}`,
        requestStream: false,
        responseStream: false,
        requestDeserialize: (bytes: Buffer) => fromBinary(CheckPolicyRequestSchema, bytes),
        requestSerialize: (message: CheckPolicyRequest) => Buffer.from(toBinary(CheckPolicyRequestSchema, message)),
        responseSerialize: (result: Verdict) =>
          Buffer.from(toBinary(CheckPolicyResponseSchema, create(CheckPolicyResponseSchema, { result: result as never }))),
        responseDeserialize: (bytes: Buffer) => fromBinary(CheckPolicyResponseSchema, bytes).result,
      },
    },
    {
      check: (call: { readonly request: CheckPolicyRequest }, answer: (error: null, value: Verdict) => void) =>
        answer(null, verdict(call.request)),
    },
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  injector.injectConnection(tunnel);
  const files = new VertexPool().edge(
    {
      type: 'file',
      actions: [
        {
          input: -1,
          secondaryInput: -1,
          output: 0,
          action: { kind: 'mkfile', path: '/Dockerfile', mode: 0o644, data: dockerfile },
        },
      ],
    },
    [],
    { os: 'linux', architecture: 'amd64' },
    { name: 'the Dockerfile' },
  );
  const definition = encodeDefinition(files);
  try {
    await channel.unary(
      Control.method.solve,
      {
        ref: id,
        session: id,
        sourcePolicySession: id,
        frontend: 'dockerfile.v0',
        frontendInputs: { dockerfile: definition, context: definition },
      },
      AbortSignal.timeout(60_000),
    );
  } finally {
    injector.destroy();
    server.forceShutdown();
    channel.close();
  }
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
  const [tag, pinned] = ['docker-image://docker.io/library/busybox:latest', 'docker-image://docker.io/library/busybox:latest@…'];
  assert.deepEqual(asked, [tag, `${tag} known`, pinned, `${pinned} known`]);
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
