// The cache as people meet it: what runs again, why, and what another machine need not do.

import assert from 'node:assert/strict';
import { cpSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Files, Rig } from '../rig/rig.ts';

interface Step {
  readonly instruction: string;
  readonly state: string;
  readonly reason?: { readonly cause: string; readonly text: string };
}

interface Built {
  readonly steps: readonly Step[];
  /** `COPY . .: content`, of those that ran. */
  readonly ran: readonly string[];
  readonly digest: string | undefined;
  readonly stderr: string;
}

async function build(rig: Rig, context: string, flags: readonly string[] = []): Promise<Built> {
  const metadata = rig.path('metadata.json');
  const outcome = await rig.slipway(['build', '--metadata-file', metadata, ...flags, context]);
  assert.equal(outcome.code, 0, outcome.stderr);
  const facts = JSON.parse(readFileSync(metadata, 'utf8')) as {
    'slipway.steps': readonly Step[];
    'containerimage.digest'?: string;
  };
  const steps = facts['slipway.steps'];
  const executed = steps.filter(({ state }) => state === 'executed');
  const ran = executed.map(({ instruction, reason }) => `${instruction}: ${reason?.cause ?? '?'}`);
  return { steps, ran, digest: facts['containerimage.digest'], stderr: outcome.stderr };
}

const COMPILE: Files = {
  Dockerfile: `FROM busybox AS build
WORKDIR /src
COPY main.c .
RUN grep -v '^#' main.c > /program
RUN grep '^#' main.c > /comments
FROM busybox
COPY --from=build /program /program
RUN cat /program > /copied
`,
  'main.c': '# first\nint main\n',
};

test('new times and another place execute nothing; a comment executes what reads it, and nothing after the same program', async () => {
  await using rig = Rig.create();
  const context = rig.context(COMPILE);
  const output = ['-o', `type=oci,dest=${rig.path('image.tar')}`];
  const first = await build(rig, context, output);
  utimesSync(join(context, 'main.c'), 1, 1);
  const moved = rig.path('elsewhere');
  cpSync(context, moved, { recursive: true });
  for (const place of [context, moved]) {
    const again = await build(rig, place, output);
    assert.deepEqual(again.ran, []);
    assert.equal(again.digest, first.digest);
  }
  writeFileSync(join(context, 'main.c'), '# second\nint main\n');
  const comment = await build(rig, context, output);
  assert.deepEqual(comment.ran, [
    'COPY main.c .: content',
    "RUN grep -v '^#' main.c > /program: input",
    "RUN grep '^#' main.c > /comments: input",
  ]);
  assert.equal(comment.digest, first.digest);
  await build(rig, context, ['--target', 'build', '-o', `type=local,dest=${rig.path('out')}`]);
  assert.equal(readFileSync(rig.path('out/comments'), 'utf8'), '# second\n');
});

const PROJECT: Files = {
  Dockerfile: `FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
ARG VERSION=1
ENV MODE=fast
WORKDIR /app
USER root
COPY --from=tools /tool /tool
COPY src src
RUN --mount=type=bind,source=extra,target=/extra cat /extra/* > /joined
RUN --mount=type=cache,target=/cache true
RUN <<END
echo $VERSION
END
`,
  '.dockerignore': 'ignored\n',
  'src/a': 'a',
  'src/b': 'b',
  'extra/x': 'x',
};

type Edit = (context: string) => void;

interface Case {
  readonly name: string;
  readonly edit?: Edit;
  readonly flags?: readonly string[];
  /** How the first step that runs begins; undefined: none runs. */
  readonly step?: string;
  readonly cause?: string;
  readonly text?: RegExp;
}

/** Replaces a text in the Dockerfile. */
function replace(from: string, to: string): Edit {
  return (context) => {
    const file = join(context, 'Dockerfile');
    const text = readFileSync(file, 'utf8');
    assert.ok(text.includes(from), from);
    writeFileSync(file, text.replace(from, to));
  };
}

