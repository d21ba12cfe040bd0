// A program and the store as a whole: what takes room, what may go, what is broken, and an image that is started.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import {
  build,
  checkStore,
  type DiskUsage,
  diskUsage,
  type ProgressEvent,
  pruneStore,
  runImage,
  type RunOptions,
  type RunResult,
} from '../../src/index.ts';
import { Rig } from '../rig/rig.ts';

const enough = new Error('enough');

/** Builds an image from these instructions on busybox, in the rig's store. */
async function buildImage(rig: Rig, name: string, instructions: string): Promise<void> {
  await build({
    root: rig.store,
    settings: { registries: { 'docker.io': { mirrors: [rig.registry] }, [rig.registry]: { http: true } } },
    dockerfile: { kind: 'text', text: `FROM busybox\n${instructions}\n`, filename: 'Dockerfile' },
    tags: [name],
  });
}

test('rows of a store are those of slipway du; prune takes what nothing needs', async () => {
  await using rig = Rig.create();
  await buildImage(rig, 'app', 'RUN --mount=type=cache,target=/cache echo kept > /cache/f; echo made > /made');
  const root = rig.store;
  const rows = await diskUsage({ root });
  const { stdout } = await rig.slipway(['du', '--format', 'json']);
  const ids = stdout.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as DiskUsage).id]));
  assert.deepEqual(rows.map(({ id }) => id).sort(), ids.sort());
  const [mount, ...more] = await diskUsage({ root, filter: ['type=exec.cachemount'] });
  assert.deepEqual([mount?.mutable, more], [true, []]);

  assert.deepEqual(await pruneStore({ root, all: true, keepDurationMs: 3_600_000 }), { removed: [], bytes: 0 });
  assert.deepEqual((await pruneStore({ root, maxUsedBytes: 1 << 30 })).removed, []);
  const { removed, bytes } = await pruneStore({ root, filter: ['type=exec.cachemount'] });
  assert.deepEqual([removed.map(({ id }) => id), bytes], [[mount?.id], mount?.size]);
  await pruneStore({ root, all: true });
  assert.equal((await rig.slipway(['run', 'app', 'cat', '/made'])).stdout, 'made\n', 'an image keeps what it needs');
  await rig.slipway(['rmi', 'app']);
  await pruneStore({ root, all: true });
  assert.deepEqual(await diskUsage({ root }), []);

  await assert.rejects(diskUsage({ root, filter: ['typ=regular'] }), { code: 'FILTER_INVALID' });
  await assert.rejects(diskUsage({ root, filters: [] } as object), { code: 'OPTION_INVALID', hint: 'did you mean filter?' });
  await assert.rejects(pruneStore({ root, maxUsedBytes: '1g' } as object), {
    code: 'OPTION_INVALID',
    message: /must be a number, not a string/,
  });
  for (const work of [diskUsage, pruneStore, checkStore]) {
    const abort = new AbortController();
    const working = work({ root, signal: abort.signal });
    abort.abort(enough);
    await assert.rejects(working, enough);
    await assert.rejects(work({ root, signal: abort.signal }), enough);
  }
});

test('damage is named, repaired, and made anew by the next build', async () => {
  await using rig = Rig.create();
  const root = rig.store;
  await buildImage(rig, 'app', 'RUN echo made > /made');
  assert.deepEqual(await checkStore({ root }), []);
  const blobs = join(root, 'v1/blobs/sha256');
  const [name = ''] = readdirSync(blobs);
  truncateSync(join(blobs, name), 7);
  const found = await checkStore({ root });
  assert.deepEqual(
    found.map(({ subject, repaired }) => [subject, repaired]),
    [[`blob:sha256:${name}`, false]],
  );
  assert.match(found[0]?.problem ?? '', /its bytes have the digest sha256:/);
  assert.deepEqual(
    (await checkStore({ root, repair: true })).filter(({ repaired }) => !repaired),
    [],
  );
  assert.deepEqual(await checkStore({ root, repair: true }), []);
  await buildImage(rig, 'app', 'RUN echo made > /made');
  assert.equal((await rig.slipway(['run', 'app', 'cat', '/made'])).stdout, 'made\n');

  writeFileSync(rig.path('file'), '');
  await assert.rejects(checkStore({ root: rig.path('file') }), { name: 'SlipwayError', code: /^STORE_/ });
  await assert.rejects(checkStore({ root, repairs: true } as object), { code: 'OPTION_INVALID', hint: 'did you mean repair?' });
});

