// Several builds at once: what they share, what one takes of another, and how they fail.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import {
  buildTogether,
  diskUsage,
  type BuildRequest,
  type ProgressEvent,
  type TogetherOptions,
  type TogetherResult,
} from '../../src/index.ts';
import { command, Rig } from '../rig/rig.ts';

/** Runs the builds on the rig's store and bases; tells what they printed, too. */
async function together(
  rig: Rig,
  builds: TogetherOptions['builds'],
  more: Partial<TogetherOptions> = {},
): Promise<{ readonly results: TogetherResult; readonly events: readonly ProgressEvent[]; readonly log: string }> {
  const events: ProgressEvent[] = [];
  const settings = { registries: { 'docker.io': { mirrors: [rig.registry] }, [rig.registry]: { http: true } } };
  const results = await buildTogether({ root: rig.store, settings, builds, onProgress: (event) => void events.push(event), ...more });
  const log = events.map((event) => (event.type === 'log' ? Buffer.from(event.data).toString() : '')).join('');
  return { results, events, log };
}

const folder = (path: string): Pick<BuildRequest, 'context'> => ({ context: { kind: 'folder', path } });
const into = (dest: string): Pick<BuildRequest, 'outputs'> => ({ outputs: [{ type: 'local', attributes: { dest } }] });
const times = (text: string, word: string): number => text.split(word).length - 1;

const BUILDER = `FROM busybox AS build
COPY f /f
RUN echo building; head -c 12 /dev/urandom | base64 > /made
FROM scratch AS app
COPY --from=build /made /f /
FROM build AS test
RUN cp /made /tested
FROM scratch AS tests
COPY --from=test /tested /
`;

for (const noCache of [false, true]) {
  test(`a step of several targets runs once${noCache ? ', also where the cache is to be ignored' : ''}, and is shown once`, async () => {
    await using rig = Rig.create();
    const context = rig.context({ Dockerfile: BUILDER, f: 'f' });
    const { log, events } = await together(rig, {
      app: { ...folder(context), target: 'app', noCache, ...into(rig.path('app')) },
      tests: { ...folder(context), target: 'tests', noCache, ...into(rig.path('tests')) },
    });
    assert.equal(times(log, 'building'), 1);
    assert.equal(readFileSync(rig.path('app', 'made'), 'utf8'), readFileSync(rig.path('tests', 'tested'), 'utf8'));
    const names = events.flatMap((event) => (event.type === 'vertex' ? [event.vertex.name] : []));
    assert.equal(names.filter((name) => name.includes('RUN echo building')).length, 1);
    assert.match(names.join('\n'), /^\[(app|tests) build 2\/3\] COPY f \/f$/m);
    assert.equal(names.filter((name) => name.endsWith('exporting to client directory')).length, 2, 'each target exports');
  });
}

test('a target is the base, and a source, of others; each has its own folder called context', async () => {
  await using rig = Rig.create();
  const base = rig.context({ Dockerfile: 'FROM busybox\nCOPY f /base\nENV FROM_BASE=1\nRUN echo based\n', f: 'of the base' }, 'base');
  const middle = rig.context({ Dockerfile: 'FROM base\nCOPY f /middle\nUSER 5\n', f: 'of the middle' }, 'middle');
  const top = rig.context(
    { Dockerfile: 'FROM scratch\nCOPY --from=middle /base /middle /\nCOPY f /top\nCOPY --from=base /base /again\n', f: 'of the top' },
    'top',
  );
  const { results, log } = await together(rig, {
    top: { ...folder(top), namedContexts: { middle: 'target:middle', base: 'target:base' }, ...into(rig.path('out')) },
    middle: { ...folder(middle), namedContexts: { base: 'target:base' }, tags: ['middle:1'] },
    base: { ...folder(base), outputs: [{ type: 'cacheonly', attributes: {} }] },
  });
  assert.deepEqual(
    ['base', 'middle', 'top', 'again'].map((name) => readFileSync(rig.path('out', name), 'utf8')),
    ['of the base', 'of the middle', 'of the top', 'of the base'],
  );
  assert.equal(times(log, 'based'), 1);
  assert.equal(results['base']?.digest, undefined);
  const { config } = results['middle']?.platforms[0] ?? {};
  assert.deepEqual([config?.config?.User, config?.config?.Env?.includes('FROM_BASE=1')], ['5', true]);
  const saved = rig.path('middle.tar');
  const { code, stderr } = await rig.slipway(['save', '-o', saved, 'middle:1']);
  assert.equal(code, 0, stderr);
  const shown = JSON.parse(execFileSync('skopeo', ['inspect', '--config', `docker-archive:${saved}`], { encoding: 'utf8' })) as {
    readonly history: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[];
    readonly rootfs: { readonly diff_ids: readonly string[] };
  };
  const words = shown.history.map(({ created_by = '' }) => created_by.split(' # ')[0]);
  assert.deepEqual(words.slice(-5), ['COPY f /base', 'ENV FROM_BASE=1', 'RUN /bin/sh -c echo based', 'COPY f /middle', 'USER 5']);
  assert.equal(shown.history.filter(({ empty_layer }) => empty_layer !== true).length, shown.rootfs.diff_ids.length);
});