const write =
  (path: string, text: string): Edit =>
  (context) =>
    writeFileSync(join(context, path), text);
const COPY = { step: 'COPY src src', cause: 'content' };
const BIND = 'RUN --mount=type=bind';

const CASES: readonly Case[] = [
  { name: 'content of a file', edit: write('src/a', 'A'), ...COPY, text: /^1 of 2 files changed: src\/a \(content\)$/ },
  { name: 'rename', edit: (c) => renameSync(join(c, 'src/a'), join(c, 'src/c')), ...COPY, text: /src\/a → src\/c \(renamed\)$/ },
  { name: 'new file', edit: write('src/c', 'c'), ...COPY, text: /^1 of 3 files changed: src\/c \(new\)$/ },
  { name: 'removed file', edit: (c) => rmSync(join(c, 'src/b')), ...COPY, text: /^1 of 2 files changed: src\/b \(removed\)$/ },
  { name: 'symlink', edit: (c) => symlinkSync('a', join(c, 'src/l')), ...COPY, text: /src\/l \(new\)$/ },
  {
    name: '.dockerignore',
    edit: write('.dockerignore', 'ignored\nsrc/b\n'),
    step: 'COPY src src',
    cause: 'ignore',
    text: /^\.dockerignore changed: src\/b \(removed\)$/,
  },
  {
    name: 'bind-mounted file',
    edit: write('extra/x', 'X'),
    step: BIND,
    cause: 'content',
    text: /bound at \/extra changed: .*x \(content\)$/,
  },
  {
    name: 'argument by flag',
    flags: ['--build-arg', 'VERSION=2'],
    step: BIND,
    cause: 'argument',
    text: /^ARG VERSION changed: 1 → 2$/,
  },
  {
    name: 'argument by default',
    edit: replace('VERSION=1', 'VERSION=3'),
    step: BIND,
    cause: 'argument',
    text: /^ARG VERSION changed \(its default\): 1 → 3$/,
  },
  { name: 'ENV', edit: replace('MODE=fast', 'MODE=slow'), step: BIND, cause: 'environment', text: /^ENV MODE changed: fast → slow$/ },
  { name: 'USER', edit: replace('USER root', 'USER 0'), step: BIND, cause: 'user', text: /^USER changed: root → 0$/ },
  { name: 'WORKDIR', edit: replace('WORKDIR /app', 'WORKDIR /elsewhere'), step: 'WORKDIR', cause: 'command', text: /\/app.*\/elsewhere/ },
  {
    name: 'SHELL',
    edit: replace('USER root', 'USER root\nSHELL ["/bin/ash", "-c"]'),
    step: BIND,
    cause: 'shell',
    text: /^SHELL changed: \/bin\/sh -c → \/bin\/ash -c$/,
  },
  { name: 'command', edit: replace('> /joined', '>> /joined'), step: BIND, cause: 'command', text: /^the command changed: / },
  {
    name: 'heredoc',
    edit: replace('echo $VERSION', 'echo version $VERSION'),
    step: 'RUN <<END',
    cause: 'heredoc',
    text: /`echo \$VERSION` → `echo version \$VERSION`$/,
  },
  {
    name: 'mount option',
    edit: replace('target=/cache', 'target=/cache,readonly'),
    step: 'RUN --mount=type=cache',
    cause: 'mount',
    text: /\/cache changed$/,
  },
  {
    name: 'command of another stage',
    edit: replace('echo tool', 'echo better'),
    step: 'RUN echo better',
    cause: 'command',
    text: /echo tool/,
  },
  {
    name: 'a stage that is called otherwise',
    edit: (c) => {
      replace('AS tools', 'AS instruments')(c);
      replace('--from=tools', '--from=instruments')(c);
    },
  },
  { name: 'without the cache', flags: ['--no-cache'], step: 'RUN echo tool', cause: 'no-cache', text: /without the cache/ },
];