test('giving up ends a check that reads for hours', async () => {
  await using rig = Rig.create();
  await buildImage(rig, 'app', 'RUN true');
  const endless = join(rig.store, 'v1/blobs/sha256', '0'.repeat(64));
  writeFileSync(endless, '');
  truncateSync(endless, 2 ** 42);
  await assert.rejects(checkStore({ root: rig.store, signal: AbortSignal.timeout(2000) }), { name: 'TimeoutError' });
});

/** Runs the rig's image, and tells what it printed. */
async function ran(rig: Rig, options: Partial<RunOptions>): Promise<RunResult & { readonly stdout: string; readonly stderr: string }> {
  const printed = { 1: '', 2: '' };
  const hear = (event: ProgressEvent): void => {
    if (event.type === 'log') printed[event.stream] += Buffer.from(event.data).toString();
  };
  const result = await runImage({ root: rig.store, image: 'app', onProgress: hear, ...options });
  return { ...result, stdout: printed[1], stderr: printed[2] };
}

test('an image is started as slipway run starts it', async () => {
  await using rig = Rig.create();
  await buildImage(
    rig,
    'app',
    'ENV A=image B=image\nWORKDIR /work\nCMD ["sh", "-c", "echo $A $B; pwd; id -u; echo worse >&2; echo > f; exit 3"]',
  );
  assert.deepEqual(await ran(rig, {}), { exitCode: 3, stdout: 'image image\n/work\n0\n', stderr: 'worse\n' });
  const changed = { env: { B: 'program' }, user: '7', workdir: '/tmp' };
  assert.deepEqual(await ran(rig, { ...changed, args: ['sh', '-c', 'echo $A $B; pwd; id -u; ls /work'] }), {
    exitCode: 0,
    stdout: 'image program\n/tmp\n7\n',
    stderr: '',
  });
  assert.equal((await ran(rig, { entrypoint: ['echo', 'one'], args: ['two'] })).stdout, 'one two\n');
  assert.equal((await ran(rig, { network: 'none', args: ['sh', '-c', 'ls /sys/class/net'] })).stdout, 'lo\n');
  const lines = await ran(rig, { args: ['sh', '-c', 'yes 0123456789 | head -n 400000'] });
  assert.equal(lines.stdout.length, 4_400_000, 'nothing of the output is left out');

  await assert.rejects(ran(rig, { image: 'ap' }), { code: 'IMAGE_UNKNOWN' });
  await assert.rejects(ran(rig, { entrypoint: [] }), { code: 'NO_COMMAND' });
  await assert.rejects(ran(rig, { args: ['/nowhere'] }), (error: { code: string; facts: { exitCode: number } }) => {
    assert.deepEqual([error.code, error.facts.exitCode], ['EXEC_START', 127]);
    return true;
  });
  await assert.rejects(runImage({ root: rig.store } as RunOptions), { code: 'OPTION_INVALID', message: 'there must be an image' });
  await assert.rejects(ran(rig, { arg: ['x'] } as object), { code: 'OPTION_INVALID', hint: 'did you mean args?' });
  await assert.rejects(ran(rig, { network: 'bridge' } as object), {
    code: 'OPTION_INVALID',
    message: /must be 'default', 'none' or 'host'/,
  });
});

test('giving up ends what was started', async () => {
  await using rig = Rig.create();
  await buildImage(rig, 'app', 'CMD ["sh", "-c", "echo here; exec sleep 98765"]');
  const abort = new AbortController();
  const running = runImage({
    root: rig.store,
    image: 'app',
    signal: abort.signal,
    onProgress: ({ type }) => type === 'log' && abort.abort(enough),
  });
  await assert.rejects(running, enough);
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandOf(pid));
  assert.deepEqual(
    commands.filter((command) => command.startsWith('sleep\u000098765')),
    [],
  );
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

test('without a listener it has the streams of the program', async () => {
  await using rig = Rig.create();
  await buildImage(rig, 'app', 'CMD ["tr", "a-z", "A-Z"]');
  const index = new URL('../../src/index.ts', import.meta.url).href;
  const options = { root: rig.store, image: 'app' };
  const program = `import { runImage } from ${JSON.stringify(index)};
console.log((await runImage(${JSON.stringify(options)})).exitCode);
`;
  writeFileSync(rig.path('program.mts'), program);
  const child = spawn(process.execPath, ['--import', 'tsx', rig.path('program.mts')], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end('spoken\n');
  assert.equal(await text(child.stdout), 'SPOKEN\n0\n');
});