test('the steps of a base have its secrets and rights, whichever target runs them', async () => {
  await using rig = Rig.create();
  const base = rig.context(
    { Dockerfile: 'FROM busybox\nRUN --mount=type=secret,id=word,required=true --network=host cat /run/secrets/word > /said\n' },
    'base',
  );
  const app = rig.context({ Dockerfile: 'FROM scratch\nCOPY --from=base /said /\n' }, 'app');
  const secret = (value: string): Pick<BuildRequest, 'secrets'> => ({
    secrets: [{ id: 'word', kind: 'value', value: Buffer.from(value) }],
  });
  await together(rig, {
    app: { ...folder(app), namedContexts: { base: 'target:base' }, ...into(rig.path('out')) },
    base: { ...folder(base), ...secret('hush'), entitlements: ['network.host'], outputs: [{ type: 'cacheonly', attributes: {} }] },
  });
  assert.equal(readFileSync(rig.path('out', 'said'), 'utf8'), 'hush');
});

test('a base of several platforms is taken for the platform that asks', async () => {
  await using rig = Rig.create();
  const base = rig.context(
    { Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n', amd64: 'amd64', arm64: 'arm64' },
    'base',
  );
  const app = rig.context({ Dockerfile: 'FROM base\n' }, 'app');
  const builds = (platforms: readonly string[]): TogetherOptions['builds'] => ({
    app: { ...folder(app), namedContexts: { base: 'target:base' }, platforms, ...into(rig.path('out')) },
    base: { ...folder(base), platforms: ['linux/amd64', 'linux/arm64'], outputs: [{ type: 'cacheonly', attributes: {} }] },
  });
  await together(rig, builds(['linux/amd64', 'linux/arm64']));
  assert.equal(readFileSync(rig.path('out', 'linux_amd64', 'arch'), 'utf8'), 'amd64');
  assert.equal(readFileSync(rig.path('out', 'linux_arm64', 'arch'), 'utf8'), 'arm64');
  await assert.rejects(
    together(rig, builds(['linux/s390x'])),
    /target base is not built for linux\/s390x, only for linux\/amd64, linux\/arm64/,
  );
});

test('the first that fails ends the others, and is told once, with its name', async () => {
  await using rig = Rig.create();
  const base = rig.context({ Dockerfile: 'FROM busybox\nRUN exit 3\n' }, 'base');
  const app = rig.context({ Dockerfile: 'FROM base\nRUN true\n' }, 'app');
  const slow = rig.context({ Dockerfile: 'FROM busybox\nRUN sleep 600\n' }, 'slow');
  const failed: string[] = [];
  const builds = {
    app: { ...folder(app), namedContexts: { base: 'target:base' } },
    base: folder(base),
    slow: folder(slow),
  };
  await assert.rejects(together(rig, builds, { onFailure: (_, name) => failed.push(name) }), (error: Error & Record<string, unknown>) => {
    assert.equal(error['code'], 'EXEC_EXIT');
    assert.equal((error['location'] as { source: { text: string } }).source.text, 'FROM busybox\nRUN exit 3\n');
    assert.equal((error['facts'] as Record<string, unknown>)['build'], 'base');
    return true;
  });
  assert.deepEqual(failed.sort(), ['app', 'base', 'slow']);
  const { stdout } = await rig.slipway(['history']);
  assert.match(stdout, /\bslow\b.*cancel/, 'what was ended is kept as such');
});

test('a mistake in a file is told of the target whose file it is, not of those that stand on it', async () => {
  await using rig = Rig.create();
  const base = rig.context({ Dockerfile: 'FROM busybox\nRUNN true\n' }, 'base');
  const app = rig.context({ Dockerfile: 'FROM base\n' }, 'app');
  const builds = { app: { ...folder(app), namedContexts: { base: 'target:base' } }, base: folder(base) };
  await assert.rejects(together(rig, builds), (error: Error & { code: string; facts: Record<string, unknown> }) => {
    assert.equal(error.code, 'DOCKERFILE_INVALID');
    assert.equal(error.facts['build'], 'base');
    return true;
  });
});

test('a stage that is not there is told with its build, and of a build alone without', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch AS app\nCOPY Dockerfile /\n' });
  await assert.rejects(
    together(rig, { a: { ...folder(context), target: 'nope' } }),
    (error: Error & { facts: Record<string, unknown> }) => {
      assert.deepEqual([error.facts['build'], error.facts['target']], ['a', 'nope']);
      return true;
    },
  );
  const { stderr } = await rig.slipway(['build', '--target', 'nope', context]);
  assert.match(stderr, /nope/);
  assert.doesNotMatch(stderr, /^target /m);
});