test('the reason names the true cause and nothing else', async (t) => {
  for (const { name, edit, flags = [], step, cause, text = /^/ } of CASES) {
    await t.test(name, async () => {
      await using rig = Rig.create();
      const context = rig.context(PROJECT);
      await build(rig, context);
      edit?.(context);
      const { steps, ran } = await build(rig, context, flags);
      if (step === undefined) return assert.deepEqual(ran, []);
      const first = steps.find(({ state }) => state === 'executed');
      assert.ok(first, 'nothing ran');
      assert.ok(first.instruction.startsWith(step), `expected ${step} to run first, got ${ran.join(', ')}`);
      assert.equal(first.reason?.cause, cause, first.reason?.text);
      assert.match(first.reason?.text ?? '', text);
    });
  }
});

test('instructions in another order, a pruned store, a failed run', async () => {
  await using rig = Rig.create();
  const dockerfile = (...lines: readonly string[]): Files => ({ Dockerfile: ['FROM busybox', ...lines, ''].join('\n') });
  await build(rig, rig.context(dockerfile('RUN echo a > /a', 'RUN echo b > /b')));
  const swapped = rig.context(dockerfile('RUN echo b > /b', 'RUN echo a > /a'));
  assert.deepEqual((await build(rig, swapped)).ran, ['RUN echo b > /b: order', 'RUN echo a > /a: input']);
  assert.equal((await rig.slipway(['prune', '--force'])).code, 0);
  assert.deepEqual((await build(rig, swapped)).ran, ['RUN echo b > /b: pruned', 'RUN echo a > /a: pruned']);

  const secret = rig.context(dockerfile('RUN --mount=type=secret,id=key,required=true cat /run/secrets/key'), 'secret');
  assert.equal((await rig.slipway(['build', secret])).code, 1);
  writeFileSync(rig.path('key'), 'k');
  const { steps } = await build(rig, secret, ['--secret', `id=key,src=${rig.path('key')}`]);
  assert.equal(steps.find(({ state }) => state === 'executed')?.reason?.cause, 'failed');
});

test('a base that moved is in the image, also when the step after it changes the same', async () => {
  await using rig = Rig.create();
  const ref = `${rig.registry}/moving/base:${process.pid}`;
  const push = async (text: string): Promise<void> => {
    const base = rig.context({ Dockerfile: `FROM busybox\nRUN echo ${text} > /release\n` }, `base-${text}`);
    await build(rig, base, ['-o', `type=registry,name=${ref},registry.insecure=true`]);
  };
  const context = rig.context({ Dockerfile: `FROM ${ref}\nRUN echo app >> /etc/apps\n` });
  const flags = ['--pull', '-o', `type=local,dest=${rig.path('out')}`];
  await push('one');
  await build(rig, context, flags);
  await push('two');
  assert.deepEqual((await build(rig, context, flags)).ran, ['RUN echo app >> /etc/apps: base']);
  assert.equal(readFileSync(rig.path('out/release'), 'utf8'), 'two\n');
});

test('a stage that is not deterministic: two copies from it are of one run', async () => {
  await using rig = Rig.create();
  const dockerfile = (path: string): Files => ({
    Dockerfile: `FROM busybox AS random
RUN cat /proc/sys/kernel/random/uuid | tee /one /two > /three
FROM scratch
COPY --from=random /one /one
COPY --from=random ${path} /other
`,
  });
  const cache = rig.path('cache');
  const image = ['-o', `type=oci,dest=${rig.path('image.tar')}`];
  await build(rig, rig.context(dockerfile('/two')), [...image, '--cache-to', `type=local,dest=${cache}`]);
  rmSync(rig.store, { recursive: true });
  // The first copy is remembered, the second one needs bytes that nobody shipped: the stage runs again, for both.
  const flags = ['--cache-from', `type=local,src=${cache}`, '-o', `type=local,dest=${rig.path('out')}`];
  const again = await build(rig, rig.context(dockerfile('/three')), flags);
  assert.ok(
    again.ran.some((step) => step.endsWith(': bytes-absent')),
    again.ran.join(),
  );
  assert.equal(readFileSync(rig.path('out/one'), 'utf8'), readFileSync(rig.path('out/other'), 'utf8'));
});

