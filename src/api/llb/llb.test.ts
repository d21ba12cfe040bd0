import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { canonicalJson, digestOf } from '../../base/index.ts';
import type { CopyAction, ExecSpec, GraphEdge, OpSpec } from '../engine.ts';
import { type Definition, DefinitionSchema, OpSchema } from '../gen/llb_pb.ts';
import { PolicySchema } from '../gen/policy_pb.ts';
import { applyPolicies } from '../policy.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { decodeDefinition, type DecodeContext } from './decode.ts';
import { encodeDefinition } from './encode.ts';
import { decodeSource, encodeSource } from './source-id.ts';

const linux = { os: 'linux', architecture: 'amd64' } as const;

function vertex(op: OpSpec, inputs: readonly GraphEdge[], name: string): GraphEdge {
  const digest = digestOf(canonicalJson({ op, inputs: inputs.map((input) => [input.vertex.digest, input.output]) }));
  return { vertex: { digest, op, inputs, platform: linux, about: { name } }, output: 0 };
}

const context: DecodeContext = {
  edge: (op, inputs, _platform, about) => vertex(op, inputs, about.name),
  platform: linux,
  nested: () => Promise.reject(new Error('not asked for')),
};

const copy: CopyAction = {
  kind: 'copy',
  src: '/src/*.txt',
  dest: '/dest/',
  owner: { user: { name: 'www', input: 0 }, group: { id: 7 } },
  mode: 'u=rwX,go=rX',
  followSymlink: true,
  dirCopyContents: true,
  attemptUnpack: false,
  createDestPath: true,
  allowWildcard: true,
  allowEmptyWildcard: true,
  timestamp: 1_700_000_000,
  includePatterns: ['a'],
  excludePatterns: ['b'],
  alwaysReplaceExistingDestPaths: false,
  requiredPaths: ['c'],
};

function graph(): GraphEdge {
  const base = vertex(
    { type: 'source', source: { kind: 'image', ref: 'docker.io/library/busybox:latest', platform: linux, resolveMode: 'pull' } },
    [],
    'FROM busybox',
  );
  const local = vertex({ type: 'source', source: { kind: 'local', name: 'context', exclude: ['x'], followPaths: ['ä'] } }, [], 'context');
  const files = vertex(
    {
      type: 'file',
      actions: [
        { input: 0, secondaryInput: 1, output: -1, action: copy },
        { input: 2, secondaryInput: -1, output: -1, action: { kind: 'mkdir', path: '/d', mode: 0o750, makeParents: true } },
        { input: 3, secondaryInput: -1, output: -1, action: { kind: 'mkfile', path: '/f', mode: 0o644, data: '\xff\x00a', timestamp: 0 } },
        { input: 4, secondaryInput: -1, output: -1, action: { kind: 'symlink', path: '/l', target: 'f' } },
        { input: 5, secondaryInput: -1, output: 0, action: { kind: 'rm', path: '/d/*', allowNotFound: true, allowWildcard: true } },
      ],
    },
    [base, local],
    'files',
  );
  const exec: ExecSpec = {
    type: 'exec',
    args: ['/bin/sh', '-c', 'make'],
    env: ['A=1'],
    proxyEnv: { HTTP_PROXY: 'http://p', http_proxy: 'http://p' },
    cwd: '/w',
    user: 'me',
    hostname: 'h',
    network: 'none',
    security: 'insecure',
    extraHosts: [{ host: 'x', ip: '::1' }],
    ulimits: [{ name: 'nofile', soft: 1, hard: -1 }],
    cgroupParent: 'g',
    validExitCodes: [0, 3],
    mounts: [
      { type: 'bind', input: 0, selector: '', dest: '/', output: 0, readonly: false },
      { type: 'bind', input: 1, selector: '/s', dest: '/m', output: -1, readonly: true, contentCache: 'on' },
      { type: 'cache', input: -1, selector: '', dest: '/c', output: -1, readonly: false, cache: { id: 'i', sharing: 'locked' } },
      { type: 'tmpfs', input: -1, selector: '', dest: '/t', output: -1, readonly: false, tmpfs: { size: 4096 } },
      {
        type: 'secret',
        input: -1,
        selector: '',
        dest: '/s',
        output: -1,
        readonly: false,
        secret: { id: 's', uid: 1, gid: 2, mode: 0o440, optional: true },
      },
      {
        type: 'ssh',
        input: -1,
        selector: '',
        dest: '/a',
        output: -1,
        readonly: false,
        ssh: { id: 'default', uid: 0, gid: 0, mode: 0o600, optional: false },
      },
    ],
    secretEnv: [{ id: 'e', name: 'E', optional: false }],
    resources: { memory: 1 << 30, cpuShares: 5 },
  };
  const run = vertex(exec, [files, local], 'RUN make');
  return vertex({ type: 'merge' }, [run, vertex({ type: 'diff' }, [base, run], 'diff')], 'merge');
}

