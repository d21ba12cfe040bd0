// The cache as people meet it: what runs again, why, and what another machine need not do.

import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
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

test('a whole project of many files is looked at again: nothing runs, then what a changed file is for', async () => {
  await using rig = Rig.create();
  const many = Object.fromEntries(Array.from({ length: 1600 }, (_, index) => [`modules/m${index % 20}/${index}.js`, `${index}\n`]));
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY . /app/\nCOPY main.js /\n', 'main.js': '1\n', ...many });
  const ran: (readonly string[])[] = [];
  for (const change of ['', '', 'modules/m3/3.js', 'main.js']) {
    if (change !== '') writeFileSync(join(context, change), 'changed\n');
    ran.push((await build(rig, context)).ran);
  }
  assert.deepEqual(ran.slice(1), [
    [],
    ['COPY . /app/: content', 'COPY main.js /: input'],
    ['COPY . /app/: content', 'COPY main.js /: content'],
  ]);
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

test('a copied file is that file alone, whatever it was copied from the first time', async () => {
  await using rig = Rig.create();
  const files = { f: 'f\n', g: 'g\n' };
  const names = async (dockerfile: string): Promise<string[]> => {
    const out = rig.path(`out-${dockerfile.length}`);
    await build(rig, rig.context({ ...files, Dockerfile: dockerfile }, `context-${dockerfile.length}`), ['-o', `type=local,dest=${out}`]);
    return readdirSync(out);
  };
  assert.deepEqual(await names('FROM scratch AS a\nCOPY f /f\nFROM scratch\nCOPY --from=a /f /\n'), ['f']);
  assert.deepEqual(await names('FROM scratch AS a\nCOPY f /f\nCOPY g /\nFROM scratch\nCOPY --from=a /f /\n'), ['f']);
  assert.deepEqual(await names('FROM scratch\nCOPY f /\n'), ['f']);
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

test('a base is fetched once, whatever looks into it and however many outputs take it', async () => {
  await using rig = Rig.create();
  const base = await rig.ownBase('busybox');
  const oci = ['-o', `type=oci,dest=${rig.path('i.tar')}`];
  const several = [
    ...oci,
    '-o',
    `type=docker,dest=${rig.path('d.tar')}`,
    '-o',
    `type=registry,name=${rig.registry}/shared/once:${process.pid}`,
  ];
  for (const [name, instructions, output] of [
    ['its links for a COPY, its folder for a RUN', 'COPY f /f\nRUN true\n', oci],
    ['its links for a COPY, its blob for the output', 'COPY f /f\n', oci],
    ['a file of it, then a RUN', `COPY --from=${base.name} /etc/passwd /p\nRUN true\n`, oci],
    ['three images', 'LABEL a=b\n', several],
    ['an image and its files', 'LABEL a=b\n', [...oci, '-o', `type=tar,dest=${rig.path('files.tar')}`]],
    ['two stages at once', `RUN true\nFROM ${base.name}\nCOPY f /f\nCOPY --from=0 /etc/passwd /p\n`, oci],
  ] as const) {
    await build(rig, rig.context({ Dockerfile: `FROM ${base.name}\n${instructions}`, f: 'f' }), output);
    assert.deepEqual([...(await base.fetched())].sort(), [base.config, ...base.layers].sort(), name);
    rmSync(rig.store, { recursive: true });
  }
  const link = { Dockerfile: `FROM ${base.name}\nCOPY --link f /f\n`, f: 'f' };
  await build(rig, rig.context(link), ['-o', `type=registry,name=${rig.registry}/${base.repository}:linked`]);
  assert.deepEqual(await base.fetched(), [base.config], 'pushed beside itself, nothing of it is fetched');
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
  const before = (await rig.registryLog()).length;
  const again = await build(rig, context, [...output, '--cache-from', `type=registry,ref=${ref}`]);
  assert.deepEqual(again.ran, []);
  assert.equal(again.digest, first.digest);
  const fetched = (await rig.registryLog()).slice(before).match(new RegExp(`GET /v2/${name}/blobs/sha256:[a-f0-9]{64}`, 'g')) ?? [];
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
  const byArgument = await build(rig, context, [...push.slice(0, 2), '--build-arg', 'BUILDKIT_INLINE_CACHE=1']);
  assert.equal(byArgument.digest, first.digest);
  rmSync(rig.store, { recursive: true });
  const again = await build(rig, context, [...push, '--cache-from', `type=registry,ref=${ref}`]);
  assert.deepEqual(again.ran, []);
  assert.equal(again.digest, first.digest);
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