test('builds that stand on each other, or on what is not there, are refused before anything runs', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM other\n' });
  const on = (target: string): BuildRequest => ({ ...folder(context), namedContexts: { other: `target:${target}` } });
  await assert.rejects(together(rig, { a: on('b'), b: on('a') }), /targets stand on each other: a → b → a/);
  await assert.rejects(together(rig, { a: on('c') }), /target a stands on c, and there is no such target/);
  await assert.rejects(together(rig, { a: { ...folder(context), tag: 'x' } as BuildRequest }), /there is no option builds\.a\.tag/);
});

test('targets that write the same cache write it together; one that fails leaves it as it was', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile: `FROM busybox AS base
RUN cat /proc/sys/kernel/random/uuid > /base
FROM base AS a
RUN cat /base > /a
FROM base AS b
RUN cat /base > /b
FROM base AS c
RUN exit 3
`,
  });
  const ref = `${rig.registry}/together/cache-${process.pid}:1`;
  const targets = (...names: readonly string[]): TogetherOptions['builds'] =>
    Object.fromEntries(
      names.map((target, index): [string, BuildRequest] => [
        target,
        {
          ...{ ...folder(context), target },
          cacheFrom: [{ type: 'registry', attributes: { ref } }],
          cacheTo: [{ type: 'registry', attributes: { ref, mode: index === 0 ? 'max' : 'min' } }],
        },
      ]),
    );
  const written = async (): Promise<string> =>
    (await command('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${ref}`])).stdout;
  const ran = ({ results }: { readonly results: TogetherResult }): readonly string[] =>
    Object.values(results).flatMap(({ steps }) => steps.flatMap(({ state, instruction }) => (state === 'executed' ? [instruction] : [])));

  assert.equal(ran(await together(rig, targets('a', 'b'))).length, 4, 'the base counts for both');
  const first = await written();
  rmSync(rig.store, { recursive: true });
  assert.deepEqual(ran(await together(rig, targets('b', 'a'))), []);
  rmSync(rig.store, { recursive: true });
  const again = await together(rig, targets('a', 'b'));
  assert.deepEqual(ran(again), []);
  assert.equal(await written(), first, 'what knows the same is the same, whoever ends last');
  assert.match(JSON.stringify(again.events), /cache manifest sha256:\w+ is there already/);

  await assert.rejects(together(rig, targets('a', 'b', 'c')), /exit code 3|EXEC_EXIT|did not complete/);
  assert.equal(await written(), first);
});

test('what builds that are made together left is collected when they end, as of one build', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY f /f\nWORKDIR /w\n', f: 'f' });
  const one: BuildRequest = { ...folder(context), outputs: [{ type: 'cacheonly', attributes: {} }] };
  const settings = { gc: { maxBytes: 1 } };
  await together(rig, { a: one, b: one }, { settings });
  assert.deepEqual(await diskUsage({ root: rig.store, settings }), []);
});