test('a graph survives the way to LLB and back, vertex by vertex', async () => {
  const edge = graph();
  const back = await decodeDefinition(encodeDefinition(edge), context);
  assert.equal(back?.vertex.digest, edge.vertex.digest);
  const names = new Map<string, string>();
  const collect = (one: GraphEdge): void => {
    names.set(one.vertex.digest, one.vertex.about.name);
    one.vertex.inputs.forEach(collect);
  };
  collect(edge);
  const check = (one: GraphEdge): void => {
    assert.equal(one.vertex.about.name, names.get(one.vertex.digest));
    one.vertex.inputs.forEach(check);
  };
  check(back);
});

test('the empty file system has an empty definition', async () => {
  assert.equal(encodeDefinition(undefined).def.length, 0);
  assert.equal(await decodeDefinition(create(DefinitionSchema, {}), context), undefined);
});

test('sources keep what makes them what they are', () => {
  for (const source of [
    {
      kind: 'git',
      remote: 'https://example.com/a.git',
      ref: 'main',
      subdir: 'sub',
      keepGitDir: true,
      submodules: false,
      checksum: 'abc',
      mtime: 'commit',
      authTokenSecret: 'T',
      authHeaderSecret: 'H',
    },
    {
      kind: 'git',
      remote: 'git@example.com:a/b.git',
      keepGitDir: false,
      submodules: true,
      mountSshSock: 'default',
      authTokenSecret: 'T',
      authHeaderSecret: 'H',
    },
    {
      kind: 'http',
      url: 'https://example.com/x?y=z',
      filename: 'x',
      checksum: `sha256:${'0'.repeat(64)}`,
      mode: 0o640,
      uid: 1,
      gid: 2,
      headers: { accept: '*/*' },
    },
    { kind: 'oci-layout', path: 'store', ref: `store@sha256:${'1'.repeat(64)}`, platform: linux, session: 's' },
  ] as const) {
    assert.deepEqual(decodeSource(encodeSource(source), linux), source);
  }
});

/** A definition of these ops and its end. */
function definition(ops: readonly MessageInitShape<typeof OpSchema>[], end: MessageInitShape<typeof OpSchema>): Definition {
  return create(DefinitionSchema, { def: [...ops, end].map((op) => toBinary(OpSchema, create(OpSchema, op))) });
}

function digest(op: MessageInitShape<typeof OpSchema>): string {
  return `sha256:${createHash('sha256')
    .update(toBinary(OpSchema, create(OpSchema, op)))
    .digest('hex')}`;
}

test('malformed definitions are refused', async () => {
  const scratchFile: MessageInitShape<typeof OpSchema> = {
    op: {
      case: 'file',
      value: { actions: [{ input: -1n, secondaryInput: -1n, output: 0n, action: { case: 'rm', value: { path: '/x' } } }] },
    },
  };
  const cases: readonly (readonly [Definition, RegExp])[] = [
    [create(DefinitionSchema, { def: [Buffer.from([0xff, 0xff])] }), /failed to parse/],
    [definition([], { inputs: [{ digest: 'sha256:none', index: 0n }] }), /missing input/],
    [definition([], { op: { case: 'merge', value: {} } }), /does not end/],
    [
      definition([{ op: { case: 'exec', value: {} } }], { inputs: [{ digest: digest({ op: { case: 'exec', value: {} } }), index: 0n }] }),
      /without arguments/,
    ],
    [definition([scratchFile], { inputs: [{ digest: digest(scratchFile), index: -1n }] }), /invalid output index/],
  ];
  for (const [one, message] of cases) {
    await assert.rejects(
      decodeDefinition(one, context),
      (error: unknown) => error instanceof RpcError && message.test(error.message) && error.code === 'invalidArgument',
    );
  }
});

