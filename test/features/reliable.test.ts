// Reproducible, noticing what changes, and unharmed by kills and company.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { until } from '../rig/processes.ts';
import { Rig } from '../rig/rig.ts';

const DIRTY = `FROM busybox AS build
WORKDIR /w
COPY src /w/src
RUN cat src/a src/b > out && ln -s out link
FROM busybox
RUN mkdir /made && echo made > /made/file
COPY --from=build /w/out /out
COPY src /src
`;

test('SOURCE_DATE_EPOCH and rewrite-timestamp: one digest on empty stores, a warm one and a fresh clone', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: DIRTY, 'src/a': 'a', 'src/b': 'b' });
  cpSync(context, rig.path('clone'), { recursive: true });
  utimesSync(rig.path('clone/src/a'), 1_000_000, 1_000_000);
  const digests: string[] = [];
  for (const [store, folder] of [
    ['one', context],
    ['two', context],
    ['one', context],
    ['three', rig.path('clone')],
  ] as const) {
    const output = `type=oci,dest=${rig.path('i.tar')},rewrite-timestamp=true`;
    const built = await rig.slipway(['build', '--root', rig.path(store), '-o', output, '--metadata-file', rig.path('m.json'), folder], {
      env: { SOURCE_DATE_EPOCH: '0' },
    });
    assert.equal(built.code, 0, built.stderr);
    digests.push((JSON.parse(readFileSync(rig.path('m.json'), 'utf8')) as Record<string, string>)['containerimage.digest'] ?? '');
  }
  assert.equal(new Set(digests).size, 1, digests.join('\n'));
});

test('a file replaced by one of the same size and mtime is noticed', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'one' });
  utimesSync(`${context}/f`, 1_600_000_000, 1_600_000_000);
  assert.equal((await rig.slipway(['build', '-o', rig.path('first'), context])).code, 0);
  writeFileSync(`${context}/f`, 'two');
  utimesSync(`${context}/f`, 1_600_000_000, 1_600_000_000);
  assert.equal((await rig.slipway(['build', '-o', rig.path('second'), context])).code, 0);
  assert.equal(readFileSync(rig.path('second/f'), 'utf8'), 'two');
});

test('a context that changes while a step runs on it: the step sees one state', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile: 'FROM busybox\nRUN --mount=type=bind,target=/ctx cat /ctx/f > /a; touch /ctx/never 2>/dev/null; sleep 1; cat /ctx/f > /b\n',
    f: 'before',
  });
  const running = rig.start(['build', '-o', rig.path('out'), context]);
  const change = setInterval(() => writeFileSync(`${context}/f`, `after ${process.hrtime.bigint()}`), 5);
  const outcome = await running.ended;
  clearInterval(change);
  if (outcome.code === 0) assert.equal(readFileSync(rig.path('out/a'), 'utf8'), readFileSync(rig.path('out/b'), 'utf8'));
  else assert.match(outcome.stderr, /changed/);
});

test('two builds of one file share its steps; ten different ones all succeed', async () => {
  await using rig = Rig.create();
  const shared = rig.context(
    { Dockerfile: 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id && sleep 0.5\nFROM scratch\nCOPY --from=0 /id /id\n' },
    'shared',
  );
  const [one, two] = await Promise.all(['one', 'two'].map((name) => rig.slipway(['build', '-o', rig.path(name), shared])));
  assert.equal(one?.code, 0, one?.stderr);
  assert.equal(two?.code, 0, two?.stderr);
  assert.equal(readFileSync(rig.path('one/id'), 'utf8'), readFileSync(rig.path('two/id'), 'utf8'));
  const many = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      rig.slipway(['build', '-t', `many${index}`, rig.context({ Dockerfile: `FROM busybox\nRUN echo ${index} > /n\n` }, `many${index}`)]),
    ),
  );
  for (const outcome of many) assert.equal(outcome.code, 0, outcome.stderr);
  assert.equal((await rig.slipway(['store', 'check'])).code, 0);
});

test('killed at random moments: the next build succeeds with the same digest, and nothing is left', async (t) => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: DIRTY, 'src/a': 'a', 'src/b': 'b' });
  const env = { SOURCE_DATE_EPOCH: '0' };
  const args = ['build', '-o', `type=oci,dest=${rig.path('i.tar')},rewrite-timestamp=true`, '--iidfile', rig.path('iid'), context];
  assert.equal((await rig.slipway(['build', '--root', rig.path('other'), ...args.slice(1)], { env })).code, 0);
  const expected = readFileSync(rig.path('iid'), 'utf8');
  const started = Date.now();
  assert.equal((await rig.slipway([...args, '--no-cache'], { env })).code, 0);
  const duration = Date.now() - started;
  const seed = Date.now() % 100_000;
  t.diagnostic(`seed ${seed}`);
  let random = seed;
  for (let round = 0; round < Number(process.env['KILLS'] ?? 8); round += 1) {
    random = (random * 48_271) % 2_147_483_647;
    const running = rig.start([...args, '--no-cache'], { env });
    const timer = setTimeout(() => running.kill('SIGKILL'), random % duration);
    await running.ended;
    clearTimeout(timer);
    const again = await rig.slipway(args, { env });
    assert.equal(again.code, 0, again.stderr);
    assert.equal(readFileSync(rig.path('iid'), 'utf8'), expected);
  }
  const check = await rig.slipway(['store', 'check']);
  assert.equal(check.code, 0, check.stdout);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  assert.equal(mounts.includes(rig.store), false);
  await until(() => spawnSync('pgrep', ['-f', rig.store]).status === 1); // those of a killed builder die in their own time
  assert.deepEqual(
    readdirSync(rig.store).filter((name) => !/^v\d+$/.test(name)),
    [],
  );
});

test('an unchanged build runs nothing, and a touched context neither', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: DIRTY, 'src/a': 'a', 'src/b': 'b' });
  const states = async (): Promise<readonly string[]> => {
    const built = await rig.slipway(['build', '-t', 'same', '--metadata-file', rig.path('m.json'), context]);
    assert.equal(built.code, 0, built.stderr);
    const metadata = JSON.parse(readFileSync(rig.path('m.json'), 'utf8')) as { 'slipway.steps': { state: string; instruction: string }[] };
    return metadata['slipway.steps'].filter(({ state }) => state === 'executed').map(({ instruction }) => instruction);
  };
  assert.ok((await states()).length >= 5);
  assert.deepEqual(await states(), []);
  const { atime } = statSync(`${context}/src/a`);
  utimesSync(`${context}/src/a`, atime, new Date(1_234_567_890_000));
  assert.deepEqual(await states(), []);
  writeFileSync(`${context}/src/a`, 'changed');
  assert.deepEqual(
    (await states()).map((instruction) => instruction.split(' ')[0]),
    ['COPY', 'RUN', 'COPY', 'COPY'],
  );
});
