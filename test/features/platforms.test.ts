// Several platforms from one file: cross-compiled, emulated, and an index that other tools take.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { command, Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

const BINFMT = '/proc/sys/fs/binfmt_misc';
const MAGIC = '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00';
const MASK = '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff';

/** Lets the kernel run arm64 programs by qemu, as Debian's package would at its installation. */
async function registerQemu(): Promise<void> {
  if (!existsSync(`${BINFMT}/register`)) await command('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT]);
  if (readdirSync(BINFMT).some((name) => name.includes('aarch64'))) return;
  writeFileSync(`${BINFMT}/register`, `:qemu-aarch64:M::${MAGIC}:${MASK}:/usr/bin/qemu-aarch64-static:F`);
}

async function unregisterQemu(): Promise<void> {
  if (existsSync(`${BINFMT}/qemu-aarch64`)) writeFileSync(`${BINFMT}/qemu-aarch64`, '-1');
  await Promise.resolve();
}

test('a RUN for another architecture: refused with the remedy without emulation, works with it', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN uname -m > /machine\n' });
  await unregisterQemu();
  const refused = await rig.slipway(['build', '--platform', 'linux/arm64', context]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Dockerfile:2/);
  assert.match(refused.stderr, /qemu-user-static/);
  await registerQemu();
  const built = await rig.slipway(['build', '--platform', 'linux/arm64', '-o', rig.path('out'), context]);
  assert.equal(built.code, 0, built.stderr);
  assert.equal(readFileSync(rig.path('out/machine'), 'utf8').trim(), 'aarch64');
});

test('a cross-compiled Go program for two platforms: its compiler pulled and set up once, its RUN emulated, an index others accept', async () => {
  await using rig = Rig.create();
  await registerQemu();
  const golang = await rig.ownBase('golang:1.21');
  const context = rig.context({
    Dockerfile: `FROM --platform=$BUILDPLATFORM ${golang.name} AS build
WORKDIR /src
COPY main.go go.mod ./
RUN go env GOROOT && echo set up once
ARG TARGETARCH
RUN GOARCH=$TARGETARCH CGO_ENABLED=0 go build -o /app .
FROM busybox
COPY --from=build /app /app
RUN /app > /said && uname -m >> /said
ENTRYPOINT ["/app"]
`,
    'main.go': 'package main\n\nimport (\n\t"fmt"\n\t"runtime"\n)\n\nfunc main() { fmt.Println("crossed for", runtime.GOARCH) }\n',
    'go.mod': 'module crossed\n\ngo 1.19\n',
  });
  const built = await rig.slipway([
    'build',
    '--platform=linux/amd64,linux/arm64',
    '-o',
    `type=oci,dest=${rig.path('i.tar')}`,
    '-o',
    `type=local,dest=${rig.path('out')}`,
    '--progress=rawjson',
    '--metadata-file',
    rig.path('m.json'),
    context,
  ]);
  assert.equal(built.code, 0, built.stderr);

  assert.deepEqual([...(await golang.fetched())].sort(), [golang.config, ...golang.layers].sort(), 'each blob of the compiler once');

  const { 'slipway.steps': steps } = JSON.parse(readFileSync(rig.path('m.json'), 'utf8')) as {
    'slipway.steps': { instruction: string; state: string; platform: string }[];
  };
  const ran = (word: string): readonly string[] =>
    steps.filter(({ instruction, state }) => instruction.includes(word) && state === 'executed').map(({ platform }) => platform);
  for (const once of ['WORKDIR', 'COPY main.go', 'set up once']) assert.deepEqual(ran(once), ['linux/amd64'], once);
  for (const each of ['go build', 'COPY --from=build', '/said']) assert.deepEqual(ran(each), ['linux/amd64', 'linux/arm64'], each);
  const began = vertexStarts(built.stderr);
  assert.equal(began.filter((name) => name.includes('set up once')).length, 1);
  assert.equal(began.filter((name) => name.includes('FROM') && name.includes(golang.repository)).length, 1);
  assert.equal(readFileSync(rig.path('out/linux_amd64/said'), 'utf8'), 'crossed for amd64\nx86_64\n');
  assert.equal(readFileSync(rig.path('out/linux_arm64/said'), 'utf8'), 'crossed for arm64\naarch64\n');

  const raw = await command('skopeo', ['inspect', '--raw', `oci-archive:${rig.path('i.tar')}`]);
  const index = JSON.parse(raw.stdout) as { manifests: { platform: { architecture: string } }[] };
  assert.deepEqual(index.manifests.map(({ platform }) => platform.architecture).sort(), ['amd64', 'arm64']);
  const copied = await command('skopeo', ['copy', '--all', `oci-archive:${rig.path('i.tar')}`, `oci:${rig.path('layout')}:app`]);
  assert.equal(copied.code, 0, copied.stderr);
  for (const architecture of ['amd64', 'arm64']) {
    // A storage for each: podman gives both the index's id, and takes one of an id only.
    const storage = ['--root', rig.path(`podman-${architecture}`), '--runroot', rig.path('podman-run'), '--storage-driver=vfs'];
    const pulled = await command('podman', [...storage, 'pull', '-q', '--arch', architecture, `oci-archive:${rig.path('i.tar')}`]);
    assert.equal(pulled.code, 0, pulled.stderr);
    const shown = await command('podman', [...storage, 'image', 'inspect', '--format', '{{.Architecture}}', pulled.stdout.trim()]);
    assert.equal(shown.stdout.trim(), architecture);
  }
});

/** Names of the vertices that began to work, from `--progress=rawjson`: each once for each digest. */
function vertexStarts(rawjson: string): readonly string[] {
  const started = new Map<string, string>();
  for (const line of rawjson.split('\n').filter((text) => text.startsWith('{'))) {
    const { vertexes = [] } = JSON.parse(line) as { vertexes?: { digest: string; name: string; started?: string }[] };
    for (const { digest, name, started: at } of vertexes) if (at !== undefined) started.set(digest, name);
  }
  return [...started.values()];
}

test('a server lists the platforms that the kernel emulates', async () => {
  await using rig = Rig.create();
  await registerQemu();
  await using served = await Served.start(rig);
  const { stdout, stderr } = await served.buildx(['inspect']);
  assert.match(stdout, /^Platforms:\s+linux\/amd64.*linux\/arm64/m, stderr);
});