test('numbers of definitions that mean nothing are refused: CVE-2024-23650 (BuildKit), and its later kin', async () => {
  type Op = MessageInitShape<typeof OpSchema>;
  const made = { path: '/d', mode: 0o755, timestamp: -1n };
  const file = (...actions: readonly object[]): Op => ({
    op: {
      case: 'file',
      value: {
        actions: actions.map((one) => ({ input: -1n, secondaryInput: -1n, output: 0n, action: { case: 'mkdir', value: made }, ...one })),
      },
    },
  });
  const exec = (...mounts: readonly object[]): Op => ({
    op: {
      case: 'exec',
      value: { meta: { args: ['x'] }, mounts: mounts.map((one) => ({ input: -1n, dest: '/', output: 0n, ...one })) },
    },
  });
  const other = (name: string, value: object): Op => ({ op: { case: name, value } }) as unknown as Op;
  const byName = { user: { user: { case: 'byName', value: { name: 'x', input: 9n } } } };
  const wrong: Readonly<Record<string, Op>> = {
    'an action on itself': file({ input: 0n }),
    'an action on a later one': file({ input: 1n, output: 1n }, {}),
    'an input that there is not': file({ input: 99n }),
    'an input beyond all numbers': file({ input: 1n << 62n }),
    'an input below none': file({ input: -5n }),
    'a source that there is not': file({ secondaryInput: 7n }),
    'an owner out of an input that there is not': file({ action: { case: 'mkdir', value: { ...made, owner: byName } } }),
    'an output far away': file({ output: 1n << 30n }),
    'an output beyond all numbers': file({ output: 1n << 62n }),
    'an output below none': file({ output: -2n }),
    'no output': file({ output: -1n }),
    'no action': file(),
    'a zero byte': file({ action: { case: 'mkdir', value: { ...made, path: 'a\0b' } } }),
    'a mount of an input that there is not': exec({ input: 3n }),
    'a mount with an output far away': exec({ output: 1n << 30n }),
    'a mount that is nowhere': exec({}, { dest: '..', output: -1n }),
    'two roots': exec({}, { output: 1n }),
    'a merge of what there is not': other('merge', { inputs: [{ input: 5n }, { input: 6n }] }),
    'a difference of what there is not': other('diff', { lower: { input: 5n }, upper: { input: 6n } }),
    'a build of what there is not': other('build', { builder: -1n, inputs: { 'buildkit.llb.definition': { input: 9n } } }),
    'what is passed on and not there': other('passthrough', { outputs: [9n] }),
    'a name for a file that is a path': other('source', { identifier: 'https://x.example/y', attrs: { 'http.filename': '../../x' } }),
    ...Object.fromEntries(
      ['file:///srv/app.git', '/srv/app.git', '../app.git', 'ext::sh -c id', 'fd::0', '--upload-pack=id', '-u@host:x'].map((address) => [
        `a repository at ${address}`,
        other('source', { identifier: 'git://x/y', attrs: { 'git.fullurl': address } }),
      ]),
    ),
  };
  for (const [what, op] of Object.entries(wrong)) {
    const bytes = definition([op], { inputs: [{ digest: digest(op), index: 0n }] });
    await assert.rejects(decodeDefinition(bytes, context), (error) => error instanceof RpcError && error.code === 'invalidArgument', what);
  }
  // One that is sound, or all of these might be refused for something else.
  const sound = file({ output: -1n }, { input: 0n });
  assert.ok(await decodeDefinition(definition([sound], { inputs: [{ digest: digest(sound), index: 0n }] }), context));
  await assert.rejects(decodeDefinition(definition([sound], { inputs: [{ digest: digest(sound), index: 1n }] }), context), RpcError);
});