test('mode=min in a registry: an empty store executes nothing, and nothing of the build stage is fetched', async () => {
  await using rig = Rig.create();
  const context = rig.context(COMPILE);
  const name = `shared/min-${process.pid}`;
  const ref = `${rig.registry}/${name}:cache`;
  const output = ['-o', `type=oci,dest=${rig.path('image.tar')}`];
  const first = await build(rig, context, [...output, '--cache-to', `type=registry,ref=${ref}`]);
  const manifest = JSON.parse(await fetchManifest(rig.registry, name, 'cache')) as { readonly layers: readonly unknown[] };
  assert.equal(manifest.layers.length, 2, 'COPY and RUN of the last stage are shipped');
  rmSync(rig.store, { recursive: true });
  const before = rig.registryLog().length;
  const again = await build(rig, context, [...output, '--cache-from', `type=registry,ref=${ref}`]);
  assert.deepEqual(again.ran, []);
  assert.equal(again.digest, first.digest);
  const fetched =
    rig
      .registryLog()
      .slice(before)
      .match(new RegExp(`GET /v2/${name}/blobs/sha256:[a-f0-9]{64}`, 'g')) ?? [];
  assert.ok(new Set(fetched).size <= 3, 'the document, and the two layers for the archive');
});

test('mode=max: after a change of one file only what depends on it executes', async () => {
  await using rig = Rig.create();
  const cache = rig.path('cache');
  const files: Files = {
    Dockerfile: `FROM busybox AS a
COPY a /a
RUN cat /a > /made
FROM busybox AS b
COPY b /b
RUN cat /b > /made
FROM scratch
COPY --from=a /made /a
COPY --from=b /made /b
`,
    a: 'a',
    b: 'b',
  };
  await build(rig, rig.context(files), ['--cache-to', `type=local,dest=${cache},mode=max`]);
  rmSync(rig.store, { recursive: true });
  const flags = ['--cache-from', `type=local,src=${cache}`, '-o', `type=local,dest=${rig.path('out')}`];
  const changed = await build(rig, rig.context({ ...files, b: 'B' }), flags);
  assert.deepEqual(
    changed.ran.map((step) => step.replace(/: [a-z-]+$/, '')),
    ['COPY b /b', 'RUN cat /b > /made', 'COPY --from=b /made /b'],
  );
  assert.equal(readFileSync(rig.path('out/a'), 'utf8') + readFileSync(rig.path('out/b'), 'utf8'), 'aB');
});

test('type=inline: the image is its own cache', async () => {
  await using rig = Rig.create();
  const ref = `${rig.registry}/shared/inline-${process.pid}:1`;
  const context = rig.context(COMPILE);
  const push = ['-o', `type=registry,name=${ref}`, '--cache-to', 'type=inline'];
  const first = await build(rig, context, push);
  rmSync(rig.store, { recursive: true });
  const again = await build(rig, context, [...push, '--cache-from', `type=registry,ref=${ref}`]);
  assert.deepEqual(again.ran, []);
  assert.equal(again.digest, first.digest);
});

test('an import that fails is a warning, and is told with the steps that run', async () => {
  await using rig = Rig.create();
  const built = await build(rig, rig.context(COMPILE), ['--cache-from', `type=local,src=${rig.path('nowhere')}`]);
  assert.match(built.stderr, /there is no cache at folder/);
  assert.ok(
    built.ran.every((step) => step.endsWith(': import-failed')),
    built.ran.join(),
  );
});

function fetchManifest(host: string, name: string, tag: string): Promise<string> {
  const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' };
  return new Promise((resolve, reject) => {
    get(`http://${host}/v2/${name}/manifests/${tag}`, { headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
