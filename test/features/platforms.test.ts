// Several platforms from one file: cross-compiled, emulated, and an index that other tools take.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { command, Rig } from '../rig/rig.ts';

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

test('a cross-compiled Go program for two platforms: set up once, an index that skopeo and podman accept', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile: `FROM --platform=$BUILDPLATFORM golang:1.21 AS build
WORKDIR /src
COPY main.go go.mod ./
RUN go env GOROOT && echo set up once
ARG TARGETARCH
RUN GOARCH=$TARGETARCH CGO_ENABLED=0 go build -o /app .
FROM scratch
COPY --from=build /app /app
ENTRYPOINT ["/app"]
`,
    'main.go': 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("crossed") }\n',
    'go.mod': 'module crossed\n\ngo 1.19\n',
  });
  const built = await rig.slipway([
    'build',
    '--platform=linux/amd64,linux/arm64',
    '-o',
    `type=oci,dest=${rig.path('i.tar')}`,
    '--metadata-file',
    rig.path('m.json'),
    context,
  ]);
  assert.equal(built.code, 0, built.stderr);
  const { 'slipway.steps': steps } = JSON.parse(readFileSync(rig.path('m.json'), 'utf8')) as {
    'slipway.steps': { instruction: string; state: string }[];
  };
  assert.equal(steps.filter(({ instruction }) => instruction.includes('set up once')).length, 1);
  assert.equal(steps.filter(({ instruction }) => instruction.includes('go build')).length, 2);
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