test('definitions that grow beyond reason as they are read are refused, and deep ones are read', async () => {
  type Op = MessageInitShape<typeof OpSchema>;
  const mkdir = (path: string, ...inputs: readonly Op[]): Op => ({
    inputs: inputs.map((input) => ({ digest: digest(input), index: 0n })),
    op: {
      case: 'file',
      value: {
        actions: [
          {
            input: inputs.length === 0 ? -1n : 0n,
            secondaryInput: -1n,
            output: 0n,
            action: { case: 'mkdir', value: { path, mode: 0o755, timestamp: -1n } },
          },
        ],
      },
    },
  });
  const twice = (op: Op): Op => ({
    inputs: [op, op].map((input) => ({ digest: digest(input), index: 0n })),
    op: { case: 'merge', value: { inputs: [{ input: 0n }, { input: 1n }] } },
  });
  const towers = { deep: [mkdir('/0')], doubled: [mkdir('/0')] };
  for (let height = 1; height < 20_000; height += 1) towers.deep.push(mkdir(`/${height}`, towers.deep.at(-1) as Op));
  for (let height = 1; height < 60; height += 1) towers.doubled.push(twice(towers.doubled.at(-1) as Op));
  for (const [what, ops] of Object.entries(towers)) {
    const edge = await decodeDefinition(definition(ops, { inputs: [{ digest: digest(ops.at(-1) as Op), index: 0n }] }), context);
    assert.ok((edge?.vertex.about.name.length ?? Infinity) < 10_000, what);
    assert.equal(encodeDefinition(edge).def.length, ops.length + 1, what);
  }
  const exec = (meta: object, mounts: number): Op => ({
    op: {
      case: 'exec',
      value: { meta: { args: ['x'], ...meta }, mounts: Array.from({ length: mounts }, (_, at) => ({ input: -1n, dest: `/${at}` })) },
    },
  });
  const much = Array.from({ length: 400_000 }, (_, at) => `VARIABLE${at}=x`);
  const wrong: Readonly<Record<string, Op>> = {
    'more variables than a process can have': exec({ env: much }, 1),
    'more arguments than a process can have': exec({ args: much }, 1),
    'mounts without end': exec({}, 20_000),
    'actions without end': {
      op: { case: 'file', value: { actions: Array.from({ length: 60_000 }, () => ({ input: -1n, secondaryInput: -1n, output: 0n })) } },
    },
  };
  for (const [what, op] of Object.entries(wrong)) {
    const bytes = definition([op], { inputs: [{ digest: digest(op), index: 0n }] });
    await assert.rejects(decodeDefinition(bytes, context), (error) => error instanceof RpcError && /more/.test(error.message), what);
  }
});

test('policies replace and deny sources', () => {
  const policy = create(PolicySchema, {
    rules: [
      {
        action: 2,
        selector: { identifier: 'docker-image://docker.io/library/*:latest' },
        updates: { identifier: 'docker-image://mirror/$1:1' },
      },
      { action: 1, selector: { identifier: '^https://', matchType: 2 } },
    ],
  });
  const image = encodeSource({ kind: 'image', ref: 'docker.io/library/alpine:latest', platform: linux, resolveMode: 'default' });
  assert.equal(applyPolicies([policy], image).identifier, 'docker-image://mirror/alpine:1');
  assert.throws(() => applyPolicies([policy], encodeSource({ kind: 'http', url: 'https://x/', filename: 'x' })), /denied by policy/);
  const circle = create(PolicySchema, {
    rules: [{ action: 2, selector: { identifier: 'docker-image://*' }, updates: { identifier: 'docker-image://a$1' } }],
  });
  assert.throws(() => applyPolicies([circle], image), /too many/);
  // Nothing that a client writes keeps the others waiting.
  for (const [identifier, matchType] of [
    ['docker-image://(.+)+!$', 2],
    [`docker-image://${'*a'.repeat(30)}!`, 0],
  ] as const) {
    const slow = create(PolicySchema, { rules: [{ action: 1, selector: { identifier, matchType } }] });
    const long = encodeSource({ kind: 'image', ref: 'a'.repeat(200), platform: linux, resolveMode: 'default' });
    assert.equal(applyPolicies([slow], long), long);
  }
});
